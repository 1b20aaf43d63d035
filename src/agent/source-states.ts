/**
 * A mailbox as the source's baseline has it, all of one commit of the log: its row, its messages and their marks, and up to where the
 * log covers it.
 *
 * Memory: the rows of the baseline as bytes, 100 or so a message; decoded is one chunk at a time. Marks as in `MarkedChunks`.
 */
import { firstAbove } from "../base/ascending.js";
import { decodeChunk, stateOfRecord } from "../log/baseline-chunk.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxRow } from "../log/state-types.js";
import { type MailboxGuid, UID_MAX } from "../maildir/ids.js";
import { CHUNK_UIDS, chunkOf } from "../txn/chunks.js";
import { DIGEST_BYTES, type Digest, type StateDigester } from "../txn/digest.js";
import { MarkedChunks, type Marks } from "../txn/marked-chunks.js";
import type { MessageState } from "../txn/message-state.js";
import type { Span } from "../wire/sums.js";

export type BaselineReader = Pick<StateReader, "snapshot" | "lastLsn" | "mailboxByGuid" | "digests" | "chunk">;

interface EncodedChunk {
  readonly chunk: number;
  readonly count: number;
  /** Empty where an older version wrote it. */
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** What a chunk costs whose digest was kept, in messages that are read. */
const KNOWN_AS_READ = 4;

export class SourceStates {
  /** Of the log's last transaction that is in it. */
  readonly lsn: number;
  /** Undefined: the source does not have the mailbox. */
  readonly row: MailboxRow | undefined;
  readonly #digester: StateDigester;
  /** Ascending. */
  readonly #chunks: readonly EncodedChunk[];
  readonly #numbers: readonly number[];
  /** Messages up to the end of each chunk. */
  readonly #counts: readonly number[];
  readonly #marked: MarkedChunks;
  #nextToMark = 0;
  #lastDecoded: { readonly of: EncodedChunk; readonly states: readonly MessageState[] } | undefined;

  /** `seed`: of its marks. Throws: state-corrupt. */
  constructor(
    reader: BaselineReader,
    guid: MailboxGuid,
    { digester, seed }: { readonly digester: StateDigester; readonly seed: number },
  ) {
    this.#digester = digester;
    this.#marked = new MarkedChunks(seed, (chunk) => this.#halvesOf(chunk));
    const { lsn, row, chunks } = reader.snapshot(() => readAll(reader, guid));
    this.lsn = lsn;
    this.row = row;
    this.#chunks = chunks;
    this.#numbers = chunks.map(({ chunk }) => chunk);
    let count = 0;
    this.#counts = chunks.map((chunk) => {
      count += chunk.count;
      return count;
    });
  }

  /** Of all of it. */
  get count(): number {
    return this.#counts.at(-1) ?? 0;
  }

  /** Above all UIDs of messages that it has. */
  get below(): number {
    return ((this.#numbers.at(-1) ?? -1) + 1) * CHUNK_UIDS;
  }

  /** The marks of those that were marked. */
  get marked(): Pick<Marks, "digest" | "countIn" | "sumIn"> {
    return this.#marked;
  }

  /** How many messages have a UID up to this one, or a chunk's more. */
  countUpTo(uid: number): number {
    const chunks = firstAbove(this.#numbers, chunkOf(uid));
    return this.#counts[chunks - 1] ?? 0;
  }

  /** Marks the next messages: reads `max` or somewhat more, or many more whose digest was kept. True: all are marked. Throws: state-corrupt. */
  markOn(max: number): boolean {
    let read = 0;
    for (; this.#nextToMark < this.#chunks.length; this.#nextToMark++) {
      if (read >= max) return false;
      const { chunk, count, digest } = this.#chunks[this.#nextToMark] as EncodedChunk;
      if (digest.length === DIGEST_BYTES) {
        this.#marked.addKnown(chunk, count, digest);
        read += KNOWN_AS_READ;
        continue;
      }
      this.#marked.addRead(chunk, this.#halvesOf(chunk));
      read += count;
    }
    return true;
  }

  /**
   * The messages in these spans, which ascend, above `afterUid` and as far as `upTo`, or about `max` of them: then `reached` is the UID up
   * to which they are all. Throws: state-corrupt.
   */
  take(
    spans: readonly Span[],
    { afterUid, upTo }: { readonly afterUid: number; readonly upTo: number },
    max: number,
  ): { readonly states: readonly MessageState[]; readonly reached: number } {
    const states: MessageState[] = [];
    for (const { from, below } of spans) {
      const [first, end] = [Math.max(from, afterUid + 1), Math.min(below, upTo + 1)];
      if (first >= end) continue;
      let at = firstAbove(this.#numbers, chunkOf(first) - 1);
      for (; at < this.#chunks.length && (this.#numbers[at] as number) * CHUNK_UIDS < end; at++) {
        const next = this.#chunks[at] as EncodedChunk;
        const start = Math.max(first, next.chunk * CHUNK_UIDS);
        if (states.length >= max) return { states, reached: start - 1 };
        for (const state of this.#decode(next)) if (state.uid >= first && state.uid < end) states.push(state);
      }
    }
    return { states, reached: upTo };
  }

  /** Of these UIDs those that it has; ascending. Throws: state-corrupt. */
  pick(uids: Iterable<number>): readonly MessageState[] {
    const spans = [...uids].sort((a, b) => a - b).map((uid): Span => ({ from: uid, below: uid + 1 }));
    return this.take(spans, { afterUid: 0, upTo: UID_MAX }, Number.POSITIVE_INFINITY).states;
  }

  #halvesOf(chunk: number) {
    const of = this.#chunks[firstAbove(this.#numbers, chunk - 1)] as EncodedChunk;
    const digester = this.#digester;
    return this.#decode(of).map((state) => ({
      uid: state.uid,
      halves: digester.halvesWithFields(state),
      isOff: false,
    }));
  }

  #decode(of: EncodedChunk): readonly MessageState[] {
    if (this.#lastDecoded?.of === of) return this.#lastDecoded.states;
    const states = decodeChunk(of.bytes, this.row?.keywords ?? []).map(stateOfRecord);
    this.#lastDecoded = { of, states };
    return states;
  }
}

function readAll(reader: BaselineReader, guid: MailboxGuid) {
  const row = reader.mailboxByGuid(guid);
  const digests = row === undefined ? [] : reader.digests(row.id);
  const chunks = digests.flatMap(({ chunk, count, digest }): EncodedChunk[] => {
    const bytes = row === undefined ? undefined : reader.chunk(row.id, chunk);
    return bytes === undefined ? [] : [{ chunk, count, digest, bytes }];
  });
  return { lsn: reader.lastLsn(), row, chunks };
}
