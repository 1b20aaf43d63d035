/**
 * What the worker remembers of one mailbox between calls. All of it can be lost at any time: then more is read.
 */

import type { RawPath } from "../base/raw-name.js";
import type { MailboxBaseline } from "../log/baseline.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import type { DirectoryMark } from "../maildir/whose-tree.js";
import { KeywordLetters } from "./keyword-letters.js";
import type { ListingCursor } from "./listing-cursor.js";
import type { ListingRun } from "./listing-run.js";
import { UnnumberedFiles } from "./unnumbered-files.js";

export class MailboxMemory {
  readonly guid: MailboxGuid;
  baseline: MailboxBaseline;
  readonly unnumbered: UnnumberedFiles;
  readonly letters = new KeywordLetters();
  /** A keyword letter has another meaning than the baseline was made with: compare every message that has letters. */
  namesChanged = false;
  /** Messages of the baseline whose record is gone while their file may be there, by base name: a new record is theirs. */
  readonly orphanUidByBase = new Map<string, Uid>();
  /** UIDs that the last listing, not believable by itself, did not have. */
  absent: ReadonlySet<number> = new Set();
  /** Base names that were hinted and not found once: a name that comes with the next event may explain it. */
  readonly missedOnce = new Set<string>();
  /** Its directory, when it was looked at last: a fingerprint that is not trusted yet does not say it. */
  directory: DirectoryMark | undefined;
  /** A listing that is being made. */
  run: ListingRun | undefined;
  /** Listings in a row that were given up because the uidlist was rewritten meanwhile. */
  runsLost = 0;
  /** A listing that is being worked off. */
  cursor: ListingCursor | undefined;

  constructor(guid: MailboxGuid, baseline: MailboxBaseline, namesMax: number) {
    this.guid = guid;
    this.baseline = baseline;
    this.unnumbered = new UnnumberedFiles(namesMax);
  }

  /** Gives up the listing that is being made. */
  dropRun(): void {
    this.run?.[Symbol.dispose]();
    this.run = undefined;
  }
}

/** Mailboxes whose decoded baseline chunks are kept; of the others they are read again. */
const WARM_MAX = 16;

/** Memories by GUID, least recently used first to go. */
export class MailboxMemories implements Disposable {
  readonly #max: number;
  readonly #byGuid = new Map<MailboxGuid, MailboxMemory>();
  /** The latest first. */
  #warm: readonly MailboxMemory[] = [];
  /** Files in mailboxes that have no GUID yet. */
  readonly #unnumberedByPath = new Map<RawPath, UnnumberedFiles>();

  constructor(max: number) {
    this.#max = max;
  }

  get(guid: MailboxGuid): MailboxMemory | undefined {
    const memory = this.#byGuid.get(guid);
    if (memory !== undefined) this.#touch(memory);
    return memory;
  }

  /** Without counting as a use. */
  peek(guid: MailboxGuid): MailboxMemory | undefined {
    return this.#byGuid.get(guid);
  }

  add(memory: MailboxMemory): void {
    this.#touch(memory);
    for (const guid of this.#byGuid.keys()) {
      if (this.#byGuid.size <= this.#max) return;
      this.drop(guid);
    }
  }

  drop(guid: MailboxGuid): void {
    this.#byGuid.get(guid)?.dropRun();
    this.#byGuid.delete(guid);
    this.#warm = this.#warm.filter((memory) => memory.guid !== guid);
  }

  [Symbol.dispose](): void {
    for (const memory of this.#byGuid.values()) memory.dropRun();
  }

  /** Of a mailbox without a GUID. */
  unnumberedAt(path: RawPath, namesMax: number): UnnumberedFiles {
    const known = this.#unnumberedByPath.get(path) ?? new UnnumberedFiles(namesMax);
    this.#unnumberedByPath.delete(path);
    this.#unnumberedByPath.set(path, known);
    const [oldest] = this.#unnumberedByPath.keys();
    if (this.#unnumberedByPath.size > this.#max && oldest !== undefined) this.#unnumberedByPath.delete(oldest);
    return known;
  }

  dropUnnumberedAt(path: RawPath): void {
    this.#unnumberedByPath.delete(path);
  }

  #touch(memory: MailboxMemory): void {
    this.#byGuid.delete(memory.guid);
    this.#byGuid.set(memory.guid, memory);
    if (this.#warm[0] === memory) return;
    const warm = [memory, ...this.#warm.filter((other) => other.guid !== memory.guid)];
    for (const cold of warm.slice(WARM_MAX)) cold.baseline.forget();
    this.#warm = warm.slice(0, WARM_MAX);
  }
}
