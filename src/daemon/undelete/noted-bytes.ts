/**
 * What the source has noted of the bytes of its messages (log/known-bodies.ts), held against what a limbo has.
 *
 * INVARIANT: a message that has a note, by its UID or by its base name, is put back only with the bytes of that, whatever else is said of it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { KNOWN_BODIES, KnownBodies, type KnownBody } from "../../log/known-bodies.js";
import type { LimboRow } from "../../log/state-types.js";
import { isBaseName, isUid, type MailboxGuid } from "../../maildir/ids.js";

/** Mailboxes that are held by base name: mail of one user lies in few. */
const MAILBOXES_MAX = 4;

export class NotedBytes implements Disposable {
  readonly #known: KnownBodies;
  readonly #asTheyAre: string;
  readonly #byBase = new Map<MailboxGuid, ReturnType<KnownBodies["byBase"]>>();

  /** `state`: of the source. `asTheyAre`: what has the bytes of the limbo all the same, for people. */
  constructor(state: string, asTheyAre: string) {
    const file = join(state, KNOWN_BODIES);
    this.#known = new KnownBodies(existsSync(file) ? file : undefined, "read");
    this.#asTheyAre = asTheyAre;
  }

  [Symbol.dispose](): void {
    this.#known[Symbol.dispose]();
  }

  /** Why they are not those of that message; undefined: they are, or nothing is noted. `uid` 0, `base` "": not known. */
  whyOther({ mailbox, uid, base }: Pick<LimboRow, "mailbox" | "uid" | "base">, found: KnownBody): string | undefined {
    const isFound = (it: KnownBody) => it.sha256 === found.sha256 && it.size === found.size;
    const named = isBaseName(base) ? this.#named(mailbox)(base) : [];
    if (named.length > 0 && !named.some(isFound))
      return `its bytes in the limbo are not those that the source had (${this.#asTheyAre} has them as they are)`;
    const numbered = isUid(uid) ? this.#known.underUid(mailbox, uid) : undefined;
    if (numbered !== undefined && !isFound(numbered))
      return `what the source had under that UID has other bytes than this (${this.#asTheyAre} has it as it is)`;
    return undefined;
  }

  #named(mailbox: MailboxGuid): ReturnType<KnownBodies["byBase"]> {
    const held = this.#byBase.get(mailbox) ?? this.#known.byBase(mailbox);
    this.#byBase.delete(mailbox);
    this.#byBase.set(mailbox, held); // the last one is used last.
    const [oldest] = this.#byBase.keys();
    if (this.#byBase.size > MAILBOXES_MAX && oldest !== undefined) this.#byBase.delete(oldest);
    return held;
  }
}
