/**
 * Puts offers and marks on the link, in one order whoever they are from: the log in its turn, or what mends a mailbox beside it.
 *
 * INVARIANT: an offer is in the window before it is sent, and sent in the order of its number.
 * INVARIANT: whoever asks, and why: nothing is sent of a mailbox that the replica may not have.
 * INVARIANT: between two marks, the first of which says 0, no offer moves the replica's cursor.
 */
import { Gate } from "../base/gate.js";
import type { RawPath } from "../base/raw-name.js";
import { releaseSlabs } from "../base/slab-pool.js";
import { Waiter } from "../base/waiter.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { Link } from "../wire/link.js";
import type { NewOffer, OfferWindow } from "./offer-window.js";

/** Which mailboxes a replica may have; undefined: all. */
export type MayHave = ((path: RawPath) => boolean) | undefined;

export interface OfferLineParts {
  readonly link: Link;
  readonly window: OfferWindow;
  readonly mayHave: MayHave;
}

/** Of the window's room what mends mailboxes may take: the log goes on beside it. */
const BESIDE_MAX = 20;

export class OfferLine {
  readonly #parts: OfferLineParts;
  /** The replica refuses what comes of them unless it begins anew. */
  readonly #refused = new Set<MailboxGuid>();
  /** For those that wait beside the log: woken when something has left the window. */
  readonly #left = new Gate();
  readonly #marks = new Map<number, Waiter<void>>();
  #movesCursor = true;

  constructor(parts: OfferLineParts) {
    this.#parts = parts;
  }

  get movesCursor(): boolean {
    return this.#movesCursor;
  }

  /** Does not wait for room. What the replica may not have counts as settled. */
  async offer({ along, ...offer }: NewOffer, signal: AbortSignal): Promise<void> {
    const { window, link, mayHave } = this.#parts;
    const { mailbox, bytes: payload } = offer;
    const { id, transaction } = window.add(offer);
    if (mayHave?.(transaction.path) === false) {
      window.delete(id);
      releaseSlabs(along?.payloads ?? []);
      return;
    }
    const lsn = this.#movesCursor ? offer.lsn : 0;
    const anew = this.#refused.delete(mailbox) ? { anew: true } : {};
    const bodies = {
      ...(along === undefined ? {} : { along }),
      ...(offer.bodiesAnew === true ? { bodiesAnew: true } : {}),
    };
    await link.send({ kind: "offer", id, lsn, mailbox, ...anew, payload, ...bodies }, signal);
  }

  /** As `offer`, of what the cursor does not wait for, when there is room for it. */
  async offerBeside(offer: Omit<NewOffer, "isNext">, signal: AbortSignal): Promise<void> {
    const { window } = this.#parts;
    while (window.isFull || window.besideCount >= BESIDE_MAX) await this.#left.wait(signal);
    await this.offer({ ...offer, isNext: false }, signal);
  }

  /** Nothing of that mailbox is on its way any more. */
  async untilClear(mailbox: MailboxGuid, signal: AbortSignal): Promise<void> {
    while (this.has(mailbox)) await this.#left.wait(signal);
  }

  has(mailbox: MailboxGuid): boolean {
    return this.#parts.window.hasOf(mailbox);
  }

  /** A mark is on its way. */
  get isMarking(): boolean {
    return this.#marks.size > 0;
  }

  /** Something has left the window. */
  noteLeft(): void {
    this.#left.wake();
  }

  /** The replica's last word about one of that mailbox was a refusal. */
  noteRefused(mailbox: MailboxGuid): void {
    this.#refused.add(mailbox);
  }

  /**
   * Sets the replica's cursor, after all that was sent before; offers that follow move it, or do not. Returns when it is durable there.
   */
  async mark(lsn: number, movesCursor: boolean, signal: AbortSignal): Promise<void> {
    const { window, link } = this.#parts;
    signal.throwIfAborted();
    this.#movesCursor = movesCursor;
    const id = window.nextId();
    const waiter = new Waiter<void>(signal, () => this.#marks.delete(id));
    waiter.promise.catch(() => undefined); // it is awaited below; sending may fail first.
    this.#marks.set(id, waiter);
    await link.send({ kind: "mark", id, lsn }, signal);
    await waiter.promise;
  }

  /** Whether that number is a mark's; it is settled then. */
  settleMark(id: number): boolean {
    const waiter = this.#marks.get(id);
    if (waiter === undefined) return false;
    this.#marks.delete(id);
    waiter.settle();
    return true;
  }
}
