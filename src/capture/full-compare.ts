/**
 * Compares a whole mailbox with its baseline by a listing: chunk by chunk, only chunks that differ, only files that
 * changed are looked at.
 *
 * INVARIANT: a message is taken for expunged only if a believable listing lacks it, or two listings in a row, and a last look
 * at its likely names finds nothing. A file whose record is gone is no expunge: Dovecot is about to number it anew.
 * INVARIANT: what is no regular file (a link, a directory, a pipe) is never followed and is no message: a new record of it
 * holds up nothing, and a message that became such a thing stays in the log as it was.
 * INVARIANT: saves end before the first new record of which it is not known whether it has a file.
 */
import type { BaselineRecord } from "../log/state-types.js";
import type { Uid } from "../maildir/ids.js";
import { CHUNK_UIDS } from "../txn/chunks.js";
import { sameRecordFields } from "../txn/message-state.js";
import type { HintedName } from "./capture-types.js";
import { type CompareContext, locateMessage, presentMessage } from "./compare-context.js";
import { findOddity } from "./find-files.js";
import type { Comparison, Finding } from "./finding.js";
import { lettersOf } from "./keyword-letters.js";
import type { ListedMessage, ListingCursor } from "./listing-cursor.js";
import { recordAt, recordFields } from "./recorded-message.js";

/** Baseline records of moved messages that are kept for their new UID; beyond it they come out as expunge and save. */
const MOVED_MAX = 16_384;

const NOT_FILES_MAX = 100;

/** As much of the listing as fits in `findingsMax`; the cursor stands behind it afterwards. */
export function compareListed(context: CompareContext, cursor: ListingCursor): Comparison {
  const run = new FullComparison(context, cursor);
  return run.compare();
}

class FullComparison {
  readonly #context: CompareContext;
  readonly #cursor: ListingCursor;
  readonly #findings: Finding[] = [];
  readonly #late: Uid[] = [];
  /** Moved messages that are found under their new UID. */
  readonly #paired = new Set<Uid>();
  /** First new record whose fate this listing does not tell. */
  #openFrom: number | undefined;

  constructor(context: CompareContext, cursor: ListingCursor) {
    this.#context = context;
    this.#cursor = cursor;
    this.#openFrom = findOpenRecord(context, cursor);
  }

