/** What a replay agent and a session do together when nothing is in the way. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BODY_PART_BYTES_MAX } from "../../../src/capture/body-types.js";
import { until } from "../../turns.js";
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
    for (let uid = 1; uid <= 30; uid++) pair.log(uid % 3 === 0 ? "a" : "b", [{ uid }]);
    run = pair.start();
    await run.untilAcked(30);
    const lsns = Array.from({ length: 30 }, (_, i) => i + 1);
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual(lsns);
    expect(run.shipped.map(({ lsn }) => lsn)).toStrictEqual(lsns);
    expect(run.shipped[4]?.notes).toStrictEqual(["note of 5"]);
    expect(pair.replicaState.applied.get(LOG_ID)).toBe(30);
    await until(() => pair.sourceState.cursors.get(REPLICA) === 30, "the cursor is stored");
    expect([run.agent.ackedLsn, run.agent.trimmableLsn]).toStrictEqual([30, 30]);
    expect(pair.replicaState.intents.size).toBe(0);
  });

  test("an outcome comes only after the effect is recorded, and the intent before the execution", async () => {
    const seen: string[] = [];
    pair.replica.onExecute = (lsn) => seen.push(`execute ${lsn} with ${pair.replicaState.intents.size} intents`);
    pair.replicaState.onWrite = (method) => seen.push(method);
    pair.log("a", [{ uid: 1 }]);
    run = pair.start();
    const acked = run.untilAcked(1).then(() => seen.push("acked"));
    await acked;
    expect(seen).toStrictEqual(["putIntent", "execute 1 with 1 intents", "recordEffect", "acked"]);
    expect(run.points).toStrictEqual(["apply.staged", "apply.intent", "apply.effect-recorded"]);
    expect(run.store.calls.map(({ method }) => method)).toStrictEqual([
      "prepare",
      "stageMany",
      "syncStaged",
      "intentOf",
      "execute",
    ]);
  });

  test("what comes into the log later is shipped when the agent is woken", async () => {
    run = pair.start();
    await run.prepared;
    for (let uid = 1; uid <= 3; uid++) await run.untilAcked(pair.log("a", [{ uid }]));
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([1, 2, 3]);
  });

  test("it goes on where the replica is", async () => {
    for (let uid = 1; uid <= 5; uid++) pair.log("a", [{ uid }]);
    pair.replicaState.applied.set(LOG_ID, 3);
    run = pair.start();
    await run.untilAcked(5);
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([4, 5]);
  });

  test("no more than the window is on its way", async () => {
    for (let uid = 1; uid <= 100; uid++) pair.log("a", [{ uid }]);
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
    expect(pair.replica.applied[0]?.bodies.get(1)).toBe(hexOf(bodyOf("ba2", size)));
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
