import type { Transaction } from "../../../src/txn/transaction.js";
import { MortalDisk } from "../../contract/mortal-disk.js";
import { DEAD_PID, type Replica } from "./replica-fixture.js";

/** Applies it by a process that dies after so many writes; returns whether it did die, and not come to the end before. */
export function isKilledAfter(replica: Replica, writes: number, txn: Transaction): boolean {
  const disk = new MortalDisk(writes);
  replica.open({ disk, pid: DEAD_PID });
  try {
    replica.apply(txn);
  } catch (error) {
    if (!disk.isDead) throw error;
  }
  return disk.isDead;
}
