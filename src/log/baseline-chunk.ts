/**
 * Baseline records of one chunk as bytes and back: decoding what was encoded gives equal records.
 *
 * ```
 * chunk  ::= version:u8 chunk:varint count:varint record*          records ascend by UID
 * record ::= uid-offset:u8 base:text info:text fields:text size:varint mtime:zigzag ino:varint keywords
 * keywords ::= count:varint index:varint*                          indexes into MailboxRow.keywords
 * text   ::= length:varint byte*
 * ```
 * INVARIANT: no read beyond the bytes, and nothing is returned of a chunk that is not valid to its end.
 */
import { assert } from "../base/assert.js";
import { isBaseName, isUid } from "../maildir/ids.js";
import { KEYWORDS_MAX } from "../maildir/keywords.js";
import { parseMessageName } from "../maildir/message-name.js";
import { CHUNK_UIDS } from "../txn/chunks.js";
import type { StateDigester } from "../txn/digest.js";
import type { MessageState } from "../txn/message-state.js";
import { ByteReader, ByteWriter } from "./byte-codec.js";
import { logError } from "./errors.js";
import { addLook, lookOf, NO_LOOK } from "./look.js";
import type { BaselineRecord, ChunkWrite } from "./state-types.js";

const VERSION = 1;

export interface ChunkParts {
  readonly mailboxId: number;
  readonly chunk: number;
  /** Ascending by UID, all of this chunk. */
  readonly records: readonly BaselineRecord[];
  /** Has every keyword of the records. */
  readonly keywordIndexByName: ReadonlyMap<string, number>;
  readonly digester: StateDigester;
}

/** The chunk's row: bytes, looks and digest. */
export function encodeChunk({ mailboxId, chunk, records, keywordIndexByName, digester }: ChunkParts): ChunkWrite {
  const look = records.reduce((sum, { uid, base, info }) => addLook(sum, lookOf(uid, base + info)), NO_LOOK);
  return {
    mailboxId,
    chunk,
    count: records.length,
    ...look,
    digest: digester.sumWithFields(records.map(stateOfRecord)),
    bytes: encodeRecords(chunk, records, keywordIndexByName),
  };
}

/** `keywords`: those of the mailbox's row. Throws: state-corrupt. */
export function decodeChunk(bytes: Uint8Array, keywords: readonly string[]): BaselineRecord[] {
  try {
    return decodeRecords(new ByteReader(bytes), keywords);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw logError("state-corrupt", `reading a chunk of the baseline: ${cause.message}`, {}, cause);
  }
}

/** What a record says about its message, letters translated to names. */
export function stateOfRecord({ uid, base, info, keywords, size, mtimeS, fields }: BaselineRecord): MessageState {
  const name = info === "" ? undefined : parseMessageName(base + info);
  const { flags, odd, tail } = name ?? { flags: 0, odd: "", tail: "" };
  return { uid, base, flags, keywords, odd, tail, size, mtimeS, fields };
}

function encodeRecords(
  chunk: number,
  records: readonly BaselineRecord[],
  indexByName: ReadonlyMap<string, number>,
): Uint8Array {
  const writer = new ByteWriter();
  writer.byte(VERSION);
  writer.varint(chunk);
  writer.varint(records.length);
  let last = -1;
  for (const record of records) {
    const offset = record.uid - chunk * CHUNK_UIDS;
    assert(offset > last && offset < CHUNK_UIDS, `UID ${record.uid} does not belong there in chunk ${chunk}`);
    last = offset;
    writer.byte(offset);
    writer.text(record.base);
    writer.text(record.info);
    writer.text(record.fields);
    writer.varint(record.size);
    writer.zigzag(record.mtimeS);
    writer.varint(record.ino);
    writer.varint(record.keywords.length);
    for (const name of record.keywords) {
      const index = indexByName.get(name);
      assert(index !== undefined, "the mailbox's row has every keyword of its records");
      writer.varint(index);
    }
  }
  return writer.finish();
}

function decodeRecords(reader: ByteReader, keywords: readonly string[]): BaselineRecord[] {
  must(reader.byte() === VERSION, "its version is unknown");
  const chunk = reader.varint();
  const count = reader.varint();
  must(count <= CHUNK_UIDS, "it has too many records");
  const records: BaselineRecord[] = [];
  let last = -1;
  for (let i = 0; i < count; i++) {
    const offset = reader.byte();
    must(offset > last && offset < CHUNK_UIDS, "its UIDs do not ascend");
    last = offset;
    records.push(decodeRecord(reader, chunk * CHUNK_UIDS + offset, keywords));
  }
  must(reader.atEnd, "it has more bytes than records");
  return records;
}

function decodeRecord(reader: ByteReader, uid: number, names: readonly string[]): BaselineRecord {
  must(isUid(uid), "a UID is out of range");
  const base = reader.text();
  must(isBaseName(base), "a base name is not one");
  const [info, fields] = [reader.text(), reader.text()];
  const [size, mtimeS, ino] = [reader.varint(), reader.zigzag(), reader.varint()];
  const keywords: string[] = [];
  const count = reader.varint();
  must(count <= KEYWORDS_MAX, "a message has too many keywords");
  for (let left = count; left > 0; left--) {
    const name = names[reader.varint()];
    must(name !== undefined, "a keyword is not in the mailbox's list");
    keywords.push(name);
  }
  return { uid, base, info, keywords, size, mtimeS, fields, ino };
}

function must(condition: boolean, why: string): asserts condition {
  if (!condition) throw new RangeError(why);
}
