/** Runs of a replica that are killed before a certain write, of a file or of the state database, and those that come after. */
import { expect } from "vitest";
import type { Transaction } from "../../../src/txn/transaction.js";
import { MortalDisk } from "../../contract/mortal-disk.js";
import { DEAD_PID, type Replica, type StoreOptions } from "./replica-fixture.js";

/** Restarts that it takes at most to outlast the lock of a dead process. */
const ATTEMPTS_MAX = 6;

export interface HowKilled {
  /** In the middle of the next write. */
  readonly torn?: boolean;
}

/** Applies it by a process that dies after so many writes; returns whether it did die, and not come to the end before. */
export function isKilledAfter(replica: Replica, writes: number, txn: Transaction, how: HowKilled = {}): boolean {
  const run = (disk: MortalDisk): void => {
    replica.open({ disk, pid: DEAD_PID });
    replica.apply(txn);
  };
  return isKilled(replica, writes, run, how);
}

/** The same for the run that comes after it, and begins with cleaning up. */
export function isKilledAgainAfter(replica: Replica, writes: number, txn: Transaction): boolean {
  return isKilled(replica, writes, (disk) => insist(replica, txn, { disk, pid: DEAD_PID - 1 }));
}

/** The same for whatever `run` does on that disk. */
export function isKilled(
  replica: Replica,
  writes: number,
  run: (disk: MortalDisk) => void,
  how: HowKilled = {},
): boolean {
  const disk = new MortalDisk(writes, how);
  replica.state.beforeCommit = () => disk.spend();
  try {
    run(disk);
  } catch (error) {
    if (!disk.isDead) throw error;
  } finally {
    replica.state.beforeCommit = () => undefined;
  }
  return disk.isDead;
}

/** Starts anew, cleans up and applies it. */
export function insist(replica: Replica, txn: Transaction, options: StoreOptions = {}): void {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    replica.open({ ...options, laterMs: 10_000 * attempt });
    replica.recover();
    if (replica.apply(txn).kind === "applied") return;
  }
  expect(replica.apply(txn)).toMatchObject({ kind: "applied" });
}
