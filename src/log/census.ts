/**
 * What a listing says of each record of a uidlist, in columns: whether and where its file is, and sums per chunk that tell
 * which chunks differ from the baseline. A name is its record's base name and an info, and there are few different infos, so
 * no name is kept: half a million messages take some 4 MB.
 *
 * INVARIANT: records that the uidlist got after the census began are not counted: the listing says nothing of them.
 */

import { isBaseName } from "../maildir/ids.js";
import type { ListedName } from "../maildir/listing.js";
import { baseLengthOf } from "../maildir/message-name.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { CHUNK_UIDS } from "../txn/chunks.js";
import { lookOf } from "./look.js";

/** Sums per chunk, for all chunks that have a record, ascending. */
export interface LookColumns {
  readonly chunks: readonly number[];
  readonly counts: Uint32Array;
  readonly lookA: Uint32Array;
  readonly lookB: Uint32Array;
}

export class Census {
  readonly uidlist: Uidlist;
  /** Records when it began. */
  readonly count: number;
  /** The last UID when it began: of later ones it says nothing. */
  readonly lastUid: number;
  /** Messages that were listed. */
  entries = 0;
  /** Base names without a record, and where they are. */
  readonly unnumbered = new Map<string, ListedName>();
  readonly looks: LookColumns;
  /** By record: 0 = not listed; else twice the number of its info, + 1 in `new/`. The first info has number 1. */
  readonly #places: Uint32Array;
  readonly #infos: string[] = [""];
  readonly #numberOfInfo = new Map<string, number>();
  /** Further places of messages that were renamed meanwhile, by record. */
  readonly #more = new Map<number, ListedName[]>();
  readonly #slotOfRecord: Uint32Array;

  constructor(uidlist: Uidlist) {
    const { count, lastUid } = uidlist;
    this.uidlist = uidlist;
    this.count = count;
    this.lastUid = lastUid;
    this.#places = new Uint32Array(count);
    this.#slotOfRecord = new Uint32Array(count);
    const chunks: number[] = [];
    for (let index = 0; index < count; index++) {
      const chunk = Math.floor(uidlist.uidAt(index) / CHUNK_UIDS);
      if (chunks.length === 0 || chunks[chunks.length - 1] !== chunk) chunks.push(chunk);
      this.#slotOfRecord[index] = chunks.length - 1;
    }
    const column = (): Uint32Array => new Uint32Array(chunks.length);
    this.looks = { chunks, counts: column(), lookA: column(), lookB: column() };
  }

  /** One name of the listing. */
  take(name: string, dir: "cur" | "new"): void {
    this.entries += 1;
    const length = baseLengthOf(name);
    const index = this.uidlist.indexOfName(name, length);
    if (index < 0) {
      const base = name.slice(0, length);
      if (isBaseName(base)) this.unnumbered.set(base, { dir, name });
      return;
    }
    if (index >= this.count) return;
    if (this.#places[index] === 0)
      this.#places[index] = this.#numberOf(name.slice(length)) * 2 + (dir === "new" ? 1 : 0);
    else this.#noteMore(index, { dir, name });
    this.#addLook(index, name);
  }

  /** Files that got their record meanwhile are not waiting for one. */
  end(): void {
    for (const base of this.unnumbered.keys()) if (this.uidlist.indexOfBase(base) >= 0) this.unnumbered.delete(base);
  }

  /** Files whose message was listed already: renamed meanwhile, or, in a listing in which nothing changed, a second file of that base name. */
  get doubles(): number {
    let files = 0;
    for (const places of this.#more.values()) files += places.length;
    return files;
  }

  isListed(index: number): boolean {
    return index < this.count && this.#places[index] !== 0;
  }

  /** Where the message of that record was seen; twice if it was renamed meanwhile. */
  placesOf(index: number): readonly ListedName[] {
    const place = index < this.count ? (this.#places[index] as number) : 0;
    if (place === 0) return [];
    const name = this.uidlist.baseAt(index) + (this.#infos[place >>> 1] as string);
    return [{ dir: place % 2 === 1 ? "new" : "cur", name }, ...(this.#more.get(index) ?? [])];
  }

  #numberOf(info: string): number {
    const known = this.#numberOfInfo.get(info);
    if (known !== undefined) return known;
    this.#infos.push(info);
    this.#numberOfInfo.set(info, this.#infos.length - 1);
    return this.#infos.length - 1;
  }

  #noteMore(index: number, place: ListedName): void {
    const more = this.#more.get(index);
    if (more === undefined) this.#more.set(index, [place]);
    else more.push(place);
  }

  #addLook(index: number, name: string): void {
    const { counts, lookA, lookB } = this.looks;
    const slot = this.#slotOfRecord[index] as number;
    const look = lookOf(this.uidlist.uidAt(index), name);
    counts[slot] = (counts[slot] as number) + 1;
    lookA[slot] = (lookA[slot] as number) + look.lookA; // modulo 2^32, by the array's type.
    lookB[slot] = (lookB[slot] as number) + look.lookB;
  }
}
