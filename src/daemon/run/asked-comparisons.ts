/**
 * Mailboxes of a replica that somebody has asked to be compared, alone: how many are left of them, and the word that all are done.
 *
 * INVARIANT: each has a row in the rejection log until it is compared or refused, so that those of an earlier run are taken up.
 */
import type { MailboxCounts } from "../../agent/compare-mailbox.js";
import type { MailboxGuid } from "../../maildir/ids.js";
import type { EventLog } from "./event-log.js";

const NOTHING = { messages: 0, differed: 0, foreignMessages: 0, refused: 0 };

export class AskedComparisons {
  readonly #log: EventLog;
  readonly #left: Set<MailboxGuid>;
  #all: number;
  /** Of those that are done. */
  #sums = { ...NOTHING };

  /** `left`: what the rejection log has of them. */
  constructor(log: EventLog, left: readonly MailboxGuid[]) {
    this.#log = log;
    this.#left = new Set(left);
    this.#all = this.#left.size;
  }

  /** Undefined: none is left. */
  get status(): { readonly done: number; readonly all: number } | undefined {
    return this.#left.size === 0 ? undefined : { done: this.#all - this.#left.size, all: this.#all };
  }

  /** Call it when its row is durable. */
  add(mailbox: MailboxGuid): void {
    if (this.#left.has(mailbox)) return;
    this.#left.add(mailbox);
    this.#all += 1;
  }

  /** `counts`: undefined for one that was not compared: it is none of the replica's any more. */
  compared(mailbox: MailboxGuid, counts: MailboxCounts | undefined): void {
    const { messages, differed, foreign } = counts ?? { messages: 0, differed: 0, foreign: 0 };
    this.#done(mailbox, { messages, differed, foreignMessages: foreign, refused: 0 });
  }

  /** It stays refused until it is mended, as any other. */
  refused(mailbox: MailboxGuid): void {
    this.#done(mailbox, { ...NOTHING, refused: 1 });
  }

  #done(mailbox: MailboxGuid, { messages, differed, foreignMessages, refused }: typeof NOTHING): void {
    if (!this.#left.delete(mailbox)) return;
    const sums = this.#sums;
    sums.messages += messages;
    sums.differed += differed;
    sums.foreignMessages += foreignMessages;
    sums.refused += refused;
    if (this.#left.size > 0) return;
    this.#log.write("resync-ended", { mailboxes: this.#all, ...sums });
    this.#all = 0;
    this.#sums = { ...NOTHING };
  }
}
