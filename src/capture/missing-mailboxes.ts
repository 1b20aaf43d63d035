/**
 * Mailboxes that the last look at the store did not find. Pure but for its memory.
 *
 * INVARIANT: a mailbox is called gone only if it was missing in two looks that began `VANISH_MS` apart, since a walk can miss
 * a directory that is being renamed meanwhile.
 */
import type { MailboxGuid } from "../maildir/ids.js";
import { type KnownMailbox, VANISH_MS } from "./plan-structure.js";

export class MissingMailboxes {
  readonly #sinceMs = new Map<MailboxGuid, number>();
  #emptiedSinceMs: number | undefined;

  /** Some are missing, and it takes another look to tell. */
  get isOpen(): boolean {
    return this.#sinceMs.size > 0;
  }

  /** A look that began at `startMs` found no mailbox at all: returns whether that is to be believed. */
  noteEmptied(startMs: number): boolean {
    this.#emptiedSinceMs ??= startMs;
    return startMs - this.#emptiedSinceMs >= VANISH_MS;
  }

  /** What a look that began at `startMs` missed; returns those that are gone. */
  note(missing: readonly KnownMailbox[], startMs: number): readonly KnownMailbox[] {
    this.#emptiedSinceMs = undefined;
    const still = new Set(missing.map((mailbox) => mailbox.guid));
    for (const guid of [...this.#sinceMs.keys()]) if (!still.has(guid)) this.#sinceMs.delete(guid);
    const gone: KnownMailbox[] = [];
    for (const mailbox of missing) {
      const sinceMs = this.#sinceMs.get(mailbox.guid);
      if (sinceMs === undefined) this.#sinceMs.set(mailbox.guid, startMs);
      else if (startMs - sinceMs >= VANISH_MS) {
        this.#sinceMs.delete(mailbox.guid);
        gone.push(mailbox);
      }
    }
    return gone;
  }
}
