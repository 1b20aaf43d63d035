/**
 * One mailbox as it stands on disk, read without a lock: which messages, in which state, and their sums. It knows nothing of what
 * replication wrote, so that what it says of equality does not rest on that.
 *
 * A message is a record of dovecot-uidlist with a file. What a listing of changing directories may have missed is listed again; `isSettled`
 * says whether the last one can be believed.
 */
import type { Clock } from "../base/clock.js";
import { nextTurn } from "../base/clock.js";
import type { Dir } from "../base/disk.js";
import { type FastHash, sha256 } from "../base/hash.js";
import { isRawName } from "../base/raw-name.js";
import { Census } from "../log/census.js";
import { type BaseName, isBaseName } from "../maildir/ids.js";
import { type Keywords, namesOfLetters, namesOfNameless, readKeywords } from "../maildir/keywords.js";
import { type ListedName, openMessageWalk } from "../maildir/listing.js";
import { parseMessageName } from "../maildir/message-name.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { CHUNK_UIDS, chunkOf } from "../txn/chunks.js";
import type { StateDigester } from "../txn/digest.js";
import type { MessageState } from "../txn/message-state.js";
import type { Span } from "../wire/sums.js";
import { type ChunkSum, ChunkSums } from "./chunk-sums.js";

export interface ReadingPorts {
  readonly digester: StateDigester;
  readonly hash: Pick<FastHash, "h64">;
  readonly clock: Pick<Clock, "monotonicMs">;
}

/** The directories of one mailbox, open. */
export interface MailboxDirs {
  readonly mailbox: Dir;
  readonly cur: Dir;
  readonly fresh: Dir | undefined;
}

/** What an earlier reading left: of chunks that are listed as they were then, no file is looked at. */
export interface KnownSums {
  readonly sums: ChunkSums;
  /** What each letter meant, one line each; undefined: a letter had no meaning, so that nothing can be said of it now. */
  readonly letters: string | undefined;
}

const LISTINGS_MAX = 3;
/** Others of this thread have their turn after so long. */
const SLICE_MS = 20;
const LINES_SEED = 0x6c69_6e65_73n; // "lines"
const TEXT_BYTES_MAX = 255;
/** Dovecot writes some 60, and no more than 400. */
const FIELDS_BYTES_MAX = 4096;
const COMMON_INFOS = [":2,", ":2,S"] as const;

export class MailboxReading {
  readonly uidlist: Uidlist;
  /** All files that were listed, and nothing changed meanwhile. */
  readonly isSettled: boolean;
  readonly #ports: ReadingPorts;
  readonly #census: Census;
  readonly #keywords: Keywords;
  #hasNamelessLetters = false;

  private constructor(
    ports: ReadingPorts,
    parts: {
      readonly uidlist: Uidlist;
      readonly census: Census;
      readonly keywords: Keywords;
      readonly isSettled: boolean;
    },
  ) {
    this.#ports = ports;
    this.uidlist = parts.uidlist;
    this.#census = parts.census;
    this.#keywords = parts.keywords;
    this.isSettled = parts.isSettled;
  }

  /** Lists the mailbox. Throws: mailbox-vanished, keywords-damaged, system errors. */
  static async make(ports: ReadingPorts, dirs: MailboxDirs, uidlist: Uidlist): Promise<MailboxReading> {
    for (let attempt = 1; ; attempt++) {
      const census = new Census(uidlist);
      const isSettled = await list(ports, dirs, census);
      if (!isSettled && attempt < LISTINGS_MAX) continue;
      census.end();
      const { keywords } = readKeywords(dirs.mailbox);
      return new MailboxReading(ports, { uidlist, census, keywords, isSettled });
    }
  }

  /** Files that have no record of their own, hence no UID: Dovecot gives each of them one. */
  get unnumbered(): number {
    return this.#census.unnumbered.size + (this.isSettled ? this.#census.doubles : 0);
  }

  /** What the next reading may go by. */
  get letters(): string | undefined {
    return this.#hasNamelessLetters ? undefined : lettersOf(this.#keywords);
  }

