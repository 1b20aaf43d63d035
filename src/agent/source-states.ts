/**
 * A mailbox as the source's baseline has it, all of one commit of the log: its row, its messages and their sums, and up to where the
 * log covers it.
 *
 * Memory: the rows of the baseline as bytes, 100 or so a message, each until its messages are taken or summed up; of those that are summed
 * up, and not taken yet, the messages.
 */
import { decodeChunk, stateOfRecord } from "../log/baseline-chunk.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxRow } from "../log/state-types.js";
import { type MailboxGuid, UID_MAX } from "../maildir/ids.js";
import { CHUNK_UIDS, type ChunkSum } from "../txn/chunks.js";
import type { StateDigester } from "../txn/digest.js";
import type { MessageState } from "../txn/message-state.js";

export type BaselineReader = Pick<StateReader, "snapshot" | "lastLsn" | "mailboxByGuid" | "looks" | "chunk">;

interface EncodedChunk {
  readonly chunk: number;
  readonly bytes: Uint8Array;
}

/** What is asked with: in these chunks the source has that, and up to that UID nothing else. */
export interface SummedRange {
  readonly sums: readonly ChunkSum[];
  readonly upTo: number;
}

interface DecodedChunk {
  readonly chunk: number;
  readonly states: readonly MessageState[];
  readonly sum: ChunkSum;
}

export class SourceStates {
  /** Of the log's last transaction that is in it. */
  readonly lsn: number;
  /** Undefined: the source does not have the mailbox. */
  readonly row: MailboxRow | undefined;
  readonly #digester: StateDigester;
  /** The next one last. */
  readonly #chunks: EncodedChunk[];
  /** Summed up, and not taken yet. */
  readonly #summed: DecodedChunk[] = [];

  /** Throws: state-corrupt. */
  constructor(reader: BaselineReader, guid: MailboxGuid, digester: StateDigester) {
    this.#digester = digester;
    const { lsn, row, chunks } = reader.snapshot(() => readAll(reader, guid));
    this.lsn = lsn;
    this.row = row;
    this.#chunks = chunks.reverse();
  }

  /** Of the next chunks that have messages, at most `max`. Throws: state-corrupt. */
  sums(max: number): SummedRange {
    while (this.#summed.length < max) {
      const next = this.#chunks.pop();
      if (next === undefined) break;
      const states = this.#decode(next);
      if (states.length === 0) continue;
      const digest = this.#digester.sumWithFields(states);
      this.#summed.push({ chunk: next.chunk, states, sum: { chunk: next.chunk, count: states.length, digest } });
    }
    const beyond = this.#chunks.at(-1);
    const upTo = beyond === undefined ? UID_MAX : beyond.chunk * CHUNK_UIDS - 1;
    return { sums: this.#summed.map(({ sum }) => sum), upTo };
  }

  /**
   * The next messages, as far as that UID, which ends a chunk, or about `max` of them: then `reached` is the UID up to which they are all.
   * Throws: state-corrupt.
   */
  take(upTo: number, max: number): { readonly states: readonly MessageState[]; readonly reached: number } {
    const states: MessageState[] = [];
    for (;;) {
      const next = this.#summed[0] ?? this.#chunks.at(-1);
      if (next === undefined || next.chunk * CHUNK_UIDS > upTo) return { states, reached: upTo };
      if (states.length >= max) return { states, reached: next.chunk * CHUNK_UIDS - 1 };
      const taken = "states" in next ? next.states : this.#decode(next);
      if ("states" in next) this.#summed.shift();
      else this.#chunks.pop();
      for (const state of taken) states.push(state);
    }
  }

  #decode({ bytes }: EncodedChunk): MessageState[] {
    return decodeChunk(bytes, this.row?.keywords ?? []).map(stateOfRecord);
  }
}

function readAll(reader: BaselineReader, guid: MailboxGuid) {
  const row = reader.mailboxByGuid(guid);
  const looks = row === undefined ? [] : reader.looks(row.id);
  const chunks = looks.flatMap(({ chunk }): EncodedChunk[] => {
    const bytes = row === undefined ? undefined : reader.chunk(row.id, chunk);
    return bytes === undefined ? [] : [{ chunk, bytes }];
  });
  return { lsn: reader.lastLsn(), row, chunks };
}
