/**
 * Cuts a transaction with any number of changes into transactions that one hold of the lock can apply.
 */

import { lowestPlaced, placedUid } from "./change-order.js";
import { TRANSACTION_CHANGES_MAX, type Transaction } from "./transaction.js";

/**
 * The same changes in the same order, at most TRANSACTION_CHANGES_MAX in each part, at least one part. The structure goes
 * with the first. Each part but the last has as its next UID the lowest UID that a later part places: never above it, or
 * the later one could not be inserted any more, and above all that were placed so far, as long as placed UIDs ascend.
 */
export function splitTransaction(transaction: Transaction): readonly Transaction[] {
  const { structure, changes, uidNext, ...common } = transaction;
  if (changes.length <= TRANSACTION_CHANGES_MAX) return [transaction];
  const parts: Transaction[] = [];
  let nextUid = uidNext;
  const last = Math.floor((changes.length - 1) / TRANSACTION_CHANGES_MAX);
  for (let index = last; index >= 0; index--) {
    const start = index * TRANSACTION_CHANGES_MAX;
    const part = changes.slice(start, start + TRANSACTION_CHANGES_MAX);
    const highest = part.reduce((most, change) => Math.max(most, placedUid(change) ?? 0), 0);
    const head = index === 0 && structure !== undefined ? { structure } : {};
    parts.push({ ...common, ...head, changes: part, uidNext: Math.max(nextUid, highest + 1) });
    nextUid = lowestPlaced(part, nextUid);
  }
  return parts.reverse();
}
