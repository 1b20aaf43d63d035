/** Random histories of a mailbox: applied once, twice, with crashes and with failures of the disk, they end alike. */
import { AssertionError as NodeAssertionError } from "node:assert";
import { readdirSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import type { ExecuteOutcome } from "../../../src/apply/apply-types.js";
import { APPLY_CRASH_POINTS } from "../../../src/apply/store-context.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { TransactionRun } from "../../../src/txn/run.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { encodeTransaction } from "../../../src/txn/transaction-codec.js";
import { type DiskOperation, FaultDisk, type FaultErrno } from "../../contract/fault-disk.js";
import { DEAD_PID, openReplica, type Replica } from "../../unit/apply/replica-fixture.js";
import { tries } from "../tries.js";
import {
  expectBaseline,
  expectEqual,
  inventoryOf,
  NEW_SOURCE,
  nextSource,
  type Source,
  type Turn,
  transactionBetween,
  turns,
} from "./history.js";

async function withReplica(use: (replica: Replica) => void): Promise<void> {
  const replica = await openReplica({ inMemory: true });
  try {
    use(replica);
  } finally {
    replica.remove();
  }
}

function bodiesOf(source: Source): (base: string) => Uint8Array | undefined {
  return (base) => source.bodies.get(base);
}

function steps(
  history: readonly Turn[],
): { readonly txn: Transaction; readonly before: Source; readonly after: Source }[] {
  let before = NEW_SOURCE;
  return history.map((turn) => {
    const after = nextSource(before, turn);
    const step = { txn: transactionBetween(before, after), before, after };
    before = after;
    return step;
  });
}

test.prop([turns], tries(60))("a history ends as at the source, and so does its baseline", async (history) => {
  await withReplica((replica) => {
    replica.apartAbove = 1; // a turn brings up to five.
    for (const { txn, after } of steps(history)) {
      expect(replica.apply(txn, bodiesOf(after))).toMatchObject({ kind: "applied" });
      expect(replica.stagedNames()).toEqual([]);
      expectEqual(replica, after);
      expectBaseline(replica, after);
    }
  });
});

test.prop([turns], tries(40))("a transaction that comes twice changes nothing the second time", async (history) => {
  await withReplica((replica) => {
    for (const { txn, after } of steps(history)) {
      replica.apply(txn, bodiesOf(after));
      const once = replica.picture();
      replica.open();
      expect(replica.apply(txn, () => undefined)).toMatchObject({ kind: "applied" });
      expect(replica.picture()).toBe(once);
      expectBaseline(replica, after);
    }
  });
});

class Crash extends Error {}

/** Runs until it is applied; between attempts time passes for overridden locks. */
function insist(replica: Replica, txn: Transaction, source: Source): ExecuteOutcome {
  for (let attempt = 1; ; attempt++) {
    const outcome = replica.apply(txn, bodiesOf(source));
    if (outcome.kind !== "busy" || attempt === 5) return outcome;
    replica.open({ laterMs: 10_000 * (attempt + 1) });
  }
}

const crash = fc.record({
  point: fc.constantFrom(...APPLY_CRASH_POINTS.slice(2, -1)),
  turn: fc.nat({ max: 5 }),
  verifies: fc.boolean(),
  apartAbove: fc.constantFrom(0, 2, 100),
});

test.prop([turns, crash], tries(120))(
  "a crash anywhere leaves no hole",
  async (history, { point, turn, verifies, apartAbove }) => {
    await withReplica((replica) => {
      replica.verifies = verifies;
      replica.apartAbove = apartAbove;
      for (const [index, { txn, after }] of steps(history).entries()) {
        if (index === turn % history.length) {
          const crashPoint = (name: string): void => {
            if (name === point) throw new Crash(name);
          };
          replica.open({ crashPoint, pid: DEAD_PID });
          const crashed = attempt(() => replica.apply(txn, bodiesOf(after)));
          replica.open({ laterMs: 10_000 });
          replica.store.recover();
          if (crashed) expect(readdirSync(`${replica.scratchRoot}`)).not.toContain("stage");
        }
        expect(insist(replica, txn, after)).toMatchObject({ kind: "applied" });
        expectEqual(replica, after);
        expectBaseline(replica, after);
      }
    });
  },
);

/** What was cut off, and how it comes again: joined anew, since the log has grown, or one by one, since it was refused. */
const cutRun = fc.record({ cutsAll: fc.boolean(), comesAsOne: fc.boolean() });

test.prop([turns, crash, cutRun], tries(120))(
  "what comes as one ends as one by one, also where it was cut off",
  async (history, { point, turn, verifies, apartAbove }, { cutsAll, comesAsOne }) => {
    await withReplica((replica) => {
      replica.verifies = verifies;
      replica.apartAbove = apartAbove;
      const all = steps(history);
      for (let at = 0, next = at; at < all.length; at = next) {
        const { run, joined, after } = runFrom(all, at);
        next = at + run.length;
        // As it would be read at the source by now.
        const present = new Set<string>(after.messages.map(({ base }) => base));
        const bodyOf = (base: string) => (present.has(base) ? after.bodies.get(base) : undefined);
        const wasCut = at <= turn % all.length && turn % all.length < next;
        if (wasCut) {
          const crashPoint = (name: string): void => {
            if (name === point) throw new Crash(name);
          };
          replica.open({ crashPoint, pid: DEAD_PID });
          attempt(() => replica.apply(cutsAll ? joined : run[0], bodiesOf(after)));
          replica.open({ laterMs: 10_000 });
          replica.store.recover();
        }
        const again = wasCut && !comesAsOne ? run : [joined];
        for (const txn of again) expect(insistOnAll(replica, txn, bodyOf)).toMatchObject({ kind: "applied" });
        expectEqual(replica, after);
        expectBaseline(replica, after);
      }
    });
  },
);

/** As a session does: a message that has another UID by now lacks its body until it is asked for under that. */
function insistOnAll(
  replica: Replica,
  txn: Transaction,
  bodyOf: (base: string) => Uint8Array | undefined,
): ExecuteOutcome {
  let key = 0;
  for (let attempt = 1; ; attempt++) {
    if (key === 0) {
      key = replica.nextKey();
      expect(replica.stage(key, txn, bodyOf).kind).toBe("staged");
    }
    const outcome = replica.execute(key);
    if (attempt === 5) return outcome;
    if (outcome.kind === "lacking") replica.stageWanted({ key, isApart: false }, outcome.wants, bodyOf);
    else if (outcome.kind === "busy") {
      replica.open({ laterMs: 10_000 * (attempt + 1) });
      key = 0;
    } else return outcome;
  }
}

/** As many as can be one, from there on. */
function runFrom(all: ReturnType<typeof steps>, at: number) {
  const [first, ...rest] = all.slice(at);
  if (first === undefined) throw new Error("there is no such turn");
  const run: [Transaction, ...Transaction[]] = [first.txn];
  const joining = new TransactionRun(first.txn);
  let { after } = first;
  for (const step of rest) {
    if (!joining.tryAdd(step.txn)) break;
    run.push(step.txn);
    after = step.after;
  }
  return { run, joined: joining.joined, after };
}

/** Whether it was killed. */
function attempt(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    return true;
  }
}

