/** What the two ends of a link do about a transaction that does not fit. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CURSOR_PAUSE_MS } from "../../../src/agent/cursor-store.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { letPass, turns, until } from "../../turns.js";
import type { Refusal } from "./fake-replica.js";
import { guid, LOG_ID, Pair, path, REPLICA, type Running } from "./pair.js";

const PASSED: Refusal = { kind: "uid-passed", replicaNext: 700 };
const MISSING: Refusal = { kind: "mailbox-missing" };

let pair: Pair;
let run: Running;

beforeEach(() => {
  pair = new Pair();
});

afterEach(async () => {
  await run.end();
});

function appliedLsns(): number[] {
  return pair.replica.applied.map(({ lsn }) => lsn);
}

describe("uid-passed", () => {
  test("both sides make room, then it is applied without what was renumbered", async () => {
    pair.log("a", [{ uid: 100 }, { uid: 101 }]);
    pair.log("b", [{ uid: 1 }]); // or the two would be one.
    pair.log("a", [{ uid: 102 }]);
    pair.replica.refusals.set(1, [PASSED]);
    pair.replica.yieldOutcome = { kind: "yielded", moves: [], uidNext: 900 };
    run = pair.start();
    await run.untilAcked(3);
    expect(pair.replica.applied.map(({ lsn, voidBelow }) => [lsn, voidBelow])).toStrictEqual([
      [1, 900],
      [2, 0],
      [3, 0],
    ]);
    expect(pair.renumbered).toStrictEqual([{ guid: guid("a"), uids: [100, 101], floor: 900 }]);
    const asked = run.store.calls.find(({ method }) => method === "yieldUids");
    expect(asked?.args).toStrictEqual({ mailbox: guid("a"), uids: [100, 101], from: 700, floor: 700 });
    expect(run.conflicts).toStrictEqual([expect.stringMatching(/: 2 messages of the source get new UIDs$/)]);
    expect(run.rejected).toStrictEqual([]);
  });

  test("a floor is above the source's next UID too", async () => {
    pair.log("a", [{ uid: 100 }]);
    pair.replica.refusals.set(1, [{ kind: "uid-passed", replicaNext: 120 }]);
    run = pair.start();
    await run.untilAcked(1);
    expect(run.store.calls.find(({ method }) => method === "yieldUids")?.args).toMatchObject({ floor: 500 });
  });

  test("only those that were refused, or passed while room was made, get others", async () => {
    pair.log("a", [{ uid: 100 }, { uid: 119 }, { uid: 120 }, { uid: 129 }, { uid: 130 }]);
    pair.replica.refusals.set(1, [{ kind: "uid-passed", replicaNext: 120 }]);
    pair.replica.yieldOutcome = { kind: "yielded", moves: [], uidNext: 130 };
    run = pair.start();
    await run.untilAcked(1);
    expect(pair.renumbered).toStrictEqual([{ guid: guid("a"), uids: [100, 119, 120, 129], floor: 130 }]);
  });

  test("a UID that foreign mail has taken is resolved alike; one that no foreign mail has is rejected", async () => {
    const [move] = [{ base: parseBaseName("other"), fromUid: parseUid(100), toUid: parseUid(899) }];
    pair.log("a", [{ uid: 100 }]);
    pair.log("b", [{ uid: 100 }]);
    pair.replica.refusals.set(1, [{ kind: "uid-bound-otherwise" }]);
    pair.replica.yieldOutcome = { kind: "yielded", moves: [move], uidNext: 900 };
    run = pair.start();
    await run.untilAcked(2);
    expect(pair.replica.applied[0]).toMatchObject({ lsn: 1, voidBelow: 900 });
    expect(pair.renumbered).toStrictEqual([{ guid: guid("a"), uids: [100], floor: 900 }]);
    pair.log("c", [{ uid: 100 }]);
    pair.replica.refusals.set(3, [{ kind: "uid-bound-otherwise" }]);
    pair.replica.yieldOutcome = { kind: "yielded", moves: [], uidNext: 900 };
    await run.untilAcked(3);
    expect(run.rejected).toMatchObject([{ lsn: 3, code: "uid-bound-otherwise" }]);
    expect(pair.renumbered).toHaveLength(1);
  });

  test("after four attempts it goes to the rejection log", async () => {
    pair.log("a", [{ uid: 100 }]);
    pair.replica.refusals.set(
      1,
      Array.from({ length: 9 }, () => PASSED),
    );
    run = pair.start();
    await run.untilAcked(1);
    // Once its messages have other UIDs nothing more has to move: UIDs must not run away.
    expect(pair.renumbered).toHaveLength(1);
    expect(run.rejected).toMatchObject([
      { lsn: 1, code: "uid-passed", attempts: 1, replica: REPLICA, path: path("a") },
    ]);
    expect(pair.replica.dropped).toStrictEqual([1]);
  });

  test.each([
    ["refuses", 4_294_901_504, 4_294_901_504],
    ["makes room", 700, 4_294_901_504],
  ])("a replica that uses up the UIDs when it %s is not followed: nothing is renumbered", async (_when, next, room) => {
    pair.log("a", [{ uid: 100 }]);
    pair.log("b", [{ uid: 1 }]);
    pair.replica.refusals.set(1, [{ kind: "uid-passed", replicaNext: next }]);
    pair.replica.yieldOutcome = { kind: "yielded", moves: [], uidNext: room };
    run = pair.start();
    await run.untilAcked(2);
    expect(run.rejected).toMatchObject([{ code: "uids-too-high", message: expect.stringContaining("4294901504") }]);
    expect([pair.renumbered, run.conflicts]).toStrictEqual([[], []]);
    expect(appliedLsns()).toStrictEqual([2]);
  });

  test("if the source cannot renumber, nothing is left out: the mailbox is rejected", async () => {
    pair.log("a", [{ uid: 100 }]);
    pair.log("b", [{ uid: 1 }]);
    pair.replica.refusals.set(1, [PASSED]);
    const problem = { path: path("a"), code: "uids-exhausted", message: "no UIDs are left", hint: "" };
    pair.renumber = async () => problem;
    run = pair.start();
    await run.untilAcked(2);
    expect(run.rejected).toMatchObject([{ code: "uids-exhausted", message: "no UIDs are left" }]);
    expect(appliedLsns()).toStrictEqual([2]);
  });

  test("if the replica cannot make room, the mailbox is rejected and the others go on", async () => {
    pair.log("a", [{ uid: 100 }]);
    pair.log("b", [{ uid: 1 }]);
    pair.replica.refusals.set(1, [PASSED]);
    pair.replica.yieldOutcome = { kind: "busy", by: "9:host", ageMs: 5 };
    run = pair.start();
    const acked = run.untilAcked(2);
    await until(() => pair.clock.timerCount > 0, "the replica waits for its lock");
    await letPass(pair.clock, 29_000);
    expect(run.rejected).toStrictEqual([]); // nothing would mend it in this run.
    await letPass(pair.clock, 6_000);
    await acked;
    expect(run.rejected).toMatchObject([{ code: "replica-lock-held" }]);
    expect(appliedLsns()).toStrictEqual([2]);
  });
});

describe("a divergence found ahead of its turn", () => {
  test("is judged again when its turn comes, before the source hears of it", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.log("b", [{ uid: 1 }]);
    pair.replica.unprepared.set(2, [MISSING]); // the first transaction makes room for it.
    run = pair.start();
    await run.untilAcked(2);
    expect(appliedLsns()).toStrictEqual([1, 2]);
    expect(run.rejected).toStrictEqual([]);
  });

  test("that stays is reported", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.replica.unprepared.set(1, [MISSING, MISSING]);
    run = pair.start();
    await run.untilAcked(1);
    expect(run.rejected).toMatchObject([{ lsn: 1, code: "mailbox-missing" }]);
  });
});

describe("a mailbox that is given up", () => {
  test("holds back what follows of it, while others flow, and the cursor passes what the rejection covers", async () => {
    for (const letter of ["a", "b", "a", "c", "a", "b"])
      pair.log(letter, [{ uid: pair.sourceState.entries.length + 1 }]);
    pair.replica.refusals.set(1, [MISSING]);
    run = pair.start();
    await run.untilAcked(6);
    expect(appliedLsns()).toStrictEqual([2, 4, 6]);
    expect(pair.sourceState.rejections).toMatchObject([{ lsn: 1, mailbox: guid("a"), code: "mailbox-missing" }]);
    expect(run.rejected).toHaveLength(1);
    expect([run.agent.ackedLsn, run.agent.trimmableLsn]).toStrictEqual([6, 0]);
    const later = pair.log("a", [{ uid: 50 }]);
    await run.untilAcked(later);
    expect(appliedLsns()).toStrictEqual([2, 4, 6]);
    expect(run.store.calls.filter(({ args }) => (args as { key?: number }).key === later)).toStrictEqual([]);
  });

  test("is sent first in the next run, from that transaction on and in order; then the rejection is dropped", async () => {
    for (const letter of ["a", "b", "a", "b"]) pair.log(letter, [{ uid: pair.sourceState.entries.length + 1 }]);
    pair.replica.refusals.set(1, [MISSING]);
    run = pair.start();
    await run.untilAcked(4);
    await run.end();
    pair.replica.applied.length = 0;
    pair.log("b", [{ uid: 9 }]);
    run = pair.start();
    await run.untilAcked(5);
    expect(appliedLsns()).toStrictEqual([1, 3, 5]);
    expect(pair.sourceState.rejections).toStrictEqual([]);
    expect([run.agent.rejections, run.agent.trimmableLsn]).toStrictEqual([[], 5]);
  });

  test("that is refused again counts its attempts, and does not stop the others", async () => {
    for (const letter of ["a", "b", "a"]) pair.log(letter, [{ uid: pair.sourceState.entries.length + 1 }]);
    for (let attempt = 1; attempt <= 3; attempt++) {
      pair.replica.refusals.set(1, [MISSING]);
      run = pair.start();
      await pair.clock.advance(1000);
      await run.untilAcked(3);
      await run.end();
    }
    expect(appliedLsns()).toStrictEqual([2]);
    expect(pair.sourceState.rejections).toMatchObject([{ lsn: 1, attempts: 3 }]);
    const [row] = pair.sourceState.rejections;
    expect((row?.lastMs ?? 0) - (row?.firstMs ?? 0)).toBe(2000);
  });

  test("that gets further in the next run is not sent from the beginning in the one after", async () => {
    for (let uid = 1; uid <= 3; uid++) pair.log("a", [{ uid }]);
    pair.log("b", [{ uid: 1 }]);
    pair.replica.refusals.set(1, [MISSING]);
    run = pair.start();
    await run.untilAcked(4);
    await run.end();
    pair.replica.refusals.set(2, [MISSING]);
    run = pair.start();
    await run.untilAcked(4);
    await run.end();
    expect(appliedLsns()).toStrictEqual([4, 1]);
    run = pair.start();
    await run.untilAcked(4);
    expect(appliedLsns()).toStrictEqual([4, 1, 2, 3]);
  });

  test("keeps its part of the log while it is sent again", async () => {
    for (let uid = 1; uid <= 3; uid++) pair.log("a", [{ uid }]);
    pair.log("b", [{ uid: 1 }]);
    pair.replica.refusals.set(1, [MISSING]);
    run = pair.start();
    await run.untilAcked(4);
    await run.end();
    pair.replica.locked.add(2);
    run = pair.start();
    await until(() => appliedLsns().includes(1), "the first is sent again");
    await until(() => pair.clock.timerCount > 0, "the second waits");
    expect(run.agent.trimmableLsn).toBe(0);
  });
});

describe("bodies that cannot be read at the source", () => {
  test("give up their mailbox only", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.log("b", [{ uid: 1 }]);
    pair.log("a", [{ uid: 2 }]);
    pair.bodies.unreadable.add("ba1");
    run = pair.start();
    await run.untilAcked(3);
    expect(run.rejected).toMatchObject([
      { lsn: 1, code: "EIO", message: "reading a message at the source: EIO: reading ba1" },
    ]);
    expect(appliedLsns()).toStrictEqual([2]);
    expect(pair.replica.dropped).toContain(1);
  });

  test("also large ones, of which a part was sent", async () => {
    pair.log("a", [{ uid: 1, size: 9_000_000 }]);
    pair.log("b", [{ uid: 1 }]);
    pair.bodies.changing.add("ba1");
    run = pair.start();
    await run.untilAcked(2);
    expect(run.rejected).toMatchObject([{ lsn: 1, code: "body-changed" }]);
    expect(appliedLsns()).toStrictEqual([2]);
    expect(pair.bodies.opened.size).toBe(0);
  });

  test("of two transactions of a mailbox keep the earlier one in the rejection log", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.log("a", [{ uid: 2 }]);
    pair.bodies.unreadable.add("ba1").add("ba2");
    run = pair.start();
    await run.untilAcked(2);
    await turns();
    expect(pair.sourceState.rejections).toMatchObject([{ lsn: 1 }]);
    expect(run.rejected).toHaveLength(1);
  });

  test("behind a transaction that is still on its way leave that one in the rejection log, until it is applied", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.log("b", [{ uid: 1 }]); // or the two would be one.
    pair.log("a", [{ uid: 2 }]);
    pair.bodies.unreadable.add("ba2");
    pair.replica.locked.add(1);
    run = pair.start();
    const acked = run.untilAcked(3);
    await until(() => pair.sourceState.rejections.length > 0, "the second is rejected");
    expect(pair.sourceState.rejections).toMatchObject([{ lsn: 1, code: "EIO" }]);
    await letPass(pair.clock, 35_000);
    await acked;
    expect(pair.sourceState.rejections).toMatchObject([{ lsn: 1 }]);
    expect(run.rejected).toHaveLength(1);
    await run.end();
    pair.replica.locked.clear();
    pair.bodies.unreadable.clear();
    run = pair.start();
    await run.untilAcked(3);
    expect(appliedLsns()).toStrictEqual([2, 1, 3]);
    expect(pair.sourceState.rejections).toStrictEqual([]);
  });

  test("that are not what was announced are rejected", async () => {
    pair.log("a", [
      { uid: 1, size: 5 },
      { uid: 2, size: 3_000_000 },
    ]);
    pair.bodies.sizes.set("ba1", 6);
    run = pair.start();
    await run.untilAcked(1);
    expect(run.rejected).toMatchObject([{ lsn: 1, code: "body-mismatch" }]);
  });
});

describe("a lock on the replica", () => {
  test("that is let go delays the transaction only", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.replica.refusals.set(1, ["busy", "busy", "busy"]);
    run = pair.start();
    const acked = run.untilAcked(1);
    await until(() => pair.clock.timerCount > 0, "the session waits");
    await pair.clock.advance(10);
    await acked;
    expect(run.rejected).toStrictEqual([]);
    await pair.clock.advance(CURSOR_PAUSE_MS); // after which the cursor may be written again.
    expect(pair.clock.timerCount).toBe(0);
  });

  test("that stays in other hands rejects the mailbox after the limit, and says who holds it", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.log("b", [{ uid: 1 }]);
    pair.replica.locked.add(1);
    run = pair.start();
    const acked = run.untilAcked(2);
    await until(() => pair.clock.timerCount > 0, "the session waits");
    await letPass(pair.clock, 29_000);
    expect(run.rejected).toStrictEqual([]);
    await letPass(pair.clock, 6_000);
    await acked;
    expect(run.rejected).toMatchObject([{ code: "lock-held", message: expect.stringContaining("9:host for 2 s") }]);
    expect(pair.replicaState.applied.get(LOG_ID)).toBe(2);
  });

  test("that is let go of within the limit rejects nothing, what was left out is still, and no try is counted", async () => {
    pair.log("a", [{ uid: 100 }]);
    pair.replica.refusals.set(1, [PASSED]);
    pair.replica.onExecute = () => {
      if (pair.renumbered.length > 0 && pair.clock.monotonicMs() < 20_000) pair.replica.locked.add(1);
      else pair.replica.locked.delete(1);
    };
    run = pair.start();
    const acked = run.untilAcked(1);
    await letPass(pair.clock, 21_000);
    await acked;
    expect(run.rejected).toStrictEqual([]);
    expect(pair.replica.applied).toMatchObject([{ lsn: 1, voidBelow: 1000 }]);
  });

  test("of one mailbox after the other keeps the rest waiting for a minute, not for each of them anew", async () => {
    const letters = "abcdefghij".split("");
    for (const letter of letters) pair.replica.locked.add(pair.log(letter, [{ uid: 1 }]));
    const last = pair.log("z", [{ uid: 1 }]);
    run = pair.start();
    const acked = run.untilAcked(last);
    await letPass(pair.clock, 80_000, 200);
    expect(appliedLsns()).toStrictEqual([last]);
    await acked;
    expect(run.rejected).toHaveLength(letters.length);
  });
});
