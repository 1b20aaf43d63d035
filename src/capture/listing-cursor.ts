/**
 * One listing of a mailbox, laid beside its uidlist and its baseline: which chunks of UIDs differ, and how far they were
 * worked off. Typed arrays over the list of names; no object per message.
 *
 * Seeding a large mailbox takes many calls; the listing is made once and kept between them.
 *
 * INVARIANT: a chunk is left out only if the number of its messages and the sums over (UID, file name) are those of the
 * baseline.
 */
import { lookOf } from "../log/look.js";
import { type BaselineRecord, CHUNK_UIDS, type ChunkLook } from "../log/state-types.js";
import { isBaseName } from "../maildir/ids.js";
import type { MessageListing } from "../maildir/listing.js";
import type { Uidlist } from "../maildir/uidlist.js";
import type { HintedName } from "./capture-types.js";
import { baseOfName } from "./find-files.js";
import { firstIndexFrom, type RecordedMessage, recordAt } from "./recorded-message.js";

export interface CursorParts {
  readonly listing: MessageListing;
  /** What it lacks is not there. */
  readonly believable: boolean;
  /** Read before the listing and again after it. */
  readonly uidlist: Uidlist;
  /** The last UID before the listing: of later ones it says nothing. */
  readonly lastUid: number;
  /** Of the baseline, ascending by chunk. */
  readonly looks: readonly ChunkLook[];
  /** Every message with keywords has to be compared, not only those whose name changed. */
  readonly namesChanged: boolean;
  /** Taken before the listing. */
  readonly fingerprint: string;
  readonly atMs: number;
  /** The inode of the mailbox directory. */
  readonly dirIno: number;
}

/** A message as the listing saw it; twice if it was renamed meanwhile. */
export interface ListedMessage {
  readonly record: RecordedMessage;
  readonly places: readonly HintedName[];
}

export class ListingCursor {
  readonly parts: CursorParts;
  /** Chunks that differ, ascending. */
  readonly #chunks: readonly number[];
  #at = 0;
  /** Per name its record's index + 1, or 0. */
  readonly #recordOfName: Uint32Array;
  /** Names of the chunks that differ, ascending by record. */
  readonly #order: Uint32Array;
  readonly #isListed: Uint8Array;
  /** Base names of the listing without a record, and where they are. */
  readonly unnumbered: ReadonlyMap<string, HintedName>;
  /** UIDs that this listing lacks, while it is not to be believed. */
  readonly absent = new Set<number>();
  /** Baseline records whose base name has another UID now, by base name: they wait for that UID. */
  readonly moved = new Map<string, BaselineRecord>();
  /** Something could not be settled with this listing. */
  isDoubtful = false;

  constructor(parts: CursorParts) {
    this.parts = parts;
    const { listing, uidlist, looks, namesChanged } = parts;
    const { records, unnumbered } = matchNames(listing, uidlist);
    this.#recordOfName = records;
    this.unnumbered = unnumbered;
    this.#isListed = new Uint8Array(uidlist.count);
    for (const record of records) if (record > 0) this.#isListed[record - 1] = 1;
    this.#chunks = differingChunks(looksOfListing(listing, uidlist, records), looks, namesChanged);
    this.#order = orderOfChunks(records, uidlist, this.#chunks);
  }

  get entries(): number {
    return this.parts.listing.names.length;
  }

  /** The chunk to be worked off next. */
  get chunk(): number | undefined {
    return this.#chunks[this.#at];
  }

  advance(): void {
    this.#at += 1;
  }

