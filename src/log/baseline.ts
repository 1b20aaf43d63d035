/**
 * The baseline of one mailbox: its records by UID, read in chunks as they are needed, and changes to it as rows to be
 * written. Synchronous and without a database of its own: whoever captures or applies puts the rows into its commit.
 *
 * INVARIANT: what is read here is what was committed: `edit` changes nothing until its rows come back by `adopt`.
 * Memory: a bounded number of decoded chunks, and for each other chunk two numbers, and its digest once one is asked for.
 */
import { assert } from "../base/assert.js";
import type { Uid } from "../maildir/ids.js";
import { CHUNK_UIDS, chunkOf } from "../txn/chunks.js";
import { DIGEST_BYTES, type Digest, type StateDigester } from "../txn/digest.js";
import { decodeChunk, encodeChunk } from "./baseline-chunk.js";
import type { StateReader } from "./state-ports.js";
import type { BaselineRecord, ChunkLook, ChunkWrite, MailboxRow } from "./state-types.js";

const CHUNKS_CACHED_MAX = 32;

export interface BaselineSources {
  readonly reader: Pick<StateReader, "chunk" | "looks" | "digests" | "mailboxByGuid">;
  readonly digester: StateDigester;
}

export interface BaselineEdit {
  /** New records, and records in place of those with the same UID. */
  readonly put: readonly BaselineRecord[];
  /** UIDs that go; absent ones are fine. A UID that is also put stays. */
  readonly drop: readonly Uid[];
}

/** The rows of an edit: they go into one database transaction, and then to `adopt`. */
export interface BaselineRows {
  /** The mailbox's row with `messages` and `keywords` brought up to date; the rest as it was. */
  readonly row: MailboxRow;
  readonly chunks: readonly ChunkWrite[];
}

export class MailboxBaseline {
  readonly #sources: BaselineSources;
  #row: MailboxRow;
  /** In the order of their last use. */
  readonly #recordsByChunk = new Map<number, readonly BaselineRecord[]>();
  #lookByChunk: Map<number, ChunkLook> | undefined;
  #digestByChunk: Map<number, Digest> | undefined;
  /** What the chunks of edits contain, for as long as somebody holds them. */
  readonly #recordsByWrite = new WeakMap<ChunkWrite, readonly BaselineRecord[]>();

  /** `row` may be that of a mailbox that is not in the database yet. */
  constructor(sources: BaselineSources, row: MailboxRow) {
    this.#sources = sources;
    this.#row = row;
  }

  get row(): MailboxRow {
    return this.#row;
  }

  record(uid: Uid): BaselineRecord | undefined {
    return this.records(chunkOf(uid)).find((record) => record.uid === uid);
  }

  /** Of one chunk, ascending by UID. Throws: state-corrupt. */
  records(chunk: number): readonly BaselineRecord[] {
    const records = this.#recordsByChunk.get(chunk) ?? this.#read(chunk);
    this.#keep(chunk, records);
    return records;
  }

  /** Of the chunks that have records, ascending. */
  looks(): readonly ChunkLook[] {
    return [...this.#looks().values()].sort((a, b) => a.chunk - b.chunk);
  }

  /** Of one chunk's states, with their fields; undefined where it has none, or an older version wrote it. */
  digest(chunk: number): Digest | undefined {
    this.#digestByChunk ??= new Map(
      this.#sources.reader.digests(this.#row.id).map(({ chunk: number, digest }) => [number, digest]),
    );
    const digest = this.#digestByChunk.get(chunk);
    return digest?.length === DIGEST_BYTES ? digest : undefined;
  }

