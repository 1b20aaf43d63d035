/** Random histories of a mailbox: applied once, twice, with crashes and with failures of the disk, they end alike. */
import { readdirSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import type { ExecuteOutcome } from "../../../src/apply/apply-types.js";
import { APPLY_CRASH_POINTS } from "../../../src/apply/store-context.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { type DiskOperation, FaultDisk } from "../../contract/fault-disk.js";
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
    for (const { txn, after } of steps(history)) {
      expect(replica.apply(txn, bodiesOf(after))).toMatchObject({ kind: "applied" });
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
});

test.prop([turns, crash], tries(120))("a crash anywhere leaves no hole", async (history, { point, turn, verifies }) => {
  await withReplica((replica) => {
    replica.verifies = verifies;
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
});

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