const OPERATIONS = ["createFile", "rename", "appendFile", "sync", "setMtime", "mkdir", "link", "unlink"] as const;
const fault = fc.record({
  operation: fc.constantFrom<DiskOperation>(...OPERATIONS),
  nth: fc.integer({ min: 1, max: 12 }),
  after: fc.boolean(),
  turn: fc.nat({ max: 5 }),
});

test.prop([turns, fault], tries(200))("a full disk leaves the old state or the new one", async (history, it) => {
  await withReplica((replica) => {
    for (const [index, { txn, before, after }] of steps(history).entries()) {
      if (index === it.turn % history.length) failOnce(replica, { txn, before, after }, it);
      expect(insist(replica, txn, after)).toMatchObject({ kind: "applied" });
      expectEqual(replica, after);
      expectBaseline(replica, after);
    }
  });
});

function failOnce(
  replica: Replica,
  { txn, before, after }: { readonly txn: Transaction; readonly before: Source; readonly after: Source },
  { operation, nth, after: late }: { readonly operation: DiskOperation; readonly nth: number; readonly after: boolean },
): void {
  const disk = new FaultDisk(openNodeDisk());
  replica.open({ disk });
  const key = replica.nextKey();
  expect(replica.stage(key, txn, bodiesOf(after)).kind).toBe("staged");
  const undoes = operation === "createFile" || operation === "appendFile";
  const hasFailed = disk.inject({ operation, nth, error: "ENOSPC", when: late && !undoes ? "after" : "before" });
  let error: unknown;
  try {
    replica.execute(key);
  } catch (thrown) {
    error = thrown;
  }
  disk.clearFaults();
  if (error !== undefined) expect(hasFailed()).toBe(true);
  replica.open();
  const states = [before, after].map(({ messages, uidNext }) => ({ messages, uidNext }));
  if (error !== undefined) expect(states).toContainEqual(inventoryOf(replica));
}

/** Ends the turn's attempt in the middle of the bodies that are staged beside the store. */
const cut = fc.record({
  turn: fc.nat({ max: 5 }),
  staged: fc.nat({ max: 5 }),
  /** A process that is killed leaves what it staged to the next start; a session that ends removes it. */
  ending: fc.constantFrom("killed" as const, "dropped" as const, "handed over, then dropped" as const),
});

test.prop([turns, cut], tries(80))(
  "what is staged apart and not applied goes",
  async (history, { turn, staged, ending }) => {
    await withReplica((replica) => {
      replica.apartAbove = 0;
      for (const [index, { txn, after }] of steps(history).entries()) {
        if (index === turn % history.length) {
          const key = replica.nextKey();
          stageSome(replica, { key, txn, count: staged }, bodiesOf(after));
          if (ending === "killed") {
            replica.open({ laterMs: 10_000 });
            replica.store.recover();
          } else {
            if (ending !== "dropped") replica.store.adoptStaged({ key, bodies: replica.stager.handOver({ key }) });
            replica.stager.drop({ key });
            replica.store.drop({ key });
          }
          expect(replica.stagedNames()).toEqual([]);
        }
        expect(insist(replica, txn, after)).toMatchObject({ kind: "applied" });
        expectEqual(replica, after);
        expectBaseline(replica, after);
      }
    });
  },
);

