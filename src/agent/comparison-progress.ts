/** How far the comparison of a whole store has come. Counts are those of its begin: what changes meanwhile is no part of it. */
import type { MailboxGuid } from "../maildir/ids.js";

interface Share {
  readonly done: number;
  readonly all: number;
}

export interface ComparisonStatus {
  readonly mailboxes: Share;
  /** The source's; of mailboxes that are compared now those that were looked at. */
  readonly messages: Share;
}

interface Counted {
  readonly mailbox: MailboxGuid;
  readonly messages: number;
}

export class ComparisonProgress {
  /** Not compared yet: their messages. */
  readonly #left = new Map<MailboxGuid, number>();
  /** Of those, messages that were looked at. */
  readonly #reached = new Map<MailboxGuid, number>();
  #mailboxes = 0;
  #messages = 0;
  /** Messages of the mailboxes that are compared. */
  #done = 0;

  /** Undefined: none is under way. */
  get status(): ComparisonStatus | undefined {
    if (this.#mailboxes === 0) return undefined;
    let done = this.#done;
    for (const messages of this.#reached.values()) done += messages;
    return {
      mailboxes: { done: this.#mailboxes - this.#left.size, all: this.#mailboxes },
      messages: { done, all: this.#messages },
    };
  }

  begin(places: readonly Counted[]): void {
    this.end();
    for (const { mailbox, messages } of places) this.#left.set(mailbox, messages);
    this.#mailboxes = this.#left.size;
    for (const messages of this.#left.values()) this.#messages += messages;
  }

  /** `messages` of it, from its first. One that is compared again begins anew. */
  reached(mailbox: MailboxGuid, messages: number): void {
    const all = this.#left.get(mailbox);
    if (all !== undefined) this.#reached.set(mailbox, Math.min(messages, all));
  }

  compared(mailbox: MailboxGuid): void {
    this.#done += this.#left.get(mailbox) ?? 0;
    this.#left.delete(mailbox);
    this.#reached.delete(mailbox);
  }

  end(): void {
    this.#left.clear();
    this.#reached.clear();
    [this.#mailboxes, this.#messages, this.#done] = [0, 0, 0];
  }
}