  compare(): Comparison {
    const { findingsMax } = this.#context;
    const cursor = this.#cursor;
    for (let chunk = cursor.chunk; chunk !== undefined; chunk = cursor.chunk) {
      const isFull = this.#findings.length > 0 && this.#findings.length + 2 * CHUNK_UIDS > findingsMax;
      if (isFull) return this.#end(this.#openBefore(chunk), true);
      this.#compareChunk(chunk);
      cursor.advance();
    }
    const isWhole = this.#openFrom === undefined && !cursor.isDoubtful;
    // Moved to a UID that is not there after all, or that was sealed before.
    for (const before of isWhole ? cursor.moved.values() : []) {
      if (!this.#paired.has(before.uid)) this.#findings.push({ uid: before.uid, before, now: undefined });
    }
    return this.#end(this.#openFrom, false);
  }

  #end(openFrom: number | undefined, more: boolean): Comparison {
    const findings = this.#findings.sort((a, b) => a.uid - b.uid);
    return { findings, openFrom, needListing: !more && this.#cursor.isDoubtful, late: this.#late, more };
  }

  /** The first new record of the chunks that are left. */
  #openBefore(chunk: number): number | undefined {
    const { uidlist, uidNext } = this.#context;
    const index = uidlist.firstIndexFrom(Math.max(uidNext, chunk * CHUNK_UIDS));
    const next = index < uidlist.count ? uidlist.uidAt(index) : undefined;
    return next === undefined || this.#openFrom === undefined
      ? (next ?? this.#openFrom)
      : Math.min(next, this.#openFrom);
  }

  #compareChunk(chunk: number): void {
    const listed = this.#cursor.listed(chunk);
    const before = this.#context.baseline.records(chunk);
    let i = 0;
    let j = 0;
    for (;;) {
      const known = before[i];
      const seen = listed[j];
      if (known === undefined && seen === undefined) return;
      if (seen === undefined || (known !== undefined && known.uid < seen.record.uid)) {
        if (known !== undefined) this.#compareMissing(known);
        i += 1;
      } else if (known === undefined || seen.record.uid < known.uid) {
        this.#compareNew(seen);
        j += 1;
      } else {
        this.#compareKnown(known, seen);
        i += 1;
        j += 1;
      }
    }
  }

  #compareKnown(before: BaselineRecord, seen: ListedMessage): void {
    const { record, places } = seen;
    const [first] = places;
    const fields = recordFields(this.#context.uidlist, record.index);
    const sameRecord = before.base === record.base && sameRecordFields(before.fields, fields);
    const isSame = (info: string): boolean =>
      sameRecord && before.info === info && this.#sameNames(record.base + info, before);
    if (places.length === 1 && first !== undefined && isSame(first.name.slice(record.base.length))) return;
    const file = locateMessage(this.#context, record.base, { seen: places, info: before.info });
    if (file === undefined) this.#cursor.isDoubtful ||= !this.#isNoFile(places);
    else if (!isSame(file.info)) {
      this.#findings.push({ uid: before.uid, before, now: presentMessage(this.#context, record, file) });
    }
  }

  #sameNames(name: string, before: BaselineRecord): boolean {
    if (!this.#cursor.parts.namesChanged) return true;
    const { names, complete } = this.#context.memory.letters.namesOf(lettersOf(name));
    return (
      !complete || (names.length === before.keywords.length && names.every((word, i) => word === before.keywords[i]))
    );
  }

  #compareNew({ record, places }: ListedMessage): void {
    const { uid, base } = record;
    if (uid < this.#context.uidNext) {
      if (locateMessage(this.#context, base, { seen: places }) !== undefined) this.#late.push(uid);
      else this.#isNoFile(places);
      return;
    }
    if (this.#openFrom !== undefined && uid >= this.#openFrom) return;
    const file = locateMessage(this.#context, base, { seen: places });
    if (file === undefined && this.#isNoFile(places)) return;
    if (file === undefined) {
      this.#openFrom = uid;
      this.#cursor.isDoubtful = true;
      return;
    }
    this.#findings.push({ uid, before: undefined, now: presentMessage(this.#context, record, file) });
    const before = this.#cursor.moved.get(base);
    if (before === undefined) return;
    this.#paired.add(before.uid);
    this.#findings.push({ uid: before.uid, before, now: undefined });
  }

  /** Notes where something else than a file stands in a message's place. */
  #isNoFile(places: readonly HintedName[]): boolean {
    const place = findOddity(this.#context.dirs, places);
    if (place === undefined) return false;
    const { notFiles } = this.#cursor;
    if (notFiles.size < NOT_FILES_MAX) notFiles.add(`${place.dir}/${place.name}`);
    return true;
  }

  #compareMissing(before: BaselineRecord): void {
    const { uidlist, memory } = this.#context;
    const { parts, lastUid, absent, moved } = this.#cursor;
    if (before.uid > lastUid && uidlist.indexOfUid(before.uid) >= 0) return; // younger than the listing.
    if (parts.census.unnumbered.has(before.base)) {
      memory.orphanUidByBase.set(before.base, before.uid);
      return;
    }
    const index = uidlist.indexOfBase(before.base);
    if (index >= 0 && uidlist.uidAt(index) > before.uid && this.#cursor.isListed(index) && moved.size < MOVED_MAX) {
      moved.set(before.base, before);
      return;
    }
    const isHere = locateMessage(this.#context, before.base, { info: before.info }) !== undefined;
    if (!isHere && (parts.believable || memory.absent.has(before.uid))) {
      this.#findings.push({ uid: before.uid, before, now: undefined });
      return;
    }
    absent.add(before.uid);
    this.#cursor.isDoubtful = true;
  }
}

/** The first new record without a file in the listing, unless that tells that it has none. */
function findOpenRecord({ uidlist, uidNext, memory }: CompareContext, cursor: ListingCursor): number | undefined {
  const { lastUid, parts } = cursor;
  for (let index = uidlist.firstIndexFrom(uidNext); index < uidlist.count; index++) {
    if (cursor.isListed(index)) continue;
    const record = recordAt(uidlist, index);
    if (record === undefined) continue;
    if (record.uid > lastUid) return record.uid;
    if (parts.believable || memory.absent.has(record.uid)) continue;
    cursor.absent.add(record.uid);
    cursor.isDoubtful = true;
    return record.uid;
  }
  return undefined;
}