/** Begins it beside the store in any case, so that it can be ended in every way. */
function stageSome(
  replica: Replica,
  { key, txn, count }: { readonly key: number; readonly txn: Transaction; readonly count: number },
  bodyOf: (base: string) => Uint8Array | undefined,
): void {
  const bytes = encodeTransaction(txn);
  const prepared = replica.store.prepare({ key, bytes, voidBelow: 0, apartAbove: -1 });
  if (prepared.kind !== "ready" || prepared.ticket === undefined) throw new Error(JSON.stringify(prepared));
  replica.stager.begin({ key, ticket: prepared.ticket });
  const outcome = replica.stageWanted({ key, isApart: true }, prepared.wants.slice(0, count), bodyOf);
  expect(outcome.kind).toBe("staged");
}

test.prop([turns], tries(60))("bodies that are staged while the one before is applied are its own", async (history) => {
  await withReplica((replica) => {
    replica.apartAbove = 0;
    const all = steps(history);
    let ahead = all[0] === undefined ? undefined : prepareAhead(replica, all[0].txn);
    for (const [index, { txn, after }] of all.entries()) {
      if (ahead === undefined) throw new Error("each is prepared ahead");
      const { key, finish } = ahead;
      const next = all[index + 1];
      finish(bodiesOf(after));
      // Its first bodies come before this one is executed, the others afterwards.
      ahead = next === undefined ? undefined : prepareAhead(replica, next.txn, bodiesOf(next.after));
      let outcome = replica.execute(key);
      if (outcome.kind === "lacking") {
        expect(replica.stageWanted({ key, isApart: false }, outcome.wants, bodiesOf(after)).kind).toBe("staged");
        outcome = replica.execute(key);
      }
      expect(outcome, JSON.stringify(txn)).toMatchObject({ kind: "applied" });
      expectEqual(replica, after);
      expectBaseline(replica, after);
    }
    expect(replica.stagedNames()).toEqual([]);
  });
});

function prepareAhead(replica: Replica, txn: Transaction, bodyOf?: (base: string) => Uint8Array | undefined) {
  const key = replica.nextKey();
  const bytes = encodeTransaction(txn);
  const prepared = replica.store.prepare({ key, bytes, voidBelow: 0, apartAbove: -1 });
  if (prepared.kind !== "ready" || prepared.ticket === undefined) throw new Error(JSON.stringify(prepared));
  replica.stager.begin({ key, ticket: prepared.ticket });
  const half = bodyOf === undefined ? 0 : Math.ceil(prepared.wants.length / 2);
  if (bodyOf !== undefined) replica.stageWanted({ key, isApart: true }, prepared.wants.slice(0, half), bodyOf);
  const finish = (rest: (base: string) => Uint8Array | undefined): void => {
    expect(replica.stageWanted({ key, isApart: true }, prepared.wants.slice(half), rest).kind).toBe("staged");
    replica.store.adoptStaged({ key, bodies: replica.stager.handOver({ key }) });
    replica.store.syncStaged({ key });
  };
  return { key, finish };
}

const STAGER_OPERATIONS = ["createFile", "unlink", "mkdir", "openDir", "openRoot", "sync"] as const;
const stagerFault = fc.record({
  operation: fc.constantFrom<DiskOperation>(...STAGER_OPERATIONS),
  error: fc.constantFrom<FaultErrno>("ENOSPC", "EDQUOT", "EACCES", "ENOENT", "EEXIST", "EIO"),
  nth: fc.integer({ min: 1, max: 6 }),
  lasting: fc.boolean(),
  turn: fc.nat({ max: 5 }),
});

test.prop([turns, stagerFault], tries(150))(
  "a disk that fails under the stager costs that attempt only",
  async (history, it) => {
    await withReplica((replica) => {
      replica.apartAbove = 0;
      for (const [index, { txn, after }] of steps(history).entries()) {
        if (index === it.turn % history.length) {
          const stagerDisk = new FaultDisk(openNodeDisk());
          replica.open({ stagerDisk });
          stagerDisk.inject(it);
          const key = replica.nextKey();
          try {
            stageSome(replica, { key, txn, count: 5 }, bodiesOf(after));
          } catch (error) {
            if (error instanceof NodeAssertionError) throw error;
            // Thrown, or an outcome: either way the session drops it.
          }
          stagerDisk.clearFaults();
          replica.stager.drop({ key });
          replica.store.drop({ key });
          expect(replica.stagedNames()).toEqual([]);
        }
        expect(insist(replica, txn, after)).toMatchObject({ kind: "applied" });
        expectEqual(replica, after);
        expectBaseline(replica, after);
      }
    });
  },
);
