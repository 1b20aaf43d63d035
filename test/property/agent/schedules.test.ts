/**
 * Laws of a link under random refusals, unreadable bodies, waits, aborts and cut links, over several runs: no hole, no
 * overtaking within a mailbox, and everything arrives once the trouble is over.
 */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import type { Change } from "../../../src/txn/transaction.js";
import { ALONG_BYTES_MAX } from "../../../src/wire/messages.js";
import type { FakeClock } from "../../fake-clock.js";
import { turns, until } from "../../turns.js";
import type { Refusal } from "../../unit/agent/fake-replica.js";
import { guid, LOG_ID, Pair, type Running } from "../../unit/agent/pair.js";
import { tries } from "../tries.js";

/** Most of what comes as one body is staged in the store's thread, most of what comes as several in the other. */
const LIMITS = { preparedMax: 3, lockWaitMsMax: 100, stagedHereMax: 1, aheadBytesMax: 2 * (ALONG_BYTES_MAX + 1) };
const WHOLE = { atOnceBytesMax: Number.POSITIVE_INFINITY, partBytesMax: Number.POSITIVE_INFINITY };
/** The longest pause between two tries at the lock. */
const LOCK_PAUSE_MS = 50;
/** Bodies that are synced together, which takes a while. */
const MANY = 25;
const LARGE = ALONG_BYTES_MAX + 1;
const LETTERS = ["a", "b", "c"] as const;

interface Logged {
  readonly letter: string;
  readonly refusals: readonly Refusal[];
  readonly unprepared: readonly Refusal[];
  readonly isUnreadable: boolean;
  readonly isGone: boolean;
  readonly bodies: number;
  /** They do not come along with it. */
  readonly isLarge: boolean;
}

interface Stretch {
  readonly turns: number;
  readonly ms: number;
}

interface Run {
  readonly stretches: readonly Stretch[];
  readonly ending: "abort" | "source" | "replica";
  /** What nothing is under way before is applied by one call, up to this size. */
  readonly atOnceBytesMax: number;
  readonly partBytesMax: number;
}

const refusal: fc.Arbitrary<Refusal> = fc.constantFrom<Refusal>(
  "busy",
  "lacking",
  { kind: "uid-passed", replicaNext: 700 },
  { kind: "uid-bound-otherwise" },
  { kind: "mailbox-missing" },
);

const logged: fc.Arbitrary<Logged> = fc.record({
  letter: fc.constantFrom(...LETTERS),
  refusals: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(refusal, { maxLength: 6 })),
  unprepared: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(refusal, { maxLength: 2 })),
  isUnreadable: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.boolean()),
  isGone: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.boolean()),
  bodies: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 2 }) },
    { weight: 1, arbitrary: fc.constant(MANY) },
  ),
  isLarge: fc.boolean(),
});

const runs: fc.Arbitrary<readonly Run[]> = fc.array(
  fc.record({
    stretches: fc.array(fc.record({ turns: fc.nat(12), ms: fc.constantFrom(0, 0, 5, 60, 300) }), { maxLength: 8 }),
    ending: fc.constantFrom("abort" as const, "source" as const, "replica" as const),
    atOnceBytesMax: fc.constantFrom(0, Number.POSITIVE_INFINITY),
    partBytesMax: fc.constantFrom(0, 3 * MANY, Number.POSITIVE_INFINITY),
  }),
  { maxLength: 4 },
);

function setUp(log: readonly Logged[]): Pair {
  const pair = new Pair();
  pair.syncAll = async () => {
    await turns(5);
    return true;
  };
  log.forEach(({ letter, refusals, unprepared, isUnreadable, isGone, bodies, isLarge }, i) => {
    const lsn = i + 1;
    const saves = Array.from({ length: bodies }, (_, k) => ({
      uid: lsn * 100 + k,
      size: isLarge && bodies < MANY ? LARGE : 3,
    }));
    expect(pair.log(letter, saves, [mentionOf(lsn)])).toBe(lsn);
    pair.replica.refusals.set(lsn, [...refusals]);
    pair.replica.unprepared.set(lsn, [...unprepared]);
    for (const { uid } of saves) {
      if (isUnreadable) pair.bodies.unreadable.add(`b${letter}${uid}`);
      else if (isGone) pair.bodies.gone.add(`b${letter}${uid}`);
    }
  });
  return pair;
}

const MENTIONS = 500_000;

/** What tells which transactions of the log came as one. */
function mentionOf(lsn: number): Change {
  return { kind: "expunge", uid: parseUid(MENTIONS + lsn), base: parseBaseName("mention") };
}

/** In the order in which they were applied. */
function appliedLsns(pair: Pair): readonly number[] {
  return pair.replica.applied.flatMap(({ transaction }) =>
    transaction.changes.flatMap((change) => (change.kind === "expunge" ? [change.uid - MENTIONS] : [])),
  );
}