  /** The rows for a change, computed against what was adopted last. Touches no database. */
  edit({ put, drop }: BaselineEdit): BaselineRows {
    const keywords = withNames(this.#row.keywords, put);
    const keywordIndexByName = new Map(keywords.map((name, index) => [name, index]));
    let { messages } = this.#row;
    const chunks: ChunkWrite[] = [];
    for (const [chunk, changes] of groupByChunk(put, drop)) {
      const before = this.records(chunk);
      const records = changeRecords(chunk, before, changes);
      const { digester } = this.#sources;
      const write = encodeChunk({ mailboxId: this.#row.id, chunk, records, keywordIndexByName, digester });
      this.#recordsByWrite.set(write, records);
      messages += records.length - before.length;
      chunks.push(write);
    }
    return { row: { ...this.#row, keywords, messages }, chunks };
  }

  /** After the commit: these rows are in the database. `row` may differ from the edit's in other columns. */
  adopt(chunks: readonly ChunkWrite[], row: MailboxRow): void {
    assert(row.id === this.#row.id, "a baseline adopts rows of its own mailbox");
    this.#row = row;
    for (const write of chunks) {
      const { chunk, count, lookA, lookB, digest } = write;
      const records = this.#recordsByWrite.get(write);
      if (records === undefined) this.#recordsByChunk.delete(chunk);
      else this.#keep(chunk, records);
      if (count === 0) this.#lookByChunk?.delete(chunk);
      else this.#lookByChunk?.set(chunk, { chunk, count, lookA, lookB });
      if (count === 0) this.#digestByChunk?.delete(chunk);
      else this.#digestByChunk?.set(chunk, digest);
    }
  }

  /** Drops what is remembered: after a failed commit, or when something else may have written the rows. */
  forget(): void {
    this.#recordsByChunk.clear();
    this.#lookByChunk = undefined;
    this.#digestByChunk = undefined;
    this.#row = this.#sources.reader.mailboxByGuid(this.#row.guid) ?? this.#row;
  }

  #read(chunk: number): readonly BaselineRecord[] {
    const bytes = this.#sources.reader.chunk(this.#row.id, chunk);
    return bytes === undefined ? [] : decodeChunk(bytes, this.#row.keywords);
  }

  #keep(chunk: number, records: readonly BaselineRecord[]): void {
    this.#recordsByChunk.delete(chunk);
    this.#recordsByChunk.set(chunk, records);
    if (this.#recordsByChunk.size <= CHUNKS_CACHED_MAX) return;
    for (const oldest of this.#recordsByChunk.keys()) {
      this.#recordsByChunk.delete(oldest);
      return;
    }
  }

  #looks(): Map<number, ChunkLook> {
    this.#lookByChunk ??= new Map(this.#sources.reader.looks(this.#row.id).map((look) => [look.chunk, look]));
    return this.#lookByChunk;
  }
}

interface ChunkChanges {
  readonly put: BaselineRecord[];
  readonly drop: Uid[];
}

/** Ascending by chunk: rows are written in the order of their keys. */
function groupByChunk(
  put: readonly BaselineRecord[],
  drop: readonly Uid[],
): readonly (readonly [number, ChunkChanges])[] {
  const changesByChunk = new Map<number, ChunkChanges>();
  const changesOf = (uid: Uid): ChunkChanges => {
    const chunk = chunkOf(uid);
    const changes = changesByChunk.get(chunk) ?? { put: [], drop: [] };
    changesByChunk.set(chunk, changes);
    return changes;
  };
  for (const record of put) changesOf(record.uid).put.push(record);
  for (const uid of drop) changesOf(uid).drop.push(uid);
  return [...changesByChunk].sort(([a], [b]) => a - b);
}

function changeRecords(
  chunk: number,
  before: readonly BaselineRecord[],
  { put, drop }: ChunkChanges,
): BaselineRecord[] {
  const slots: (BaselineRecord | undefined)[] = Array.from({ length: CHUNK_UIDS }, () => undefined);
  const first = chunk * CHUNK_UIDS;
  for (const record of before) slots[record.uid - first] = record;
  for (const uid of drop) slots[uid - first] = undefined;
  for (const record of put) slots[record.uid - first] = record;
  return slots.filter((record) => record !== undefined);
}

/** Appended in the order in which they occur; indexes that chunks refer to stay. */
function withNames(keywords: readonly string[], records: readonly BaselineRecord[]): readonly string[] {
  const names = new Set(keywords);
  for (const record of records) for (const name of record.keywords) names.add(name);
  return names.size === keywords.length ? keywords : [...names];
}
