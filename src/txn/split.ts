/**
 * Cuts a transaction with any number of changes into transactions that one hold of the lock can apply.
 */

import { bodyBytesOf, lowestPlaced, placedUid } from "./change-order.js";
import { type Change, TRANSACTION_BODIES_BYTES_MAX, TRANSACTION_CHANGES_MAX, type Transaction } from "./transaction.js";

/**
 * The same changes in the same order, in each part at most TRANSACTION_CHANGES_MAX and bodies of TRANSACTION_BODIES_BYTES_MAX together
 * (or a single larger one), at least one part. The structure goes with the first. Each part but the last has as its next UID the lowest UID that a later part places: never above it, or
 * the later one could not be inserted any more, and above all that were placed so far, as long as placed UIDs ascend.
 */
export function splitTransaction(transaction: Transaction): readonly Transaction[] {
  const { structure, changes, uidNext, ...common } = transaction;
  const starts = startsOf(changes);
  if (starts.length <= 1) return [transaction];
  const parts: Transaction[] = [];
  let nextUid = uidNext;
  for (const [index, start] of [...starts.entries()].reverse()) {
    const part = changes.slice(start, starts[index + 1]);
    const highest = part.reduce((most, change) => Math.max(most, placedUid(change) ?? 0), 0);
    const head = index === 0 && structure !== undefined ? { structure } : {};
    parts.push({ ...common, ...head, changes: part, uidNext: Math.max(nextUid, highest + 1) });
    nextUid = lowestPlaced(part, nextUid);
  }
  return parts.reverse();
}

/** As a part of `splitTransaction`: the first `count` changes, for one who applies the rest (`restOf`) later. */
export function headOf(transaction: Transaction, count: number): Transaction {
  const { changes, uidNext } = transaction;
  const head = changes.slice(0, count);
  const highest = head.reduce((most, change) => Math.max(most, placedUid(change) ?? 0), 0);
  return { ...transaction, changes: head, uidNext: Math.max(lowestPlaced(changes.slice(count), uidNext), highest + 1) };
}

/** What is left of it when its first `count` changes, and its structure, are applied. */
export function restOf(transaction: Transaction, count: number): Transaction {
  if (count === 0) return transaction;
  const { structure: _, ...rest } = transaction;
  return { ...rest, changes: transaction.changes.slice(count) };
}

/** Indexes of changes with which a part begins; none without changes. */
function startsOf(changes: readonly Change[]): number[] {
  const starts: number[] = [];
  let [count, bytes] = [TRANSACTION_CHANGES_MAX, 0];
  for (const [index, change] of changes.entries()) {
    const bodyBytes = bodyBytesOf(change);
    if (count === TRANSACTION_CHANGES_MAX || (count > 0 && bytes + bodyBytes > TRANSACTION_BODIES_BYTES_MAX)) {
      starts.push(index);
      [count, bytes] = [0, 0];
    }
    count += 1;
    bytes += bodyBytes;
  }
  return starts;
}