/** The cursors cover only what was applied, or what a stored rejection will send again. */
function checkCovered(pair: Pair, log: readonly Logged[], ackedLsn: number): void {
  const applied = new Set(appliedLsns(pair));
  const isCovered = (lsn: number): boolean => {
    const mailbox = guid(log[lsn - 1]?.letter ?? "");
    const rows = pair.sourceState.rejections.filter((row) => row.mailbox === mailbox);
    return applied.has(lsn) || (rows.length > 0 && Math.max(...rows.map((row) => row.lsn)) <= lsn);
  };
  const cursor = Math.max(ackedLsn, pair.replicaState.applied.get(LOG_ID) ?? 0, ...pair.sourceState.cursors.values());
  for (let lsn = 1; lsn <= cursor; lsn++) if (!isCovered(lsn)) throw new Error(`transaction ${lsn} is lost`);
}

/** Of each transaction all saves were applied, in one part or in several; but for those that were left out, or went. */
function checkComplete(pair: Pair, log: readonly Logged[]): void {
  const placed = new Set<number>();
  for (const { transaction } of pair.replica.applied)
    for (const change of transaction.changes) if (change.kind === "save") placed.add(change.message.uid);
  for (const [i, { bodies }] of log.entries())
    for (let k = 0; k < bodies; k++)
      if (!placed.has((i + 1) * 100 + k)) throw new Error(`save ${k} of transaction ${i + 1} is lost`);
}

/** Whenever one is applied, all earlier ones of its mailbox were. */
function checkOrder(pair: Pair, log: readonly Logged[]): void {
  const done = new Set<number>();
  for (const lsn of appliedLsns(pair)) {
    const letter = log[lsn - 1]?.letter;
    for (let other = 1; other < lsn; other++) {
      if (log[other - 1]?.letter === letter && !done.has(other)) throw new Error(`${lsn} overtook ${other}`);
    }
    done.add(lsn);
  }
}

async function go(pair: Pair, log: readonly Logged[], played: Run): Promise<void> {
  const { stretches, ending, atOnceBytesMax, partBytesMax } = played;
  const run = pair.start({ limits: { ...LIMITS, atOnceBytesMax, partBytesMax } });
  for (const stretch of stretches) {
    await turns(stretch.turns);
    await pair.clock.advance(stretch.ms);
    checkCovered(pair, log, run.agent.ackedLsn);
  }
  await endBy(run, ending, pair.clock);
  checkCovered(pair, log, run.agent.ackedLsn);
  checkOrder(pair, log);
  run.checkStore();
  expect(pair.clock.timerCount).toBe(0);
}

/** A promise that does not settle fails with words instead of a time limit. */
async function soon(promise: Promise<unknown>, what: string): Promise<void> {
  let isSettled = false;
  const settled = promise.finally(() => {
    isSettled = true;
  });
  settled.catch(() => undefined);
  await until(() => isSettled, what);
  await settled;
}

async function endBy(run: Running, ending: Run["ending"], clock: FakeClock): Promise<void> {
  const reason = new Error("cut");
  if (ending === "abort") run.stop.abort(reason);
  else run.link[ending].close();
  const ended = Promise.allSettled([run.sessionRun, run.agentRun]);
  await clock.advance(LOCK_PAUSE_MS); // one that waits for the lock looks once more.
  await soon(ended, `both ends have ended by ${ending}`);
  const codes = (await ended).map((end) => {
    if (end.status === "fulfilled") return "returned";
    return end.reason === reason ? "cut" : String((end.reason as { readonly code?: string }).code ?? end.reason);
  });
  expect(codes).toStrictEqual(ending === "abort" ? ["cut", "cut"] : ["returned", "link-closed"]);
}

describe("a link under random trouble", () => {
  test.prop([fc.array(logged, { minLength: 1, maxLength: 14 }), runs], tries())(
    "has no hole, overtakes nothing, and ends with everything applied",
    async (log, troubled) => {
      const pair = setUp(log);
      for (const run of troubled) await go(pair, log, run);
      pair.bodies.unreadable.clear();
      pair.replica.refusals.clear();
      pair.replica.unprepared.clear();
      const last = pair.start({ limits: { ...LIMITS, ...WHOLE } });
      await soon(last.untilAcked(log.length), "everything is acknowledged");
      await last.end();
      checkOrder(pair, log);
      expect(new Set(appliedLsns(pair)).size).toBe(log.length);
      checkComplete(pair, log);
      expect(pair.sourceState.rejections).toStrictEqual([]);
      expect(last.agent.trimmableLsn).toBe(log.length);
    },
  );
});
