/** The capture loop while it watches: waits, rations, sweeps, new UIDs. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ROOT_PATH } from "../../../src/base/raw-name.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { turns, until } from "../../turns.js";
import { guid, rawPath } from "../log/state-fixtures.js";
import { Bench, found, IDLE, LIMITS, problem, row, sealed, UNCHANGED } from "./fake-capture.js";

const A = row(1, { path: rawPath("a"), messages: 3 });
const B = row(2, { path: rawPath("b"), messages: 4 });

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
});

afterEach(() => {
  bench.stop.abort(new Error("the test is over"));
});

describe("files without a UID", () => {
  const unnumbered = (oldestSeenMs: number) => ({
    kind: "unchanged" as const,
    ...IDLE,
    unnumbered: { count: 1, oldestSeenMs },
  });

  test("are left to Dovecot for a while, looked at now and then without a listing", async () => {
    const { capturer } = await bench.watching([A]);
    const seenMs = bench.clock.nowMs();
    bench.capture.outcomes.set(
      "a",
      Array.from({ length: 3 }, () => unnumbered(seenMs)),
    );
    capturer.onUidlistHint(A.path);
    await turns();
    expect(bench.capture.asked).toStrictEqual(["a"]);
    await bench.clock.advance(49);
    expect(bench.capture.asked).toStrictEqual(["a"]);
    await bench.clock.advance(250);
    expect(bench.capture.asked).toStrictEqual(["a", "a", "a", "a"]);
    expect(bench.worker.calls.map(({ method }) => method)).not.toContain("number");
  });

  test("get one from us past the limit, and are captured then", async () => {
    const { capturer } = await bench.watching([A]);
    const seenMs = bench.clock.nowMs();
    const numbered = { kind: "numbered", count: 2, more: false, uidNext: 9, notFiles: [], isIdentified: true } as const;
    bench.capture.numbers.push(numbered);
    const examine: number[] = [];
    bench.capture.onExamine = ({ path }) => {
      const isNumbered = bench.worker.calls.some(({ method }) => method === "number");
      bench.capture.outcomes.set(path, [isNumbered ? sealed(A) : unnumbered(seenMs)]);
      examine.push(bench.clock.nowMs() - seenMs);
    };
    capturer.onUidlistHint(A.path);
    await bench.clock.advance(490);
    expect(capturer.counts.numbered).toBe(0);
    await bench.clock.advance(20);
    await until(() => bench.captured.length === 1, "it is captured");
    expect(capturer.counts).toMatchObject({ numbered: 2, renumbered: 0, identified: 1 });
    expect(examine.length).toBeLessThan(15);
  });

  test("in a busy mailbox get theirs at the look nearest to the limit, and are captured at once, by no listing", async () => {
    const limits = { ...LIMITS, unnumberedMsMax: 100, gatherMs: 3, busyMs: 40 };
    const { capturer } = await bench.watching([A], limits);
    const startMs = bench.clock.nowMs();
    const times: Record<"looked" | "numbered", number[]> = { looked: [], numbered: [] };
    const sinceStart = () => bench.clock.nowMs() - startMs;
    const number = bench.capture.number.bind(bench.capture);
    bench.capture.number = () => {
      times.numbered.push(sinceStart());
      return number();
    };
    bench.capture.numbers.push({ kind: "numbered", count: 1, more: false, uidNext: 9, notFiles: [] });
    let seenMs: number | undefined;
    bench.capture.onExamine = ({ path }) => {
      seenMs ??= bench.clock.nowMs();
      times.looked.push(sinceStart());
      bench.capture.outcomes.set(path, [times.numbered.length > 0 ? sealed(A) : unnumbered(seenMs)]);
    };
    for (let ms = 0; ms < 150; ms += 5) {
      capturer.onUidlistHint(A.path); // others are delivered all the time.
      await bench.clock.advance(5);
    }
    expect(times.looked.slice(0, 4)).toStrictEqual([3, 43, 83, 86]);
    expect(times.numbered).toStrictEqual([83]);
    expect(new Set(bench.capture.asked)).toStrictEqual(new Set(["a"]));
    expect(bench.captured.length).toBeGreaterThan(0);
  });

  test("wait while the lock is held, without a storm of looks, and without holding up others", async () => {
    const { capturer } = await bench.watching([A, B]);
    const seenMs = bench.clock.nowMs() - 1000;
    bench.capture.numbers.push(...Array.from({ length: 5 }, () => ({ kind: "busy" as const, by: "9:h", ageMs: 1 })));
    bench.capture.outcomes.set(
      "a",
      Array.from({ length: 6 }, () => unnumbered(seenMs)),
    );
    capturer.onUidlistHint(A.path);
    await turns();
    capturer.onUidlistHint(B.path);
    await turns();
    expect(bench.capture.asked).toStrictEqual(["a", "b"]);
    await bench.clock.advance(100);
    expect(bench.worker.calls.filter(({ method }) => method === "number")).toHaveLength(6);
  });

  test("that cannot be numbered are a problem, tried again by the next sweep", async () => {
    const { capturer } = await bench.watching([A]);
    bench.capture.mailboxes = [found(A, { fingerprint: "x" })];
    const seenMs = bench.clock.nowMs() - 1000;
    bench.capture.numbers.push({ kind: "problem", problem: problem(A.path, "uids-exhausted") });
    bench.capture.outcomes.set("a", [unnumbered(seenMs)]);
    capturer.onUidlistHint(A.path);
    await bench.clock.advance(100);
    expect(capturer.problems.get(A.path)?.code).toBe("uids-exhausted");
    expect(bench.worker.calls.filter(({ method }) => method === "number")).toHaveLength(1);
    await bench.clock.advance(25_000);
    expect(capturer.problems.size).toBe(0);
  });

  test("that are gone when they are to be numbered are looked for by a listing", async () => {
    const { capturer } = await bench.watching([A]);
    bench.capture.outcomes.set("a", [unnumbered(bench.clock.nowMs() - 1000)]);
    capturer.onUidlistHint(A.path);
    await bench.clock.advance(100);
    expect(bench.capture.asked).toStrictEqual(["a", "a!"]);
  });
});

describe("watching", () => {
  test("a hinted name is examined at once, with the hint", async () => {
    const { capturer } = await bench.watching([A]);
    bench.capture.outcomes.set("a", [sealed(A)]);
    const active: string[] = [];
    capturer.onActive = (path) => {
      active.push(path);
      return false;
    };
    capturer.onMessageHint(A.path, { dir: "new", name: "x" });
    await until(() => bench.captured.length === 1, "it is captured");
    expect(bench.capture.requests).toMatchObject([
      { full: false, hints: { names: [{ dir: "new", name: "x" }], uidlist: false } },
    ]);
    expect(active).toStrictEqual(["a"]);
  });

  test("what the slower tier says of a mailbox that was examined just now is no news, later it is", async () => {
    const { capturer } = await bench.watching([A]);
    let isWatched = true;
    capturer.onActive = () => isWatched;
    capturer.onMessageHint(A.path, { dir: "new", name: "x" });
    await until(() => bench.capture.asked.length === 1, "it is examined");
    await bench.clock.advance(300);
    capturer.onName(A.path, "dovecot-uidlist");
    await bench.clock.advance(300);
    expect(bench.capture.asked).toStrictEqual(["a"]);
    capturer.onName(A.path, "dovecot-uidlist");
    await until(() => bench.capture.asked.length === 2, "it is examined again");
    // One that only the slower tier watches is told of by that alone.
    isWatched = false;
    capturer.onName(A.path, "dovecot-uidlist");
    await until(() => bench.capture.asked.length === 3, "it is examined once more");
  });

  test("a suspected expunge is confirmed by a listing, rationed by what the last one cost", async () => {
    const { capturer } = await bench.watching([A]);
    const listed = { entries: 9, ms: 100 };
    bench.capture.outcomes.set("a", [
      { kind: "unchanged", ...IDLE, needListing: true },
      { kind: "unchanged", ...IDLE, listed },
      { kind: "unchanged", ...IDLE, needListing: true },
    ]);
    capturer.onUidlistHint(A.path);
    await turns();
    expect(bench.capture.asked).toStrictEqual(["a", "a!"]);
    capturer.onUidlistHint(A.path);
    await turns();
    expect(bench.capture.asked).toStrictEqual(["a", "a!", "a"]);
    await bench.clock.advance(890);
    expect(bench.capture.asked).toHaveLength(3);
    await bench.clock.advance(20);
    expect(bench.capture.asked).toStrictEqual(["a", "a!", "a", "a!"]);
  });

  test("a confirmation does not wait for quiet in a mailbox that never is", async () => {
    const { capturer } = await bench.watching([A]);
    capturer.onUidlistHint(A.path);
    await turns();
    capturer.onUidlistHint(A.path);
    await turns(); // a listing for the fingerprint's sake is marked by now.
    bench.capture.outcomes.set("a", [{ kind: "unchanged", ...IDLE, needListing: true }]);
    for (let i = 0; i < 4; i++) {
      capturer.onUidlistHint(A.path);
      await bench.clock.advance(100);
    }
    expect(bench.capture.asked).toContain("a!");
  });

  test("a mailbox that went quiet is listed once, so that its fingerprint can be trusted", async () => {
    const { capturer } = await bench.watching([A]);
    capturer.onUidlistHint(A.path);
    await bench.clock.advance(2_900);
    capturer.onUidlistHint(A.path);
    await bench.clock.advance(2_900);
    expect(bench.capture.asked).toStrictEqual(["a", "a"]);
    await bench.clock.advance(200);
    expect(bench.capture.asked).toStrictEqual(["a", "a", "a!"]);
    await bench.clock.advance(10_000);
    expect(bench.capture.asked).toHaveLength(3);
  });

  test("a mailbox that is never quiet is listed once a minute all the same", async () => {
    const { capturer } = await bench.watching([A]);
    for (let second = 0; second < 62; second++) {
      capturer.onUidlistHint(A.path);
      await bench.clock.advance(1000);
    }
    expect(bench.capture.asked.filter((asked) => asked === "a!")).toHaveLength(1);
  });

  test("a busy mailbox does not keep another from being listed", async () => {
    const { capturer } = await bench.watching([A, B]);
    capturer.markFull(B.path, "sweep");
    bench.capture.onExamine = ({ path }) => {
      if (path === A.path && bench.capture.requests.length < 100) capturer.onUidlistHint(A.path);
    };
    capturer.onUidlistHint(A.path);
    await until(() => bench.capture.requests.length >= 100, "the busy one was examined again and again");
    expect(bench.capture.asked.indexOf("b!")).toBeGreaterThanOrEqual(0);
    expect(bench.capture.asked.indexOf("b!")).toBeLessThan(40);
  });

  test("sweeps come again and again; what only they found is counted", async () => {
    const { capturer } = await bench.watching([A, B]);
    expect(bench.capture.discoveries).toBe(1);
    await bench.clock.advance(20_000);
    expect(bench.capture.discoveries).toBe(2);
    expect(capturer.counts.caughtBySweep).toBe(0);
    bench.capture.mailboxes = [found(A, { fingerprint: "x" }), found(B, { fingerprint: "y" })];
    bench.capture.outcomes.set("a", [sealed(A, { changes: 4 })]); // events were lost.
    bench.capture.outcomes.set("b", [UNCHANGED]); // only the fingerprint was not to be trusted.
    await bench.clock.advance(20_000);
    await until(() => bench.capture.asked.length === 2, "what differs is listed");
    expect(bench.capture.asked).toStrictEqual(["a!", "b!"]);
    expect([capturer.counts.sweeps, capturer.counts.caughtBySweep]).toStrictEqual([3, 4]);
  });

  test("an event of a side file is a hint, of anything else a reason to look at the whole store", async () => {
    const { capturer } = await bench.watching([A]);
    capturer.onName(A.path, "dovecot-uidlist");
    await turns();
    expect([bench.capture.asked, bench.capture.discoveries]).toStrictEqual([["a"], 1]);
    capturer.onName(A.path, "dovecot.index.cache");
    await turns();
    expect(bench.capture.discoveries).toBe(1);
    capturer.onName(ROOT_PATH, "new-mailbox");
    await turns();
    await bench.clock.advance(50);
    expect(bench.capture.discoveries).toBe(2);
  });

  test("events without end do not have the store looked at without end", async () => {
    const { capturer } = await bench.watching([A]);
    for (let ms = 0; ms < 1_000; ms += 5) {
      capturer.onName(ROOT_PATH, `x${ms}`);
      await bench.clock.advance(5);
    }
    expect(bench.capture.discoveries).toBeGreaterThan(10);
    expect(bench.capture.discoveries - 1).toBeLessThanOrEqual(20);
  });

  test("an abort ends the loop with its reason, and leaves no timer", async () => {
    const { run } = await bench.watching([A]);
    const reason = new Error("stop");
    await turns();
    expect(bench.clock.timerCount).toBe(1);
    bench.stop.abort(reason);
    await expect(run).rejects.toBe(reason);
    expect(bench.clock.timerCount).toBe(0);
  });
});

describe("new UIDs", () => {
  const late = [parseUid(3), parseUid(5)];

  test("are given to messages that turned up below what the log has passed, which are captured then", async () => {
    bench.capture.mailboxes = [found(A, { fingerprint: "x" })];
    bench.capture.outcomes.set("a", [{ kind: "unchanged", ...IDLE, late }, sealed(A)]);
    const moves = late.map((fromUid) => ({ fromUid, toUid: parseUid(fromUid + 10), base: parseBaseName("x") }));
    bench.capture.renumbers.push({ kind: "renumbered", moves, uidNext: 16 });
    const capturer = bench.capturer([A]);
    await bench.settle(capturer);
    expect(capturer.counts).toMatchObject({ numbered: 0, renumbered: 2, identified: 0 });
    const renumber = bench.worker.calls.find(({ method }) => method === "renumber");
    expect(renumber?.args).toMatchObject({ path: A.path, uids: late, floor: 0 });
    expect(bench.captured).toHaveLength(1);
  });

  test("wait for the lock without holding up the loop", async () => {
    const { capturer } = await bench.watching([A, B]);
    bench.capture.renumbers.push({ kind: "busy", by: "9:h", ageMs: 1 }, { kind: "busy", by: "9:h", ageMs: 1 });
    bench.capture.outcomes.set(
      "a",
      Array.from({ length: 3 }, () => ({ kind: "unchanged" as const, ...IDLE, late })),
    );
    capturer.onUidlistHint(A.path);
    await turns();
    capturer.onUidlistHint(B.path);
    await turns();
    expect(bench.capture.asked).toStrictEqual(["a", "b"]);
    await bench.clock.advance(200);
    expect(bench.worker.calls.filter(({ method }) => method === "renumber")).toHaveLength(3);
  });

  test("that cannot be given are a problem, and no endless loop", async () => {
    bench.capture.mailboxes = [found(A, { fingerprint: "x" })];
    bench.capture.outcomes.set("a", [{ kind: "unchanged", ...IDLE, late }]);
    bench.capture.renumbers.push({ kind: "problem", problem: problem(A.path, "uids-exhausted") });
    const capturer = bench.capturer([A]);
    await bench.settle(capturer);
    expect(bench.capture.asked).toStrictEqual(["a!"]);
    expect(capturer.problems.get(A.path)?.code).toBe("uids-exhausted");
  });

  test("for a conflict: waiting for the lock; it tells when it was in vain", async () => {
    const { capturer } = await bench.watching([A]);
    bench.capture.renumbers.push({ kind: "busy", by: "9:h", ageMs: 1 });
    const range = { guid: A.guid, uids: [parseUid(10), parseUid(11)], floor: 40 };
    const done = capturer.renumbering.renumber(range, 30_000, bench.stop.signal);
    await turns();
    await bench.clock.advance(10);
    expect(await done).toBeUndefined();
    expect(bench.worker.calls.filter(({ method }) => method === "renumber").at(-1)?.args).toMatchObject({
      uids: [10, 11],
      floor: 40,
    });
    await until(() => bench.capture.asked.includes("a!"), "the change is captured");
    bench.capture.renumbers.push({ kind: "problem", problem: problem(A.path, "uids-exhausted") });
    expect(await capturer.renumbering.renumber(range, 30_000, bench.stop.signal)).toMatchObject({
      code: "uids-exhausted",
    });
    const calls = bench.worker.calls.length;
    expect(
      await capturer.renumbering.renumber({ ...range, guid: guid(77) }, 30_000, bench.stop.signal),
    ).toBeUndefined();
    expect(bench.worker.calls.slice(calls).map(({ method }) => method)).toStrictEqual([]);
  });
});
