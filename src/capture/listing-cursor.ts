/**
 * One listing of a mailbox, laid beside its uidlist and its baseline: which chunks of UIDs differ, and how far they were
 * worked off.
 *
 * Seeding a large mailbox takes many calls; the listing is made once and kept between them.
 *
 * INVARIANT: a chunk is left out only if the number of its messages and the sums over (UID, file name) are those of the
 * baseline.
 */

import type { Census, LookColumns } from "../log/census.js";
import type { BaselineRecord, ChunkLook } from "../log/state-types.js";
import type { ListingFacts } from "../maildir/listing.js";
import { CHUNK_UIDS } from "../txn/chunks.js";
import type { HintedName } from "./capture-types.js";
import type { Pass } from "./deletion-brake.js";
import { type RecordedMessage, recordAt } from "./recorded-message.js";

export interface CursorParts {
  readonly census: Census;
  readonly facts: ListingFacts;
  /** What it lacks is not there. */
  readonly believable: boolean;
  /** How many the listing before it lacked, while that one was not to be believed. */
  readonly lackedBefore: number;
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

/** A message as the listing saw it; at several places if it was renamed meanwhile. */
export interface ListedMessage {
  readonly record: RecordedMessage;
  readonly places: readonly HintedName[];
}

export class ListingCursor {
  readonly parts: CursorParts;
  /** Chunks that differ, ascending. */
  readonly #chunks: readonly number[];
  #at = 0;
  /** UIDs that this listing lacks, while it is not to be believed. */
  readonly absent = new Set<number>();
  /** Baseline records whose base name has another UID now, by base name: they wait for that UID. */
  readonly moved = new Map<string, BaselineRecord>();
  /** Places of records where something stands that is no regular file ("cur/NAME"); some of them, if there are many. */
  readonly notFiles = new Set<string>();
  readonly deletions: Pass;
  /** Something could not be settled with this listing. */
  isDoubtful = false;

  constructor(parts: CursorParts) {
    this.parts = parts;
    this.#chunks = differingChunks(parts.census.looks, parts.looks, parts.namesChanged);
    const lacked = countLost(parts.census.looks, parts.looks);
    const lost = parts.believable ? lacked : Math.min(lacked, parts.lackedBefore); // what two in a row lack is gone, too.
    this.deletions = { held: new Set(), lost, sifted: 0 };
  }

  /** The last UID before the listing: of later ones it says nothing. */
  get lastUid(): number {
    return this.parts.census.lastUid;
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
    return this.parts.census.isListed(recordIndex);
  }

  /** Messages that the listing has in a chunk, ascending by UID. */
  listed(chunk: number): readonly ListedMessage[] {
    const { census } = this.parts;
    const messages: ListedMessage[] = [];
    const end = Math.min(census.count, census.uidlist.firstIndexFrom((chunk + 1) * CHUNK_UIDS));
    for (let index = census.uidlist.firstIndexFrom(chunk * CHUNK_UIDS); index < end; index++) {
      const record = census.isListed(index) ? recordAt(census.uidlist, index) : undefined;
      if (record !== undefined) messages.push({ record, places: census.placesOf(index) });
    }
    return messages;
  }
}

/** Messages of the baseline that have no file; at least so many. */
function countLost(listed: LookColumns, looks: readonly ChunkLook[]): number {
  let lost = 0;
  let at = 0;
  for (const { chunk, count } of looks) {
    while (at < listed.chunks.length && (listed.chunks[at] as number) < chunk) at++;
    const isHere = at < listed.chunks.length && listed.chunks[at] === chunk;
    lost += Math.max(0, count - (isHere ? (listed.counts[at] as number) : 0));
  }
  return lost;
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
