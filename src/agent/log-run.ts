/**
 * What is sent of the log at once: its next transaction, and those that follow it directly and are of the same mailbox.
 *
 * INVARIANT: only what stands side by side in the log is joined. The replica's cursor is durable with the effect, so nothing of
 * another mailbox may lie between.
 */
import type { Fifo } from "../base/fifo.js";
import type { LogEntry } from "../log/state-types.js";
import { isTransactionInvalid } from "../txn/errors.js";
import { TransactionRun } from "../txn/run.js";
import type { Transaction } from "../txn/transaction.js";
import { decodeTransaction, encodeTransaction } from "../txn/transaction-codec.js";

/** One offer's worth of the log. */
export interface LogRun {
  /** Of its first transaction. */
  readonly firstLsn: number;
  /** Of its last. */
  readonly lsn: number;
  readonly transaction: Transaction;
  readonly bytes: Uint8Array;
}

/** Joined ones are at most about that long: a replica's memory, and the time for which it holds the lock, follow it. */
const JOINED_BYTES_MAX = 256 * 1024;

/** Takes from `ahead` what goes with `first`. Throws: transaction-invalid, for what the log itself should not have. */
export function takeRun(first: LogEntry, ahead: Fifo<LogEntry>): LogRun {
  const transaction = decodeTransaction(first.bytes);
  const alone: LogRun = { firstLsn: first.lsn, lsn: first.lsn, transaction, bytes: first.bytes };
  const run = new TransactionRun(transaction);
  let [lsn, size] = [first.lsn, first.bytes.length];
  const taken: LogEntry[] = [];
  for (let next = ahead.at(0); next !== undefined; next = ahead.at(taken.length)) {
    size += next.bytes.length;
    if (next.lsn !== lsn + 1 || next.mailbox !== first.mailbox || size > JOINED_BYTES_MAX) break;
    if (!run.tryAdd(decodeTransaction(next.bytes))) break;
    taken.push(next);
    lsn = next.lsn;
  }
  if (taken.length === 0) return alone;
  const { joined } = run;
  const bytes = encodeIfFits(joined);
  if (bytes === undefined) return alone;
  for (const _ of taken) ahead.shift();
  return { firstLsn: first.lsn, lsn, transaction: joined, bytes };
}

/** Each alone may fit, and both together have too many keywords. */
function encodeIfFits(transaction: Transaction): Uint8Array | undefined {
  try {
    return encodeTransaction(transaction);
  } catch (error) {
    if (isTransactionInvalid(error)) return undefined;
    throw error;
  }
}
