/** What a replay agent and a session do together when nothing is in the way. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CURSOR_PAUSE_MS } from "../../../src/agent/cursor-store.js";
import { BODY_PART_BYTES_MAX } from "../../../src/capture/body-types.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { turns, until } from "../../turns.js";
import { bodyOf } from "./fake-bodies.js";
import { hexOf } from "./fake-replica.js";
import { guid, LOG_ID, Pair, REPLICA, type Running } from "./pair.js";

describe("shipping", () => {
  let pair: Pair;
  let run: Running;

  beforeEach(() => {
    pair = new Pair();
  });

  afterEach(async () => {
    await run.end();
  });

  test("transactions are applied and reported in the order of the log, and the cursors follow", async () => {
    for (let uid = 1; uid <= 30; uid++) pair.log(uid % 2 === 0 ? "a" : "b", [{ uid }]);
    run = pair.start();
    await run.untilAcked(30);
    const lsns = Array.from({ length: 30 }, (_, i) => i + 1);
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual(lsns);
    expect(run.shipped.map(({ lsn }) => lsn)).toStrictEqual(lsns);
    expect(run.shipped[4]?.notes).toStrictEqual(["note of 5"]);
    expect(pair.replicaState.applied.get(LOG_ID)).toBe(30);
    await pair.clock.advance(CURSOR_PAUSE_MS);
    expect(pair.sourceState.cursors.get(REPLICA)).toBe(30);
    expect([run.agent.ackedLsn, run.agent.trimmableLsn]).toStrictEqual([30, 30]);
    expect(pair.replicaState.intents.size).toBe(0);
  });

  test("an outcome comes only after the effect is recorded, and the intent before the execution", async () => {
    const seen: string[] = [];
    pair.replica.onExecute = (lsn) => seen.push(`execute ${lsn} with ${pair.replicaState.intents.size} intents`);
    pair.replicaState.onWrite = (method) => seen.push(method);
    pair.log("a", [{ uid: 1, size: 100_000 }]); // so that its body is asked for.
    run = pair.start();
    const acked = run.untilAcked(1).then(() => seen.push("acked"));
    await acked;
    expect(seen).toStrictEqual(["putIntent", "execute 1 with 1 intents", "recordEffect", "acked"]);
    expect(run.points).toStrictEqual(["apply.staged", "apply.intent", "apply.effect-recorded"]);
    expect(run.store.calls.map(({ method }) => method)).toStrictEqual(["prepare", "stageMany", "execute"]);
    expect(run.store.calls[1]?.args).toMatchObject({ sync: true });
  });

  test("what comes into the log later is shipped when the agent is woken", async () => {
    run = pair.start();
    await run.prepared;
    for (let uid = 1; uid <= 3; uid++) await run.untilAcked(pair.log("a", [{ uid }]));
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([1, 2, 3]);
  });

  test("it goes on where the replica is", async () => {
    for (let uid = 1; uid <= 5; uid++) pair.log(uid % 2 === 0 ? "a" : "b", [{ uid }]);
    pair.replicaState.applied.set(LOG_ID, 3);
    run = pair.start();
    await run.untilAcked(5);
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([4, 5]);
  });

  test("no more than the window is on its way", async () => {
    for (let uid = 1; uid <= 100; uid++) pair.log(String.fromCharCode(97 + (uid % 25)), [{ uid }]);
    pair.replica.locked.add(1);
    run = pair.start();
    await until(() => run.store.calls.some(({ method }) => method === "execute"), "the first is tried");
    await until(() => pair.clock.timerCount > 0, "the session waits for the lock");
    const prepared = new Set(
      run.store.calls.filter(({ method }) => method === "prepare").map(({ args }) => (args as { key: number }).key),
    );
    expect(Math.max(...prepared)).toBeLessThanOrEqual(40);
    expect(run.agent.ackedLsn).toBe(0);
    pair.replica.locked.clear();
    await pair.clock.advance(60);
    await run.untilAcked(100);
  });

  test("of one mailbox few are on their way, and what waits behind them comes as one", async () => {
    for (let uid = 1; uid <= 100; uid++) {
      pair.log("a", [{ uid }]);
      if (uid <= 5) pair.log("b", [{ uid }]); // between them, so that the first ones come alone.
    }
    pair.replica.locked.add(1);
    run = pair.start();
    await until(() => pair.clock.timerCount > 0, "the session waits for the lock");
    const prepared = () =>
      run.store.calls.flatMap(({ method, args }) => (method === "prepare" ? [(args as { key: number }).key] : []));
    await until(() => prepared().length >= 6, "six are prepared");
    await turns();
    expect(prepared()).toStrictEqual([1, 2, 3, 4, 5, 6]); // three of each.
    pair.replica.locked.clear();
    await pair.clock.advance(60);
    await run.untilAcked(105);
    // The fake replica calls a transaction by its time, which is that of its first part.
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(pair.replica.applied.at(-1)?.bodies.size).toBe(95);
    expect(run.shipped.at(-1)).toMatchObject({ lsn: 105, transaction: { capturedMs: 11 } });
    expect([run.agent.ackedLsn, pair.replicaState.applied.get(LOG_ID)]).toStrictEqual([105, 105]);
  });

  test("what came as one and was refused is in the rejection log from its first on, and comes again from there", async () => {
    pair.log("b", [{ uid: 1 }]);
    for (let uid = 1; uid <= 4; uid++) pair.log("a", [{ uid }]);
    pair.bodies.unreadable.add("ba3");
    run = pair.start();
    await run.untilAcked(5);
    expect(run.rejected).toMatchObject([{ lsn: 2, code: "EIO" }]);
    await run.end();
    pair.bodies.unreadable.clear();
    run = pair.start();
    await run.untilAcked(5);
    expect(pair.replica.applied.map(({ lsn, bodies }) => [lsn, bodies.size])).toStrictEqual([
      [1, 1],
      [2, 4],
    ]);
    expect(pair.sourceState.rejections).toStrictEqual([]);
  });

  test("what would not fit together comes apart", async () => {
    for (let uid = 1; uid <= 3; uid++) pair.log("a", [{ uid: 3 * uid, size: 1 }]);
    pair.log("a", [], [{ kind: "expunge", uid: parseUid(9), base: parseBaseName("ba9") }]);
    pair.log("a", [{ uid: 20, size: 1 }]);
    pair.log("a", [{ uid: 15, size: 1 }]);
    run = pair.start();
    await run.untilAcked(6);
    // A message that came in the same run does not go in it; a UID below is never joined to one above.
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([1, 4, 6]);
  });

  test("wanted bodies arrive as they are, small ones together", async () => {
    pair.log("a", [
      { uid: 1, size: 0 },
      { uid: 2, size: 5 },
      { uid: 3, size: 70_000 },
    ]);
    run = pair.start();
    await run.untilAcked(1);
    const hashes = [
      [0, hexOf(bodyOf("ba1", 0))],
      [1, hexOf(bodyOf("ba2", 5))],
      [2, hexOf(bodyOf("ba3", 70_000))],
    ];
    expect([...(pair.replica.applied[0]?.bodies ?? [])]).toStrictEqual(hashes);
    expect(run.bodyBytes).toBe(70_005);
    expect(run.store.calls.filter(({ method }) => method === "stageMany")).toHaveLength(1);
  });

  test("more bodies than one batch holds are read and sent in several", async () => {
    const saves = Array.from({ length: 8 }, (_, i) => ({ uid: i + 1, size: 700_000 }));
    pair.log("a", saves);
    run = pair.start();
    await run.untilAcked(1);
    expect(pair.replica.applied[0]?.bodies.size).toBe(8);
    expect(run.store.calls.filter(({ method }) => method === "stageMany").length).toBeGreaterThan(2);
  });

  test("large bodies come in parts, and their files are closed", async () => {
    const size = 2 * BODY_PART_BYTES_MAX + 17;
    pair.log("a", [
      { uid: 1, size: 4 },
      { uid: 2, size },
    ]);
    run = pair.start();
    await run.untilAcked(1);
    // More than a replica asks for at a time: each has a part of the transaction of its own.
    const bodies = pair.replica.applied.map((part) => part.bodies.get(0));
    expect(bodies).toStrictEqual([hexOf(bodyOf("ba1", 4)), hexOf(bodyOf("ba2", size))]);
    const parts = run.store.calls.filter(({ method }) => method === "stagePart");
    expect(parts.map(({ args }) => (args as { offset: number }).offset)).toStrictEqual([
      0,
      BODY_PART_BYTES_MAX,
      2 * BODY_PART_BYTES_MAX,
    ]);
    expect(pair.bodies.opened.size).toBe(0);
  });

  test("bodies that are gone at the source are left out, small, large, or with their mailbox", async () => {
    pair.log("a", [{ uid: 1 }, { uid: 2 }, { uid: 3, size: 5_000_000 }]);
    pair.log("b", [{ uid: 1 }]);
    pair.bodies.gone.add("ba2").add("ba3");
    pair.vanished.add(guid("b"));
    run = pair.start();
    await run.untilAcked(2);
    expect(pair.replica.applied.map(({ gone }) => gone)).toStrictEqual([[1, 2], [0]]);
  });

  test("bodies that were found at prepare and are gone at execute are sent", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.replica.refusals.set(1, ["lacking"]);
    run = pair.start();
    await run.untilAcked(1);
    expect(pair.replica.applied[0]?.bodies.size).toBe(1);
  });

  test("bodies that are taken away again and again hold up their mailbox, and no other", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.log("b", [{ uid: 1 }]);
    pair.replica.refusals.set(
      1,
      Array.from({ length: 50 }, () => "lacking" as const),
    );
    run = pair.start();
    await run.untilAcked(2);
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([2]);
    expect(run.rejected).toMatchObject([
      { lsn: 1, code: "path-refused", message: expect.stringMatching(/taken away/) },
    ]);
  });

  test("many bodies are made durable by one sync of the file system", async () => {
    pair.log(
      "a",
      Array.from({ length: 25 }, (_, i) => ({ uid: i + 1 })),
    );
    run = pair.start();
    await run.untilAcked(1);
    expect(run.store.calls.map(({ method }) => method)).not.toContain("syncStaged");
  });
});
