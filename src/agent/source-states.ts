/**
 * A mailbox as the source's baseline has it, all of one commit of the log: its row, its messages, and up to where the log covers it.
 *
 * Memory: the rows of the baseline as bytes, 100 or so a message, each until its messages are taken.
 */
import { decodeChunk, stateOfRecord } from "../log/baseline-chunk.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { CHUNK_UIDS } from "../txn/chunks.js";
import type { MessageState } from "../txn/message-state.js";

export type BaselineReader = Pick<StateReader, "snapshot" | "lastLsn" | "mailboxByGuid" | "looks" | "chunk">;

interface EncodedChunk {
  readonly chunk: number;
  readonly bytes: Uint8Array;
}

export class SourceStates {
  /** Of the log's last transaction that is in it. */
  readonly lsn: number;
  /** Undefined: the source does not have the mailbox. */
  readonly row: MailboxRow | undefined;
  readonly #chunks: EncodedChunk[];
  /** Decoded, and not taken yet. */
  #ahead: MessageState[] = [];

  /** Throws: state-corrupt. */
  constructor(reader: BaselineReader, guid: MailboxGuid) {
    const { lsn, row, chunks } = reader.snapshot(() => readAll(reader, guid));
    this.lsn = lsn;
    this.row = row;
    this.#chunks = chunks.reverse();
  }

  /** The next messages, as far as that UID, or about `max` of them: then `reached` is the UID up to which they are all. */
  take(upTo: number, max: number): { readonly states: readonly MessageState[]; readonly reached: number } {
    const states: MessageState[] = [];
    for (;;) {
      const beyond = this.#ahead.findIndex(({ uid }) => uid > upTo);
      const taken = this.#ahead.splice(0, beyond < 0 ? this.#ahead.length : beyond);
      for (const state of taken) states.push(state);
      const next = this.#chunks.at(-1);
      if (beyond >= 0 || next === undefined || next.chunk * CHUNK_UIDS > upTo) return { states, reached: upTo };
      if (states.length >= max) return { states, reached: Math.min(upTo, next.chunk * CHUNK_UIDS - 1) };
      this.#chunks.pop();
      this.#ahead = decodeChunk(next.bytes, this.row?.keywords ?? []).map(stateOfRecord);
    }
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
