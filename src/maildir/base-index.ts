/**
 * Finds a record by its base name: an open-addressing hash table in typed arrays over the uidlist's own bytes.
 *
 * A Map of a million names costs a second and 700 MB; this takes 16 MB and no string. Equality is decided by the
 * bytes; the hash only finds candidates.
 */
import type { RecordColumns } from "./uidlist-records.js";

/** `length` bytes from `start`. */
export interface NameSpan {
  readonly view: DataView;
  readonly start: number;
  readonly length: number;
}

export class BaseIndex {
  /** Pairs: record index + 1 (0 is free), then the hash; side by side, so that a probe costs one cache miss. */
  #slots: Uint32Array;
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
    if (2 * capacityFor(count) > this.#slots.length) this.#grow(capacityFor(count));
    const slots = this.#slots;
    for (let index = from; index < count; index++) {
      const start = baseStarts[index] as number;
      const length = baseLengths[index] as number;
      const hash = hashSpan(view, start, length);
      const slot = probe(slots, hash, (held) => isSameName(view, start, length, view, columns, held));
      if (slots[slot] !== 0) this.#shadowed++;
      slots[slot] = index + 1;
      slots[slot + 1] = hash;
    }
  }

  /** The last record whose base name is the first `length` characters of `name` (bytes-in-a-string), or -1. `view`: as in `find`. */
  findName(name: string, length: number, view: DataView, columns: RecordColumns): number {
    const hash = hashName(name, length);
    const { baseStarts, baseLengths } = columns;
    const slot = probe(this.#slots, hash, (held) => {
      if (baseLengths[held] !== length) return false;
      const start = baseStarts[held] as number;
      for (let i = 0; i < length; i++) if (view.getUint8(start + i) !== name.charCodeAt(i)) return false;
      return true;
    });
    return (this.#slots[slot] as number) - 1;
  }

  /** The last record with that base name, or -1. `view` is over the bytes that `columns` speak of. */
  find({ view: nameView, start, length }: NameSpan, view: DataView, columns: RecordColumns): number {
    const hash = hashSpan(nameView, start, length);
    const slot = probe(this.#slots, hash, (held) => isSameName(nameView, start, length, view, columns, held));
    return (this.#slots[slot] as number) - 1;
  }

  #grow(capacity: number): void {
    const old = this.#slots;
    const slots = new Uint32Array(2 * capacity);
    for (let i = 0; i < old.length; i += 2) {
      if (old[i] === 0) continue;
      const hash = old[i + 1] as number;
      const slot = probe(slots, hash, () => false);
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

/** The slot whose record has that hash and is the one (`isIt`), or the free slot where it belongs. */
function probe(slots: Uint32Array, hash: number, isIt: (index: number) => boolean): number {
  const mask = slots.length - 1;
  let slot = (hash << 1) & mask;
  for (;;) {
    const held = slots[slot] as number;
    if (held === 0 || (slots[slot + 1] === hash && isIt(held - 1))) return slot;
    slot = (slot + 2) & mask;
  }
}

function isSameName(
  a: DataView,
  aStart: number,
  length: number,
  b: DataView,
  columns: RecordColumns,
  index: number,
): boolean {
  if (columns.baseLengths[index] !== length) return false;
  const bStart = columns.baseStarts[index] as number;
  for (let i = 0; i < length; i++) if (a.getUint8(aStart + i) !== b.getUint8(bStart + i)) return false;
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
