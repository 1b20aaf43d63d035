/**
 * The transactions that are on their way to one replica: offered, and not settled yet.
 *
 * INVARIANT: the cursor never passes the oldest of them.
 */
import type { LogEntry } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import { decodeTransaction } from "../txn/transaction-codec.js";

const OFFERS_IN_FLIGHT_MAX = 40;

export interface Offered {
  readonly entry: LogEntry;
  readonly transaction: Transaction;
  /** How often the replica refused it. */
  refusals: number;
  /** Its last refusal is being dealt with. */
  isBeingResolved: boolean;
}

export class OfferWindow {
  /** In the order in which they were offered: that of the log. */
  readonly #offeredByLsn = new Map<number, Offered>();

  get isFull(): boolean {
    return this.#offeredByLsn.size >= OFFERS_IN_FLIGHT_MAX;
  }

  get isEmpty(): boolean {
    return this.#offeredByLsn.size === 0;
  }

  add(entry: LogEntry): void {
    const transaction = decodeTransaction(entry.bytes);
    this.#offeredByLsn.set(entry.lsn, { entry, transaction, refusals: 0, isBeingResolved: false });
  }

  get(lsn: number): Offered | undefined {
    return this.#offeredByLsn.get(lsn);
  }

  /** False once it was settled. */
  has(offered: Offered): boolean {
    return this.#offeredByLsn.get(offered.entry.lsn) === offered;
  }

  delete(lsn: number): void {
    this.#offeredByLsn.delete(lsn);
  }

  /** Where a rejection of that one has to begin: at the first of its mailbox that is on its way. */
  firstLsnOfMailbox({ entry }: Offered): number {
    return this.#firstOf(entry.mailbox)?.entry.lsn ?? entry.lsn;
  }

  /** How far the replica is when everything up to `sentLsn` was sent, or is held back by a rejection. */
  settledUpTo(sentLsn: number): number {
    const oldest = this.#offeredByLsn.keys().next().value;
    return oldest === undefined ? sentLsn : Math.min(oldest - 1, sentLsn);
  }

  #firstOf(mailbox: MailboxGuid): Offered | undefined {
    for (const offered of this.#offeredByLsn.values()) if (offered.entry.mailbox === mailbox) return offered;
    return undefined;
  }
}