  /** Back to the chunk of that UID, if it is behind. */
  rewindTo(uid: number): void {
    const chunk = Math.floor(uid / CHUNK_UIDS);
    while (this.#at > 0 && (this.#chunks[this.#at - 1] as number) >= chunk) this.#at -= 1;
  }

  /** For a record that the uidlist has had since before the listing. */
  isListed(recordIndex: number): boolean {
    return this.#isListed[recordIndex] === 1;
  }

  /** Messages that the listing has in a chunk that differs, ascending by UID. */
  listed(chunk: number): readonly ListedMessage[] {
    const { uidlist } = this.parts;
    const from = firstIndexFrom(uidlist, chunk * CHUNK_UIDS);
    const messages: { record: RecordedMessage; places: HintedName[] }[] = [];
    for (let at = lowerBound(this.#order, (entry) => (this.#recordOfName[entry] as number) - 1 >= from); ; at++) {
      const entry = this.#order[at];
      if (entry === undefined) return messages;
      const index = (this.#recordOfName[entry] as number) - 1;
      const last = messages.at(-1);
      if (last?.record.index === index) {
        last.places.push(this.#placeOf(entry));
        continue;
      }
      const record = recordAt(uidlist, index);
      if (record === undefined) continue;
      if (record.uid >= (chunk + 1) * CHUNK_UIDS) return messages;
      messages.push({ record, places: [this.#placeOf(entry)] });
    }
  }

  #placeOf(entry: number): HintedName {
    const { names, inNew } = this.parts.listing;
    return { dir: entry < inNew ? "new" : "cur", name: names[entry] as string };
  }
}

function matchNames({ names, inNew }: MessageListing, uidlist: Uidlist) {
  const records = new Uint32Array(names.length);
  const unnumbered = new Map<string, HintedName>();
  for (let entry = 0; entry < names.length; entry++) {
    const name = names[entry] as string;
    const base = baseOfName(name);
    const index = uidlist.indexOfBase(base);
    if (index >= 0) records[entry] = index + 1;
    else if (isBaseName(base)) unnumbered.set(base, { dir: entry < inNew ? "new" : "cur", name });
  }
  return { records, unnumbered };
}

interface LookColumns {
  readonly chunks: number[];
  readonly counts: Uint32Array;
  readonly lookA: Uint32Array;
  readonly lookB: Uint32Array;
}

/** Sums per chunk, for all chunks that have a record, ascending. */
function looksOfListing({ names }: MessageListing, uidlist: Uidlist, records: Uint32Array): LookColumns {
  const slotOfRecord = new Uint32Array(uidlist.count);
  const chunks: number[] = [];
  for (let index = 0; index < uidlist.count; index++) {
    const chunk = Math.floor(uidlist.uidAt(index) / CHUNK_UIDS);
    if (chunks.length === 0 || chunks[chunks.length - 1] !== chunk) chunks.push(chunk);
    slotOfRecord[index] = chunks.length - 1;
  }
  const [counts, lookA, lookB] = [0, 1, 2].map(() => new Uint32Array(chunks.length)) as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  for (let entry = 0; entry < records.length; entry++) {
    const record = records[entry] as number;
    if (record === 0) continue;
    const slot = slotOfRecord[record - 1] as number;
    counts[slot] = (counts[slot] as number) + 1;
    const look = lookOf(uidlist.uidAt(record - 1), names[entry] as string);
    lookA[slot] = (lookA[slot] as number) + look.lookA; // modulo 2^32, by the array's type.
    lookB[slot] = (lookB[slot] as number) + look.lookB;
  }
  return { chunks, counts, lookA, lookB };
}

function differingChunks(listed: LookColumns, looks: readonly ChunkLook[], namesChanged: boolean): number[] {
  const differing: number[] = [];
  let at = 0;
  for (const look of looks) {
    for (; at < listed.chunks.length && (listed.chunks[at] as number) < look.chunk; at++) {
      if (listed.counts[at] !== 0) differing.push(listed.chunks[at] as number);
    }
    const isHere = at < listed.chunks.length && listed.chunks[at] === look.chunk;
    const isSame =
      isHere && listed.counts[at] === look.count && listed.lookA[at] === look.lookA && listed.lookB[at] === look.lookB;
    if (!isSame || namesChanged) differing.push(look.chunk);
    if (isHere) at += 1;
  }
  for (; at < listed.chunks.length; at++) if (listed.counts[at] !== 0) differing.push(listed.chunks[at] as number);
  return differing;
}

function orderOfChunks(records: Uint32Array, uidlist: Uidlist, chunks: readonly number[]): Uint32Array {
  const wanted = new Uint8Array(uidlist.count);
  for (const chunk of chunks) {
    const end = firstIndexFrom(uidlist, (chunk + 1) * CHUNK_UIDS);
    for (let index = firstIndexFrom(uidlist, chunk * CHUNK_UIDS); index < end; index++) wanted[index] = 1;
  }
  const isWanted = (record: number): boolean => record > 0 && wanted[record - 1] === 1;
  const order = new Uint32Array(records.reduce((count, record) => (isWanted(record) ? count + 1 : count), 0));
  let count = 0;
  for (let entry = 0; entry < records.length; entry++) if (isWanted(records[entry] as number)) order[count++] = entry;
  return order.sort((a, b) => (records[a] as number) - (records[b] as number));
}

/** Index of the first entry for which `isAtLeast` holds; it holds for all after it. */
function lowerBound(order: Uint32Array, isAtLeast: (entry: number) => boolean): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAtLeast(order[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}
