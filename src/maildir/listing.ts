/**
 * Which message files are in a mailbox now.
 *
 * `new/` is listed before `cur/`: a message only ever moves from `new/` to `cur/`, so one that moves meanwhile is seen
 * twice rather than missed. Flags may change in either (Dovecot leaves a flagged message in `new/`, as "x:2,S"), and such
 * a rename during the listing can hide a message or show it twice: believe that one is gone only from a stable listing.
 */
import type { Dir, NameWalk } from "../base/disk.js";
import { CUR, NEW, openMessageDir } from "./mailbox-files.js";
import { type MessageTimes, readMessageTimes, sameMessageTimes } from "./message-times.js";

/** What is known of a listing besides its names. The times are those before it began. */
export interface ListingFacts extends MessageTimes {
  /** Names that can never be mail, though no dot files: with CR or LF, or an empty base name. Only some, if there are many. */
  readonly ignored: readonly string[];
  /** Neither directory changed while it was listed, as far as its times tell (a tick is some milliseconds). */
  readonly stable: boolean;
}

export interface MessageListing extends ListingFacts {
  /** File names, unordered: those in `new/` first, then those in `cur/`. */
  readonly names: readonly string[];
  /** How many of `names` are in `new/`. */
  readonly inNew: number;
}

/** Where a message file is. */
export interface ListedName {
  readonly dir: "cur" | "new";
  readonly name: string;
}

export type VisitMessage = (name: string, dir: "cur" | "new") => void;

const STEP_NAMES = 256;
const IGNORED_MAX = 1000;

/** The whole mailbox at once, name by name: nothing is kept. Throws as `openMessageWalk`. */
export function visitMessages(mailbox: Dir, visit: VisitMessage): ListingFacts {
  using walk = openMessageWalk(mailbox);
  while (walk.step(visit));
  return walk.facts();
}

/** The whole mailbox as one array: for small ones. Throws as `openMessageWalk`. */
export function listMessages(mailbox: Dir): MessageListing {
  const names: string[] = [];
  let inNew = 0;
  const facts = visitMessages(mailbox, (name, dir) => {
    names.push(name);
    if (dir === "new") inNew += 1;
  });
  return { ...facts, names, inNew };
}

/**
 * Begins a listing that is made in steps. A missing `new/` counts as an empty one.
 * Throws: mailbox-is-link, mailbox-vanished, system errors. The caller disposes of it.
 */
export function openMessageWalk(mailbox: Dir): MessageWalk {
  const fresh = mailbox.stat(NEW) === undefined ? undefined : openWalked(mailbox, "new");
  try {
    return new MessageWalk(fresh, openWalked(mailbox, "cur"));
  } catch (error) {
    fresh?.close();
    throw error;
  }
}

/** One of the two directories; closed with its walk. */
interface Walked {
  readonly name: "cur" | "new";
  readonly dir: Dir;
  close(): void;
}

function openWalked(mailbox: Dir, name: "cur" | "new"): Walked {
  const dir = openMessageDir(mailbox, name === "cur" ? CUR : NEW);
  return { name, dir, close: () => dir.close() };
}

/** A listing under way. */
export class MessageWalk implements Disposable {
  readonly #fresh: Walked | undefined;
  readonly #cur: Walked;
  /** Before the first name was read. */
  readonly #times: MessageTimes;
  readonly #ignored: string[] = [];
  /** What is still to be listed, `new/` first. */
  readonly #left: Walked[];
  #walk: NameWalk | undefined;
  #closed = false;
  #facts: ListingFacts | undefined;

  /** Use `openMessageWalk`. */
  constructor(fresh: Walked | undefined, cur: Walked) {
    this.#fresh = fresh;
    this.#cur = cur;
    this.#times = readMessageTimes(cur.dir, fresh?.dir);
    this.#left = fresh === undefined ? [cur] : [fresh, cur];
  }

  /** Some further names; false when there are none left. */
  step(visit: VisitMessage): boolean {
    const [walked] = this.#left;
    if (walked === undefined) return false;
    this.#walk ??= walked.dir.walk();
    const names = this.#walk.next(STEP_NAMES);
    for (const name of names) this.#visit(name, walked.name, visit);
    if (names.length > 0) return true;
    this.#walk[Symbol.dispose]();
    this.#walk = undefined;
    this.#left.shift();
    if (this.#left.length > 0) return true;
    this.#facts = this.#readFacts();
    return false;
  }

  /** After the last step. */
  facts(): ListingFacts {
    if (this.#facts === undefined) throw new RangeError("the listing has not ended");
    return this.#facts;
  }

  /** May be called again. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#left.length = 0;
    this.#walk?.[Symbol.dispose]();
    this.#fresh?.close();
    this.#cur.close();
  }

  #visit(name: string, dir: "cur" | "new", visit: VisitMessage): void {
    const first = name.charCodeAt(0);
    if (first === 0x2e) return;
    const isMail = first !== 0x3a && !name.includes("\n") && !name.includes("\r");
    if (isMail) visit(name, dir);
    else if (this.#ignored.length < IGNORED_MAX) this.#ignored.push(name);
  }

  #readFacts(): ListingFacts {
    const stable = sameMessageTimes(this.#times, readMessageTimes(this.#cur.dir, this.#fresh?.dir));
    return { ...this.#times, ignored: this.#ignored, stable };
  }
}
