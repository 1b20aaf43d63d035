/** The capture loop, with a scripted worker and a clock that stands still. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ROOT_PATH } from "../../../src/base/raw-name.js";
import { turns, until } from "../../turns.js";
import { guid, NOTHING_CAPTURED, rawPath } from "../log/state-fixtures.js";
import { Bench, found, IDLE, problem, row, sealed, UNCHANGED } from "./fake-capture.js";

const A = row(1, { path: rawPath("a"), messages: 3 });
const B = row(2, { path: rawPath("b"), messages: 4 });

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
});

afterEach(() => {
  bench.stop.abort(new Error("the test is over"));
});

describe("one pass", () => {
  test("examines what is new or differs, commits it, and leaves the rest alone", async () => {
    bench.capture.mailboxes = [
      found(A),
      found(B, { fingerprint: "other" }),
      { path: rawPath("c"), guid: guid(3), fingerprint: "x" },
    ];
    const C = row(3, { path: rawPath("c"), messages: 5 });
    bench.capture.outcomes.set("c", [sealed(C, { changes: 5 })]);
    const capturer = bench.capturer([A, B]);
    await bench.settle(capturer);
    expect(bench.capture.asked).toStrictEqual(["b!", "c!"]);
    expect(bench.captured).toStrictEqual([{ lastLsn: 1, saves: 5, changes: 5 }]);
    expect(capturer.counts).toMatchObject({ mailboxes: 3, messages: 12, examined: 2, listings: 2, sweeps: 1 });
    expect([capturer.row(guid(3)), [...capturer.rows].length]).toStrictEqual([C, 3]);
    expect(bench.capture.points).toStrictEqual(["capture.sealed", "capture.committed"]);
    expect([capturer.settled, bench.clock.timerCount]).toStrictEqual([true, 0]);
  });

  test("goes on while there is more of the same", async () => {
    bench.capture.mailboxes = [found(A, { fingerprint: "other" })];
    bench.capture.outcomes.set("a", [sealed(A, { more: true }), sealed(A, { more: true }), sealed(A)]);
    await bench.settle(bench.capturer([A]));
    expect(bench.capture.asked).toStrictEqual(["a!", "a!", "a!"]);
    expect(bench.captured.map(({ lastLsn }) => lastLsn)).toStrictEqual([1, 2, 3]);
  });

  test("stores a fingerprint without telling of it", async () => {
    bench.capture.mailboxes = [found(A, { fingerprint: "new" })];
    const commit = { ...NOTHING_CAPTURED, mailboxes: [{ ...A, fingerprint: "new" }] };
    bench.capture.outcomes.set("a", [{ ...UNCHANGED, commit } as typeof UNCHANGED]);
    const capturer = bench.capturer([A]);
    await bench.settle(capturer);
    expect([bench.commits, bench.captured]).toStrictEqual([[commit], []]);
    expect(capturer.row(A.guid)?.fingerprint).toBe("new");
  });

  test("looks again after the time that was asked for, not before and not in between", async () => {
    bench.capture.mailboxes = [found(A, { fingerprint: "other" })];
    bench.capture.outcomes.set("a", [
      { kind: "unchanged", ...IDLE, recheckInMs: 3, needListing: true },
      { kind: "unchanged", ...IDLE, recheckInMs: 3 },
    ]);
    const capturer = bench.capturer([A]);
    const run = capturer.run(bench.stop.signal, true);
    await turns();
    expect(bench.capture.asked).toHaveLength(1);
    await bench.clock.advance(2);
    expect(bench.capture.asked).toHaveLength(1);
    await bench.clock.advance(1);
    await turns();
    expect(bench.capture.asked).toHaveLength(2);
    await bench.clock.advance(3);
    await run;
    expect(bench.capture.asked).toHaveLength(3);
  });

  test("keeps a mailbox's problem until it can be examined, and goes on with the others", async () => {
    bench.capture.mailboxes = [found(A, { fingerprint: "x" }), found(B, { fingerprint: "x" })];
    bench.capture.outcomes.set("a", [{ kind: "problem", problem: problem(A.path) }]);
    const capturer = bench.capturer([A, B]);
    await bench.settle(capturer);
    expect(bench.capture.asked).toStrictEqual(["a!", "b!"]);
    expect([...capturer.problems.values()]).toStrictEqual([problem(A.path)]);
    capturer.markFull(A.path, "sweep");
    await bench.settle(capturer);
    expect(capturer.problems.size).toBe(0);
  });

  test("a mailbox that is listed but not there is looked for again, with pauses", async () => {
    bench.capture.mailboxes = [found(A, { fingerprint: "x" })];
    bench.capture.outcomes.set("a", [{ kind: "absent" }, { kind: "absent" }]);
    const capturer = bench.capturer([A]);
    const run = capturer.run(bench.stop.signal, true);
    await turns();
    expect([bench.capture.discoveries, bench.capture.asked.length]).toStrictEqual([1, 1]);
    await bench.clock.advance(200);
    await run;
    expect([bench.capture.discoveries, bench.capture.asked.length]).toStrictEqual([3, 3]);
  });

  test("a failure of the worker ends the loop with it", async () => {
    bench.capture.mailboxes = [found(A, { fingerprint: "x" })];
    bench.capture.onExamine = () => {
      throw new Error("the disk is gone");
    };
    await expect(bench.capturer([A]).run(bench.stop.signal, true)).rejects.toThrow("the disk is gone");
  });
});

describe("a commit that fails", () => {
  test("makes the worker forget what it believed, and ends the loop; nothing counts as captured", async () => {
    bench.capture.mailboxes = [found(A, { fingerprint: "x" })];
    bench.capture.outcomes.set("a", [sealed({ ...A, messages: 99 })]);
    bench.onAppend = () => {
      throw new Error("the disk is full");
    };
    const capturer = bench.capturer([A]);
    await expect(capturer.run(bench.stop.signal, true)).rejects.toThrow("the disk is full");
    expect(bench.capture.forgotten).toBe(1);
    expect([capturer.counts.messages, bench.captured]).toStrictEqual([3, []]);
  });

  test("of a deletion does so too", async () => {
    bench.capture.mailboxes = [found(B)];
    bench.capture.vanishedOutcome = { kind: "sealed", commit: { ...NOTHING_CAPTURED, removedMailboxIds: [A.id] } };
    bench.onAppend = () => {
      throw new Error("the disk is full");
    };
    const capturer = bench.capturer([A, B]);
    const run = capturer.run(bench.stop.signal, true);
    const failed = expect(run).rejects.toThrow("the disk is full");
    await turns();
    await bench.clock.advance(1000);
    await failed;
    expect(bench.capture.forgotten).toBe(1);
    expect(capturer.row(A.guid)).toStrictEqual(A);
  });
});

describe("structure", () => {
  test("a mailbox is gone when two looks 300 ms apart missed it", async () => {
    bench.capture.mailboxes = [found(B)];
    bench.capture.vanishedOutcome = { kind: "sealed", commit: { ...NOTHING_CAPTURED, removedMailboxIds: [A.id] } };
    const capturer = bench.capturer([A, B]);
    const moved: unknown[] = [];
    capturer.onMoved = (...ends) => moved.push(ends);
    const run = capturer.run(bench.stop.signal, true);
    await turns();
    capturer.sweepSoon(); // a look that comes too soon does not count.
    await turns();
    expect([bench.capture.discoveries, capturer.settled]).toStrictEqual([2, false]);
    await bench.clock.advance(299);
    expect(bench.worker.calls.map(({ method }) => method)).not.toContain("vanished");
    await bench.clock.advance(20);
    await run;
    expect([bench.capture.discoveries, bench.commits.length]).toStrictEqual([3, 1]);
    expect([capturer.counts, capturer.row(A.guid)]).toMatchObject([{ mailboxes: 1, messages: 4 }, undefined]);
    expect(moved).toStrictEqual([[A.path, undefined]]);
  });

  test("two looks of which the first took long do not count as apart", async () => {
    bench.capture.mailboxes = [found(B)];
    bench.capture.onDiscover = () => bench.clock.advance(400);
    const capturer = bench.capturer([A, B]);
    const run = capturer.run(bench.stop.signal, true);
    run.catch(() => undefined);
    await until(() => bench.capture.discoveries >= 1, "it looked");
    capturer.sweepSoon();
    bench.capture.onDiscover = () => undefined;
    await until(() => bench.capture.discoveries >= 2, "it looked again");
    await turns();
    // They began 400 ms apart, although the second ended at once.
    expect(bench.worker.calls.map(({ method }) => method)).toContain("vanished");
  });

  test("one of which a look cannot be certain is looked for again", async () => {
    bench.capture.mailboxes = [found(B)];
    bench.capture.uncertain.push([A.guid], [A.guid]);
    const run = bench.capturer([A, B]).run(bench.stop.signal, true);
    await turns();
    for (const discoveries of [2, 3]) {
      await bench.clock.advance(320);
      await turns();
      expect(bench.capture.discoveries).toBe(discoveries);
      expect(bench.worker.calls.map(({ method }) => method)).not.toContain("vanished");
    }
    await bench.clock.advance(320);
    await run;
    expect(bench.worker.calls.map(({ method }) => method)).toContain("vanished");
  });

  describe("while one owner renames all the time", () => {
    const isGone = () => bench.worker.calls.some(({ method }) => method === "vanished");

    test("a run comes to its end, and names what never was in its place", async () => {
      bench.capture.mailboxes = [found(B)];
      for (let i = 0; i < 1000; i++) bench.capture.uncertain.push([A.guid]);
      const capturer = bench.capturer([A, B]);
      await bench.settle(capturer, 70_000);
      expect([isGone(), capturer.row(A.guid)]).toStrictEqual([false, A]);
      expect([...capturer.problems.values()]).toMatchObject([{ path: A.path, code: "mailbox-restless" }]);
      expect(bench.clock.monotonicMs()).toBeGreaterThan(60_000);
      await bench.settle(capturer, 100); // the next round waits for nothing.
    });

    test("also where each look finds one that is elsewhere a moment later", async () => {
      bench.capture.mailboxes = [found(A), found(B, { fingerprint: "x" })];
      bench.capture.outcomes.set("b", Array(5_000).fill({ kind: "absent" }));
      const capturer = bench.capturer([A, B]);
      await bench.settle(capturer, 70_000);
      expect([...capturer.problems.values()]).toMatchObject([{ path: B.path, code: "mailbox-restless" }]);
      bench.capture.outcomes.clear();
      capturer.sweepSoon();
      await bench.settle(capturer);
      expect([...capturer.problems]).toStrictEqual([]);
    });

    test("events that tell of it keep no run from its end, and bring a look in two seconds", async () => {
      bench.capture.mailboxes = [found(B)];
      for (let i = 0; i < 1000; i++) bench.capture.uncertain.push([A.guid]);
      const capturer = bench.capturer([A, B]);
      await bench.settle(capturer, 70_000);
      const looks = bench.capture.discoveries;
      const run = capturer.run(bench.stop.signal, false);
      run.catch(() => undefined);
      for (let ms = 0; ms < 3_900; ms += 100) {
        capturer.onName(ROOT_PATH, "c");
        expect(capturer.settled || bench.capture.discoveries > looks).toBe(true);
        await bench.clock.advance(100);
      }
      expect(bench.capture.discoveries - looks).toBeOneOf([1, 2]);
    });
  });

  test("one that stands again after all is left alone", async () => {
    bench.capture.mailboxes = [found(B)];
    const capturer = bench.capturer([A, B]);
    const run = capturer.run(bench.stop.signal, true);
    await turns();
    bench.capture.mailboxes = [found(A), found(B)];
    await bench.clock.advance(400);
    await run;
    expect(bench.worker.calls.map(({ method }) => method)).not.toContain("vanished");
  });

  test("one with something else in its place is named until it is found, or is really gone", async () => {
    bench.capture.mailboxes = [found(B)];
    const problem = { path: A.path, code: "ENOTDIR", message: "a file stands there", hint: "Move it away." };
    bench.capture.vanishedOutcome = { kind: "problem", problem };
    const capturer = bench.capturer([A, B]);
    await bench.settle(capturer);
    expect([capturer.row(A.guid), capturer.problems.get(A.path)]).toStrictEqual([A, problem]);
    capturer.sweepSoon();
    const again = capturer.run(bench.stop.signal, true);
    await turns();
    expect(capturer.problems.get(A.path)).toStrictEqual(problem); // between two looks, too.
    await bench.clock.advance(400);
    await again;
    expect(capturer.problems.get(A.path)).toStrictEqual(problem);
    bench.capture.mailboxes = [found(A), found(B)];
    capturer.sweepSoon();
    await bench.settle(capturer);
    expect([...capturer.problems]).toStrictEqual([]);
  });

  test("one that is back by the time it is asked for stays", async () => {
    bench.capture.mailboxes = [found(B)];
    bench.capture.vanishedOutcome = { kind: "present" };
    const capturer = bench.capturer([A, B]);
    await bench.settle(capturer);
    expect(capturer.row(A.guid)).toStrictEqual(A);
    expect(bench.commits).toStrictEqual([]);
  });

  test("an emptied source stops everything, and nothing is deleted", async () => {
    const run = bench.capturer([A, B]).run(bench.stop.signal, true);
    const failed = expect(run).rejects.toMatchObject({ code: "source-emptied", exitCode: 66 });
    for (let ms = 0; ms < 400; ms += 20) await bench.clock.advance(20);
    await failed;
    expect(bench.commits).toStrictEqual([]);
    expect(bench.worker.calls.filter(({ method }) => method === "discover").length).toBeGreaterThan(1);
  });

  test("a source that looks empty once, its only mailbox being renamed just then, is no emptied source", async () => {
    let looks = 0;
    bench.capture.onDiscover = () => {
      looks += 1;
      bench.capture.mailboxes = looks === 1 ? [] : [found(A)];
      return Promise.resolve();
    };
    await bench.settle(bench.capturer([A]));
    expect(looks).toBeGreaterThan(1);
    expect(bench.commits).toStrictEqual([]);
  });

  test("a mailbox that cannot be looked into is a problem, not a deletion; the problem goes when it is over", async () => {
    bench.capture.mailboxes = [found(B)];
    bench.capture.problems = [problem(A.path, "EACCES")];
    const capturer = bench.capturer([A, B]);
    await bench.settle(capturer);
    expect([...capturer.problems.keys()]).toStrictEqual([A.path]);
    expect(bench.worker.calls.map(({ method }) => method)).not.toContain("vanished");
    bench.capture.problems = [];
    bench.capture.mailboxes = [found(A), found(B)];
    capturer.sweepSoon();
    await bench.settle(capturer);
    expect(capturer.problems.size).toBe(0);
  });

  test("a renamed mailbox keeps its identity", async () => {
    const renamed = { ...A, path: rawPath("z") };
    bench.capture.mailboxes = [found(renamed, { fingerprint: "x" })];
    bench.capture.outcomes.set("z", [sealed(renamed, { changes: 0 })]);
    const capturer = bench.capturer([A]);
    const moved: unknown[] = [];
    capturer.onMoved = (...ends) => moved.push(ends);
    await bench.settle(capturer);
    expect(capturer.row(A.guid)).toStrictEqual(renamed);
    expect(moved).toStrictEqual([["a", "z"]]);
    expect(capturer.counts).toMatchObject({ mailboxes: 1, messages: 3 });
  });

  test("mailboxes that changed places are both found where they are", async () => {
    const [a, b] = [
      { ...A, path: B.path },
      { ...B, path: A.path },
    ];
    bench.capture.mailboxes = [found(b, { fingerprint: "x" }), found(a, { fingerprint: "x" })];
    bench.capture.outcomes.set("a", [sealed(b, { changes: 0 })]);
    bench.capture.outcomes.set("b", [sealed(a, { changes: 0 })]);
    const capturer = bench.capturer([A, B]);
    await bench.settle(capturer);
    const active: string[] = [];
    capturer.onActive = (path) => {
      active.push(path);
      return false;
    };
    for (const { path } of [A, B]) capturer.onName(path, "dovecot-uidlist");
    expect(active).toStrictEqual(["a", "b"]);
  });

  test("of two with one GUID at first contact neither is called the copy: names tell nothing", async () => {
    bench.capture.mailboxes = [found(A, { path: rawPath("aaa") }), found(A, { path: rawPath("bob") })];
    const capturer = bench.capturer([]);
    await bench.settle(capturer);
    expect([...capturer.problems.values()]).toMatchObject([
      {
        message: "examining mailbox bob: its GUID is that of aaa too, which is the one that is twinned",
        hint: expect.stringMatching(/^Find out which of the two is the copy; .* In the copy remove dovecot-uidlist/),
      },
    ]);
  });

  test("a copied directory is a problem of the copy, until the copy is gone", async () => {
    bench.capture.mailboxes = [found(A), found(A, { path: rawPath("copy") })];
    const capturer = bench.capturer([A]);
    await bench.settle(capturer);
    expect([...capturer.problems.values()]).toMatchObject([{ path: "copy", code: "mailbox-guid-twice" }]);
    expect(bench.capture.asked).toStrictEqual([]);
    bench.capture.mailboxes = [found(A)];
    capturer.sweepSoon();
    await bench.settle(capturer);
    expect(capturer.problems.size).toBe(0);
  });

  test("each look tells which directories are to be watched, and what was not watched before is looked at again", async () => {
    const directories = [{ path: A.path, ino: 7 }];
    bench.capture.mailboxes = [found(A)];
    bench.capture.directories = directories;
    const capturer = bench.capturer([A]);
    const covered: unknown[] = [];
    capturer.onDirectories = async (told) => {
      covered.push(told);
      return covered.length === 1;
    };
    const run = capturer.run(bench.stop.signal, false);
    run.catch(() => undefined);
    await turns();
    expect(covered).toStrictEqual([directories]);
    await bench.clock.advance(1_000);
    expect(covered).toStrictEqual([directories, directories]);
  });

  test("the problem of a mailbox that was never known is over when it stands nowhere any more", async () => {
    bench.capture.mailboxes = [found(A), found(B)];
    bench.capture.outcomes.set("b", [{ kind: "problem", problem: problem(B.path, "uidlist-too-large") }]);
    const capturer = bench.capturer([A]);
    await bench.settle(capturer);
    expect([...capturer.problems.keys()]).toStrictEqual([B.path]);
    bench.capture.mailboxes = [found(A)];
    capturer.sweepSoon();
    await bench.settle(capturer);
    expect(capturer.problems.size).toBe(0);
  });
});
