/**
 * Transactions of one mailbox that follow each other in the log, as one: a replica that is behind has one hold of the lock, and
 * one commit, for all of them.
 *
 * INVARIANT: the changes stand one after the other as they were, also what was taken back. A replica that was stopped in the
 * middle of the first has some of it already; what is mentioned nowhere would stay there.
 */
import type { Uid } from "../maildir/ids.js";
import { bodyBytesOf, lowestPlaced, placedUid } from "./change-order.js";
import { sameOwner } from "./message-state.js";
import { type Change, TRANSACTION_BODIES_BYTES_MAX, TRANSACTION_CHANGES_MAX, type Transaction } from "./transaction.js";

export class TransactionRun {
  readonly #first: Transaction;
  readonly #changes: Change[];
  #uidNext: number;
  readonly #placed = new Set<Uid>();
  #highestPlaced = 0;
  #bodyBytes: number;

  constructor(first: Transaction) {
    this.#first = first;
    this.#changes = [...first.changes];
    this.#uidNext = first.uidNext;
    this.#bodyBytes = bodyBytesOfAll(first.changes);
    this.#notePlaced(first.changes);
  }

  /**
   * False where it cannot be one with those before: it, or the first, does something to the mailbox as a whole or gives a
   * message another UID or name, it finds the mailbox elsewhere or with another UIDVALIDITY, it places UIDs below theirs,
   * removes a message that came with them (a replica that was stopped may have its file, without a record as yet), or there is
   * too much of all.
   */
  tryAdd(next: Transaction): boolean {
    if (!isPlain(this.#first) || !isPlain(next)) return false;
    if (this.#changes.length + next.changes.length > TRANSACTION_CHANGES_MAX) return false;
    const bodyBytes = this.#bodyBytes + bodyBytesOfAll(next.changes);
    if (bodyBytes > TRANSACTION_BODIES_BYTES_MAX) return false;
    if (!areAlike(this.#first, next) || lowestPlaced(next.changes, Number.POSITIVE_INFINITY) <= this.#highestPlaced)
      return false;
    if (next.changes.some((change) => change.kind === "expunge" && this.#placed.has(change.uid))) return false;
    this.#changes.push(...next.changes);
    this.#uidNext = Math.max(this.#uidNext, next.uidNext);
    this.#bodyBytes = bodyBytes;
    this.#notePlaced(next.changes);
    return true;
  }

  /** All of it. Its time is the first's: so old is the oldest change. */
  get joined(): Transaction {
    return { ...this.#first, uidNext: this.#uidNext, changes: this.#changes };
  }

  #notePlaced(changes: readonly Change[]): void {
    for (const change of changes) {
      const uid = placedUid(change);
      if (uid === undefined) continue;
      this.#placed.add(uid);
      this.#highestPlaced = Math.max(this.#highestPlaced, uid);
    }
  }
}

function bodyBytesOfAll(changes: readonly Change[]): number {
  return changes.reduce((sum, change) => sum + bodyBytesOf(change), 0);
}

/** Messages come, change their marks, and go. */
function isPlain({ structure, changes }: Transaction): boolean {
  return structure === undefined && changes.every(({ kind }) => kind !== "rebind");
}

function areAlike(one: Transaction, other: Transaction): boolean {
  if (one.mailbox !== other.mailbox || one.path !== other.path || one.uidValidity !== other.uidValidity) return false;
  return one.headerExtra === other.headerExtra && sameOwner(one.fileOwner, other.fileOwner);
}
