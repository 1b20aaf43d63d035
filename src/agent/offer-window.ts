/**
 * The transactions that are on their way to one replica: offered, and not settled yet.
 *
 * INVARIANT: the cursor never passes the oldest of those that it waits for.
 * INVARIANT: numbers ascend. That of an offer is its LSN as long as nothing but the log is sent, in order.
 */
import type { MailboxGuid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import { decodeTransaction } from "../txn/transaction-codec.js";
import type { AlongBodies } from "../wire/messages.js";

const OFFERS_IN_FLIGHT_MAX = 40;
/** Nothing is added beyond that. A replica holds twice as much (session.ts), which one more does not fill. */
const BYTES_IN_FLIGHT_MAX = 32 * 1024 * 1024;

export interface NewOffer {
  readonly mailbox: MailboxGuid;
  /** In the log; 0 = it is not of the log. Of several that are offered as one: the last one's. */
  readonly lsn: number;
  /** Of several that are offered as one: the first one's. */
  readonly firstLsn?: number;
  /** The encoded transaction. */
  readonly bytes: Uint8Array;
  /** The same, where it was decoded already. */
  readonly transaction?: Transaction;
  /** Bodies that go with it; given to the link. */
  readonly along?: AlongBodies | undefined;
  /** As in an offer. */
  readonly bodiesAnew?: boolean;
  /** It is the log's next: the cursor waits for it. Of others a rejection, or a comparison, tells what the replica lacks. */
  readonly isNext: boolean;
}

export interface Offered extends Omit<NewOffer, "bytes" | "along"> {
  readonly id: number;
  readonly firstLsn: number;
  /** The length of its encoding. */
  readonly size: number;
  readonly transaction: Transaction;
  /** How often the replica refused it, but for its lock. */
  refusals: number;
  /** What the replica was told last to leave out of it: saves with a lower UID that are not bound there. */
  voidBelow: number;
  /** Its last refusal is being dealt with. */
  isBeingResolved: boolean;
}

export class OfferWindow {
  /** In the order in which they were offered. */
  readonly #offeredById = new Map<number, Offered>();
  #lastId = 0;
  #bytes = 0;

  get isFull(): boolean {
    return this.#offeredById.size >= OFFERS_IN_FLIGHT_MAX || this.#bytes >= BYTES_IN_FLIGHT_MAX;
  }

  get isEmpty(): boolean {
    return this.#offeredById.size === 0;
  }

  add({ bytes, ...offer }: Omit<NewOffer, "along">): Offered {
    const { lsn, firstLsn = lsn, transaction = decodeTransaction(bytes) } = offer;
    const [id, size] = [this.nextId(lsn), bytes.length];
    const offered = { ...offer, firstLsn, id, size, transaction, refusals: 0, voidBelow: 0, isBeingResolved: false };
    this.#bytes += size;
    this.#offeredById.set(offered.id, offered);
    return offered;
  }

  /** A number for something that is sent now. */
  nextId(lsn = 0): number {
    this.#lastId = Math.max(this.#lastId + 1, lsn);
    return this.#lastId;
  }

  get(id: number): Offered | undefined {
    return this.#offeredById.get(id);
  }

  /** False once it was settled. */
  has(offered: Offered): boolean {
    return this.#offeredById.get(offered.id) === offered;
  }

  delete(id: number): void {
    this.#bytes -= this.#offeredById.get(id)?.size ?? 0;
    this.#offeredById.delete(id);
  }

  hasOf(mailbox: MailboxGuid): boolean {
    return this.#firstOf(mailbox) !== undefined;
  }

  countOf(mailbox: MailboxGuid): number {
    let count = 0;
    for (const offered of this.#offeredById.values()) if (offered.mailbox === mailbox) count += 1;
    return count;
  }

  /** How many the cursor does not wait for. */
  get besideCount(): number {
    let count = 0;
    for (const { isNext } of this.#offeredById.values()) if (!isNext) count += 1;
    return count;
  }

  /** Where a rejection of that one has to begin: at the first of its mailbox that is on its way. 0 = it is not of the log. */
  firstLsnOfMailbox({ mailbox, firstLsn }: Offered): number {
    return this.#firstOf(mailbox)?.firstLsn ?? firstLsn;
  }

  /** How far the replica is when everything up to `sentLsn` was sent, or is held back by a rejection. */
  settledUpTo(sentLsn: number): number {
    for (const { isNext, firstLsn } of this.#offeredById.values()) if (isNext) return Math.min(firstLsn - 1, sentLsn);
    return sentLsn;
  }

  #firstOf(mailbox: MailboxGuid): Offered | undefined {
    for (const offered of this.#offeredById.values()) if (offered.mailbox === mailbox) return offered;
    return undefined;
  }
}
