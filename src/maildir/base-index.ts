/**
 * Finds a record by its base name: an open-addressing hash table in typed arrays over the uidlist's own bytes.
 *
 * A Map of a million names costs a second and 700 MB; this takes 16 MB and no string. Equality is decided by the
 * bytes; the hash only finds candidates.
 *
 * Whoever may write into a mailbox chooses its names, and names with equal hashes are easily made. So what has no place within a bounded number
 * of probes is in a Map, whose hash nobody knows: of honest names none comes there.
 */
import type { RecordColumns } from "./uidlist-records.js";

/** In a table that is half full 20 are enough for nearly all of a million names. */
const PROBES_MAX = 128;

export class BaseIndex {
  /** Pairs: record index + 1 (0 is free), then the hash; side by side, so that a probe costs one cache miss. */
  #slots: Uint32Array;
  /** Records without a slot, by name. Of a name that is in both places the slot has the later one. */
  readonly #crowded = new Map<string, number>();
  #shadowed = 0;

  constructor(records: number) {
    this.#slots = new Uint32Array(2 * capacityFor(records));
  }

  /** How many records have a later one with the same base name. */
  get shadowed(): number {
    return this.#shadowed;
  }

  /** Adds records [from, count). A later record of the same base name takes the place of the earlier. */
  addFrom(view: DataView, columns: RecordColumns, from: number): void {
    const { count, baseStarts, baseLengths } = columns;
    if (2 * capacityFor(count) > this.#slots.length) this.#grow(capacityFor(count), view, columns);
    const slots = this.#slots;
    for (let index = from; index < count; index++) {
      const start = baseStarts[index] as number;
      const length = baseLengths[index] as number;
      const hash = hashSpan(view, start, length);
      const slot = probe(slots, hash, (held) => isSameName(view, start, length, columns, held));
      if (slot >= 0 && slots[slot] !== 0) this.#shadowed++;
      else if (slot < 0 || this.#crowded.size > 0) {
        const name = textOf(view, start, length);
        if (this.#crowded.has(name)) this.#shadowed++;
        if (slot < 0) this.#crowded.set(name, index);
      }
      if (slot < 0) continue;
      slots[slot] = index + 1;
      slots[slot + 1] = hash;
    }
  }

  /**
   * The last record whose base name is the first `length` characters of `name` (bytes-in-a-string), or -1. `view` is over the bytes that
   * `columns` speak of.
   */
  findName(name: string, length: number, view: DataView, columns: RecordColumns): number {
    const hash = hashName(name, length);
    const { baseStarts, baseLengths } = columns;
    const slot = probe(this.#slots, hash, (held) => {
      if (baseLengths[held] !== length) return false;
      const start = baseStarts[held] as number;
      for (let i = 0; i < length; i++) if (view.getUint8(start + i) !== name.charCodeAt(i)) return false;
      return true;
    });
    const held = slot < 0 ? 0 : (this.#slots[slot] as number);
    if (held !== 0) return held - 1;
    return this.#crowded.size === 0 ? -1 : (this.#crowded.get(name.slice(0, length)) ?? -1);
  }

  #grow(capacity: number, view: DataView, columns: RecordColumns): void {
    const old = this.#slots;
    const slots = new Uint32Array(2 * capacity);
    for (let i = 0; i < old.length; i += 2) {
      if (old[i] === 0) continue;
      const hash = old[i + 1] as number;
      const slot = probe(slots, hash, () => false);
      if (slot < 0) {
        const index = (old[i] as number) - 1;
        const name = textOf(view, columns.baseStarts[index] as number, columns.baseLengths[index] as number);
        this.#crowded.set(name, Math.max(index, this.#crowded.get(name) ?? -1));
        continue;
      }
      slots[slot] = old[i] as number;
      slots[slot + 1] = hash;
    }
    this.#slots = slots;
  }
}

/** At most half full: short probes even for names that differ in one digit. */
function capacityFor(records: number): number {
  let capacity = 64;
  while (capacity < records * 2) capacity *= 2;
  return capacity;
}

/** The slot whose record has that hash and is the one (`isIt`), or the free slot where it belongs; -1: there is none near enough. */
function probe(slots: Uint32Array, hash: number, isIt: (index: number) => boolean): number {
  const mask = slots.length - 1;
  let slot = (hash << 1) & mask;
  for (let probes = 0; probes < PROBES_MAX; probes++) {
    const held = slots[slot] as number;
    if (held === 0 || (slots[slot + 1] === hash && isIt(held - 1))) return slot;
    slot = (slot + 2) & mask;
  }
  return -1;
}

function textOf(view: DataView, start: number, length: number): string {
  return Buffer.from(view.buffer, view.byteOffset + start, length).toString("latin1");
}

/** Whether a record has the name of `length` bytes from `start`. */
function isSameName(view: DataView, start: number, length: number, columns: RecordColumns, index: number): boolean {
  if (columns.baseLengths[index] !== length) return false;
  const other = columns.baseStarts[index] as number;
  for (let i = 0; i < length; i++) if (view.getUint8(start + i) !== view.getUint8(other + i)) return false;
  return true;
}

/** MurmurHash3, 32 bits. */
function hashSpan(view: DataView, start: number, length: number): number {
  let hash = length;
  let at = start;
  const end = start + length;
  for (; at + 3 < end; at += 4) hash = mixIn(hash, view.getInt32(at, true));
  let word = 0;
  for (let shift = 0; at < end; at++, shift += 8) word |= view.getUint8(at) << shift;
  return finish(hash, word);
}

/** The same of the first `length` characters of a name: nothing is copied for it. */
function hashName(name: string, length: number): number {
  let hash = length;
  let at = 0;
  for (; at + 3 < length; at += 4) {
    const low = name.charCodeAt(at) | (name.charCodeAt(at + 1) << 8);
    hash = mixIn(hash, low | (name.charCodeAt(at + 2) << 16) | (name.charCodeAt(at + 3) << 24));
  }
  let word = 0;
  for (let shift = 0; at < length; at++, shift += 8) word |= name.charCodeAt(at) << shift;
  return finish(hash, word);
}

function mixIn(hash: number, word: number): number {
  const mixed = hash ^ scramble(word);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

/** `word`: the last bytes, fewer than four. */
function finish(before: number, word: number): number {
  let hash = before ^ scramble(word);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
