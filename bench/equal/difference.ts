/**
 * The vocabulary of differences: what differs, where, in words for people and in kinds for counting.
 */
import { displayRaw } from "../../src/base/raw-name.js";

export type DifferenceKind =
  | "mailbox-missing"
  | "mailbox-extra"
  | "uidvalidity"
  | "next-uid"
  | "guid"
  | "header-field"
  | "message-missing"
  | "message-extra"
  | "uid"
  | "record-field"
  | "flags"
  | "keywords"
  | "name"
  | "size"
  | "mtime"
  | "bytes"
  | "leftover"
  | "duplicate"
  | "damage"
  | "side-file";

export interface Difference {
  readonly kind: DifferenceKind;
  /** Relative path of the mailbox, or of the file for side files; bytes in a string. */
  readonly mailbox: string;
  /** One sentence; safe to print. */
  readonly words: string;
}

/** Collects differences: all are counted, the first `keptMax` are kept in words. */
export class Differences {
  readonly #kept: Difference[] = [];
  readonly #countByKind = new Map<DifferenceKind, number>();
  readonly #keptMax: number;
  #total = 0;

  constructor(keptMax: number) {
    this.#keptMax = keptMax;
  }

  add(kind: DifferenceKind, mailbox: string, words: string): void {
    this.#total++;
    this.#countByKind.set(kind, (this.#countByKind.get(kind) ?? 0) + 1);
    if (this.#kept.length < this.#keptMax) {
      const where = mailbox === "" ? "the store's root" : displayRaw(mailbox);
      this.#kept.push({ kind, mailbox, words: `${where}: ${words}` });
    }
  }

  /** Adds when the two sides' values differ. */
  expectSame(
    kind: DifferenceKind,
    mailbox: string,
    what: string,
    a: string | number | undefined,
    b: string | number | undefined,
  ): void {
    if (a !== b) this.add(kind, mailbox, `${what} is ${shown(a)} in A, ${shown(b)} in B`);
  }

  get total(): number {
    return this.#total;
  }

  get kept(): readonly Difference[] {
    return this.#kept;
  }

  countByKind(): Readonly<Partial<Record<DifferenceKind, number>>> {
    return Object.fromEntries(this.#countByKind);
  }
}

function shown(value: string | number | undefined): string {
  if (value === undefined) return "absent";
  return typeof value === "number" ? String(value) : JSON.stringify(displayRaw(value));
}
