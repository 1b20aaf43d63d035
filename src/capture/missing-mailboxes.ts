/**
 * Mailboxes that the last look at the store did not find. Pure but for its memory.
 *
 * INVARIANT: a mailbox is called gone only if it was missing in two looks that began `VANISH_MS` apart, and two walks of the last one
 * agree about it and about its user's other mailboxes: a walk can miss a directory that is being renamed meanwhile, and the next
 * one another directory around it. Two that miss the same agree too, so that this is no proof. Who is called gone is looked for
 * once more at its place, and nowhere else, before that is logged (`SourceStore.vanished`).
 */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { type KnownMailbox, VANISH_MS } from "./plan-structure.js";

const NAMELESS_LOOKS_MAX = 20;

export class MissingMailboxes {
  readonly #sinceMs = new Map<MailboxGuid, number>();
  readonly #looksByPath = new Map<RawPath, number>();
  #emptiedSinceMs: number | undefined;

  /** Some are missing, and it takes another look to tell. */
  get isOpen(): boolean {
    return this.#sinceMs.size > 0;
  }

  /** A look that began at `startMs` found none of the known mailboxes: returns whether that is to be believed. */
  noteEmptied(startMs: number): boolean {
    this.#emptiedSinceMs ??= startMs;
    return startMs - this.#emptiedSinceMs >= VANISH_MS;
  }

  /**
   * Directories that look like mailboxes and have no GUID yet: Dovecot is just making them, in a directory that nothing watches
   * so far. Returns whether to look again soon; one that stays like that is left to the sweeps.
   */
  noteNameless(paths: readonly RawPath[]): boolean {
    for (const path of [...this.#looksByPath.keys()]) if (!paths.includes(path)) this.#looksByPath.delete(path);
    for (const path of paths) this.#looksByPath.set(path, (this.#looksByPath.get(path) ?? 0) + 1);
    return paths.some((path) => (this.#looksByPath.get(path) ?? 0) <= NAMELESS_LOOKS_MAX);
  }

  /** A look that begins at `startMs` may call one gone: then it has to be certain. */
  isRipe(startMs: number): boolean {
    return [...this.#sinceMs.values()].some((sinceMs) => startMs - sinceMs >= VANISH_MS);
  }

  /** What a look that began at `startMs` missed; returns those that are gone. `uncertain`: of which the look says nothing. */
  note(
    missing: readonly KnownMailbox[],
    startMs: number,
    uncertain: readonly MailboxGuid[] = [],
  ): readonly KnownMailbox[] {
    this.#emptiedSinceMs = undefined;
    const still = new Set(missing.map((mailbox) => mailbox.guid));
    for (const guid of [...this.#sinceMs.keys()]) if (!still.has(guid)) this.#sinceMs.delete(guid);
    const moving = new Set(uncertain);
    const gone: KnownMailbox[] = [];
    for (const mailbox of missing) {
      const sinceMs = this.#sinceMs.get(mailbox.guid);
      if (sinceMs === undefined) this.#sinceMs.set(mailbox.guid, startMs);
      else if (startMs - sinceMs >= VANISH_MS && !moving.has(mailbox.guid)) {
        this.#sinceMs.delete(mailbox.guid);
        gone.push(mailbox);
      }
    }
    return gone;
  }
}
