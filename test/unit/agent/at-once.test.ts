/** Transactions before which nothing is under way are applied by one call; what stands in its way leads back to the steps. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SESSION_LIMITS } from "../../../src/agent/session-limits.js";
import { parseUid } from "../../../src/maildir/ids.js";
import { until } from "../../turns.js";
import { guid, LOG_ID, Pair, type Running } from "./pair.js";
import { openSession } from "./peers.js";

const ONE = [{ uid: 1, size: 5 }];

let pair: Pair;
let run: Running | undefined;

beforeEach(() => {
  pair = new Pair();
  run = undefined;
});

afterEach(async () => {
  await run?.end();
});

function start(): Running {
  run = pair.start({ limits: SESSION_LIMITS });
  return run;
}

function asked(running: { readonly store: Running["store"] }): readonly string[] {
  return running.store.calls.map(({ method }) => method);
}

async function shipAll(): Promise<Running> {
  const running = start();
  await running.untilAcked(pair.sourceState.lastLsn);
  return running;
}

describe("alone", () => {
  test("one call does all, in the order of the steps, and the cursor is recorded with the effect", async () => {
    pair.log("a", ONE);
    const running = await shipAll();
    expect(asked(running)).toStrictEqual(["applyAtOnce"]);
    expect(running.points).toStrictEqual(["apply.staged", "apply.intent", "apply.effect-recorded"]);
    expect(pair.replica.applied.map(({ lsn, bodies }) => [lsn, bodies.size])).toStrictEqual([[1, 1]]);
    expect(pair.replicaState.effects).toMatchObject([{ intent: 1, cursor: { logId: LOG_ID, lsn: 1 } }]);
    expect([pair.replicaState.intents.size, running.shipped.length]).toStrictEqual([0, 1]);
  });

  test("what it lacks is asked for, and then it goes by steps", async () => {
    pair.log("a", [{ uid: 1, size: SESSION_LIMITS.atOnceBytesMax - 1000 }]); // too large to come along.
    const running = await shipAll();
    expect(asked(running)).toStrictEqual(["applyAtOnce", "stageMany", "execute"]);
    expect(running.points).toStrictEqual(["apply.staged", "apply.intent", "apply.effect-recorded"]);
  });

  test("a lock in other hands is waited for, with the intent that is noted", async () => {
    pair.replica.refusals.set(1, ["busy", "busy"]);
    pair.log("a", ONE);
    const running = start();
    await until(() => pair.clock.timerCount > 0, "it waits");
    const shipping = running.untilAcked(1);
    for (let ms = 0; ms < 20; ms++) await pair.clock.advance(1);
    await shipping;
    expect(asked(running)).toStrictEqual(["applyAtOnce", "execute", "execute"]);
    expect(pair.replicaState.effects).toMatchObject([{ intent: 1, cursor: { lsn: 1 } }]);
    expect([pair.replicaState.intents.size, pair.replica.applied.length]).toStrictEqual([0, 1]);
  });

  test("bodies that are gone when they are to be placed are asked for", async () => {
    pair.replica.refusals.set(1, ["lacking"]);
    pair.log("a", ONE);
    const running = await shipAll();
    expect(asked(running)).toStrictEqual(["applyAtOnce", "stageMany", "execute"]);
    expect(pair.replicaState.effects).toMatchObject([{ intent: 1 }]);
  });

  test.each([
    ["before it is tried", "unprepared"],
    ["when it is tried", "refusals"],
  ] as const)("a divergence %s is told, and what follows of the mailbox does not overtake", async (_when, where) => {
    pair.replica[where].set(
      1,
      Array.from({ length: 9 }, () => ({ kind: "mailbox-missing" }) as const),
    );
    pair.log("a", ONE);
    const running = start();
    await until(() => running.rejected.length === 1, "it is rejected");
    pair.log("a", [{ uid: 2, size: 5 }]);
    pair.log("b", ONE);
    await running.untilAcked(3);
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([3]);
    expect(pair.replicaState.intents.size).toBe(0);
  });
});

describe("not alone", () => {
  let stop: AbortController;

  beforeEach(() => {
    stop = new AbortController();
  });

  afterEach(() => {
    stop.abort(new Error("the test has seen enough"));
  });

  const open = () => openSession(pair, stop.signal, { limits: SESSION_LIMITS });

  test("what comes while another is under way goes by steps, in its turn", async () => {
    pair.replica.locked.add(1);
    pair.log("a");
    pair.log("b");
    const session = await open();
    for (const lsn of [1, 2]) await session.offer(lsn);
    await until(() => asked(session).includes("prepare"), "the second is prepared");
    pair.replica.locked.clear();
    for (let ms = 0; ms < 60; ms += 5) await pair.clock.advance(5);
    await until(() => pair.replica.applied.length === 2, "both are applied");
    expect(asked(session).filter((method) => method === "applyAtOnce")).toHaveLength(1);
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([1, 2]);
  });

  test("a cursor that is still to be set comes first", async () => {
    pair.log("a");
    const session = await open();
    await session.send({ kind: "mark", id: 1, lsn: 40 });
    await session.send({
      ...{ kind: "offer", id: 2, lsn: 41, mailbox: guid("a") },
      payload: pair.sourceState.entries[0]?.bytes ?? new Uint8Array(0),
    });
    await until(() => pair.replicaState.effects.length === 2, "both are recorded");
    expect(pair.replicaState.effects.map(({ cursor }) => cursor?.lsn)).toStrictEqual([40, 41]);
    expect(asked(session)).toStrictEqual(["prepare", "execute"]);
  });

  test("while a request is answered it goes by steps", async () => {
    pair.log("a");
    pair.replica.yieldOutcome = { kind: "busy", by: "9:host", ageMs: 5 };
    const session = await open();
    await session.send({
      ...{ kind: "request", id: 1 },
      ask: { kind: "yield-uids", mailbox: guid("a"), uids: [], from: parseUid(1), floor: 1 },
    });
    await until(() => asked(session).includes("yieldUids"), "it waits for the lock");
    await session.offer(1);
    await until(() => pair.replica.applied.length === 1, "it is applied");
    expect(asked(session)).not.toContain("applyAtOnce");
  });

  test("a large one goes by steps", async () => {
    pair.log("a");
    const session = await openSession(pair, stop.signal, { limits: { ...SESSION_LIMITS, atOnceBytesMax: 10 } });
    await session.offer(1);
    await until(() => pair.replica.applied.length === 1, "it is applied");
    expect(asked(session)).toStrictEqual(["prepare", "execute"]);
  });
});

test("an execution that fails ends the session and leaves no intent behind", async () => {
  pair.log("a", ONE);
  pair.replica.onExecute = () => {
    throw new Error("the disk is lost");
  };
  const running = pair.start({ limits: SESSION_LIMITS });
  await expect(running.sessionRun).rejects.toThrow("the disk is lost");
  await running.agentRun.catch(() => undefined);
  expect([pair.replicaState.intents.size, pair.replica.applied.length, running.agent.ackedLsn]).toStrictEqual([
    0, 0, 0,
  ]);
});

describe("a state database that cannot be written", () => {
  test.each([
    ["the intent", "putIntent", 0, []],
    ["the effect", "recordEffect", 1, [guid("a")]],
  ] as const)("%s: the session ends, and nothing of it is believed", async (_what, method, applied, forgotten) => {
    pair.log("a", ONE);
    pair.replicaState.onWrite = (written) => {
      if (written === method) throw new Error("the disk is full");
    };
    const running = pair.start({ limits: SESSION_LIMITS });
    await expect(running.sessionRun).rejects.toThrow("the disk is full");
    await running.agentRun.catch(() => undefined);
    expect([pair.replica.applied.length, pair.replica.forgotten]).toStrictEqual([applied, forgotten]);
    expect([pair.replicaState.effects, running.agent.ackedLsn]).toStrictEqual([[], 0]);
  });
});