  /** Sums of all chunks; files are looked at only in those that `known` does not show as they are. */
  async sums(dirs: MailboxDirs, known: KnownSums | undefined): Promise<ChunkSums> {
    const { digester, clock } = this.#ports;
    const { chunks, counts, lookA, lookB } = this.#census.looks;
    const usable =
      known?.letters !== undefined && extendsLetters(known.letters, lettersOf(this.#keywords)) ? known : undefined;
    const sums: ChunkSum[] = [];
    let record = 0;
    let dueMs = clock.monotonicMs() + SLICE_MS;
    for (const [slot, chunk] of chunks.entries()) {
      const first = record;
      while (record < this.uidlist.count && chunkOf(this.uidlist.uidAt(record)) === chunk) record += 1;
      if (counts[slot] === 0) continue;
      const lines = this.#ports.hash.h64(this.uidlist.rawRecords(first, record), LINES_SEED);
      const look = { lookA: lookA[slot] as number, lookB: lookB[slot] as number, lines };
      const before = usable?.sums.find(chunk);
      if (before !== undefined && before.count === counts[slot] && isSameLook(before, look)) sums.push(before);
      else {
        const states = this.#statesOf(dirs, first, record, CHUNK_UIDS);
        if (states.length > 0) sums.push({ chunk, count: states.length, ...look, digest: digester.sumOf(states) });
      }
      if (clock.monotonicMs() < dueMs) continue;
      await nextTurn();
      dueMs = clock.monotonicMs() + SLICE_MS;
    }
    return ChunkSums.of(sums);
  }

  /** Of the messages with UIDs in [from, below), ascending; the first `max` of them. */
  statesWithin(dirs: MailboxDirs, { from, below }: Span, max: number): MessageState[] {
    return this.#statesOf(dirs, this.uidlist.firstIndexFrom(from), this.uidlist.firstIndexFrom(below), max);
  }

  /** Of the messages of the records [from, to), ascending by UID. */
  #statesOf(dirs: MailboxDirs, from: number, to: number, max: number): MessageState[] {
    const states: MessageState[] = [];
    for (let index = from; index < to && index < this.#census.count && states.length < max; index++) {
      const state = this.#stateAt(dirs, index);
      if (state !== undefined) states.push(state);
    }
    return states;
  }

  /** Where the file of that message was last seen, the likeliest first. */
  placesOf(uid: number): readonly ListedName[] {
    const index = this.uidlist.indexOfUid(uid);
    return index < 0 ? [] : this.#placesAt(index);
  }

  #placesAt(index: number): ListedName[] {
    const listed = this.#census.placesOf(index);
    return listed.length === 0 ? [] : [...listed.toReversed(), ...likelyPlaces(this.uidlist.baseAt(index))];
  }

  #stateAt(dirs: MailboxDirs, index: number): MessageState | undefined {
    const base = this.uidlist.baseAt(index);
    if (!isBaseName(base)) return undefined;
    const listed = this.#census.placesOf(index);
    // The last place counts: names in new/ were listed first. Nearly every file is where it was listed, and no other place is thought of.
    for (let at = listed.length - 1; at >= 0; at--) {
      const state = this.#stateIn(dirs, index, base, listed[at] as ListedName);
      if (state !== undefined) return state;
    }
    for (const place of listed.length === 0 ? [] : likelyPlaces(base)) {
      const state = this.#stateIn(dirs, index, base, place);
      if (state !== undefined) return state;
    }
    return undefined;
  }

  /** Undefined: it is not there. */
  #stateIn(
    { cur, fresh }: MailboxDirs,
    index: number,
    base: BaseName,
    { dir, name }: ListedName,
  ): MessageState | undefined {
    const parsed = isRawName(name) ? parseMessageName(name) : undefined;
    if (parsed?.base !== base) return undefined;
    const stat = (dir === "cur" ? cur : fresh)?.stat(name);
    if (stat?.kind !== "file") return undefined;
    const { flags, letters, odd, tail } = parsed;
    const keywords = letters === 0 ? [] : this.#keywordsOf(letters);
    const [uid, fields] = [this.uidlist.uidAt(index), boundedFields(this.uidlist.fieldsAt(index))];
    const mtimeS = Math.floor(stat.mtimeMs / 1000);
    return { uid, base, flags, keywords, odd, tail, size: stat.size, mtimeS, fields };
  }

  #keywordsOf(letters: number): string[] {
    const { names, unknown } = namesOfLetters(this.#keywords, letters);
    if (unknown !== 0) this.#hasNamelessLetters = true;
    const all = [...names.map(bounded), ...namesOfNameless(unknown)];
    return [...new Set(all)].sort((a, b) => (a < b ? -1 : 1));
  }
}

/** Tried where a file is not any more where it was listed. */
function likelyPlaces(base: string): readonly ListedName[] {
  const common = COMMON_INFOS.map((info): ListedName => ({ dir: "cur", name: base + info }));
  return [...common, { dir: "new", name: base }];
}

/** Returns whether nothing changed meanwhile, as far as the directories' times tell. */
async function list({ clock }: ReadingPorts, { mailbox }: MailboxDirs, census: Census): Promise<boolean> {
  using walk = openMessageWalk(mailbox);
  let dueMs = clock.monotonicMs() + SLICE_MS;
  while (walk.step((name, dir) => census.take(name, dir))) {
    if (clock.monotonicMs() < dueMs) continue;
    await nextTurn();
    dueMs = clock.monotonicMs() + SLICE_MS;
  }
  return walk.facts().stable;
}

function isSameLook(a: Pick<ChunkSum, "lookA" | "lookB" | "lines">, b: typeof a): boolean {
  return a.lookA === b.lookA && a.lookB === b.lookB && a.lines === b.lines;
}

/** Longer than any keyword that a client can give. The owner of the mail writes what he likes: a hash stands for the rest, after a blank. */
function bounded(name: string): string {
  if (name.length <= TEXT_BYTES_MAX) return name;
  return `${name.slice(0, TEXT_BYTES_MAX - 70)} ${sha256(Buffer.from(name, "latin1")).toString("hex")}`;
}

/** The same of the fields of a record. */
function boundedFields(fields: string): string {
  return fields.length <= FIELDS_BYTES_MAX ? fields : `G${sha256(Buffer.from(fields, "latin1")).toString("hex")}`;
}

function lettersOf({ names }: Keywords): string {
  return names.map((name) => name ?? "").join("\n");
}

/** What had a meaning has it still. */
function extendsLetters(before: string, now: string): boolean {
  if (before === now) return true;
  const names = now.split("\n");
  return before.split("\n").every((name, index) => name === "" || name === names[index]);
}
