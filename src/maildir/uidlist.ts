/**
 * dovecot-uidlist: which UID belongs to which base name.
 *
 * INVARIANT: UIDs ascend strictly; `byteLength` is just after a "\n": an unfinished last line (a writer at work, or one
 * that crashed) is never read as a record.
 * INVARIANT: parsing a prefix and extending it by the rest gives what parsing the whole gives.
 * A record says nothing about whether the message exists: the directory listing does.
 */
import { BaseIndex } from "./base-index.js";
import { parseUid, type Uid } from "./ids.js";
import { parseUidlistHeader, type UidlistHeader } from "./uidlist-header.js";
import { emptyColumns, type RecordColumns, scanRecords } from "./uidlist-records.js";

export type UidlistParse =
  | { readonly kind: "ok"; readonly uidlist: Uidlist }
  | UidlistDamage
  | { readonly kind: "unsupported"; readonly version: number };

export interface UidlistDamage {
  readonly kind: "damaged";
  /** From 1. */
  readonly line: number;
  /** One clause: what is wrong with that line. */
  readonly why: string;
}

export type UidlistExtension = { readonly kind: "ok"; readonly firstNewIndex: number } | UidlistDamage;

/** About five million messages: what one owner can have read costs memory and time of all. Offsets must stay below 2^32. */
export const UIDLIST_BYTES_MAX = 256 * 1024 * 1024;

const HEADER_BYTES_MAX = 4096;
const LF = 0x0a;
/** A generous guess of records per byte, so that the columns rarely have to grow. */
const RECORD_BYTES_TYPICAL = 40;
/** What a record costs in memory besides its line. */
const RECORD_COLUMN_BYTES = 45;

/**
 * Reads a whole file: the first `length` of `bytes`; what follows is room to grow into. Keeps `bytes` and does not copy them:
 * the caller must not change them afterwards.
 */
export function parseUidlist(bytes: Uint8Array, length = bytes.length): UidlistParse {
  const whole = asBuffer(bytes);
  const buffer = whole.subarray(0, length);
  if (buffer.length > UIDLIST_BYTES_MAX) return damage(1, `the file is larger than ${UIDLIST_BYTES_MAX} bytes`);
  const headerEnd = buffer.indexOf(LF) + 1;
  if (headerEnd === 0) return damage(1, buffer.length === 0 ? "the file is empty" : "the header has no line end");
  if (headerEnd > HEADER_BYTES_MAX) return damage(1, `the header is longer than ${HEADER_BYTES_MAX} bytes`);
  const parse = parseUidlistHeader(buffer.toString("latin1", 0, headerEnd - 1).replace(/\r$/, ""));
  if (parse.kind === "damaged") return damage(1, parse.why);
  if (parse.kind === "unsupported") return parse;
  const uidlist = new Uidlist(parse.header, buffer.subarray(0, headerEnd));
  const extension = uidlist.extendInPlace(whole, length);
  return extension.kind === "damaged" ? extension : { kind: "ok", uidlist };
}

/** Bytes to be allocated for a uidlist that has so many and will get more. Pages that are not written to cost nothing. */
export function withRoom(bytes: number): number {
  return bytes + (bytes >>> 3) + 4096;
}

function damage(line: number, why: string): UidlistDamage {
  return { kind: "damaged", line, why };
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class Uidlist {
  readonly header: UidlistHeader;
  /** Where the first record begins. */
  readonly headerBytes: number;
  /** May be longer than `#end`: room to grow into, or the unfinished line. */
  #bytes: Buffer;
  #end: number;
  #ignored = 0;
  readonly #columns: RecordColumns = emptyColumns(0);
  #index: BaseIndex | undefined;
  /** Over `#bytes`; making one costs more than a lookup, so it is kept. */
  #view: DataView;

  /** Only for `parseUidlist`. `bytes` is the header line. */
  constructor(header: UidlistHeader, bytes: Buffer) {
    this.header = header;
    this.headerBytes = bytes.length;
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#end = bytes.length;
  }

  get count(): number {
    return this.#columns.count;
  }

  /** 0 without records. */
  get lastUid(): number {
    return this.#columns.count === 0 ? 0 : (this.#columns.uids[this.#columns.count - 1] as number);
  }

  /** The UID that Dovecot would give next. N alone is stale: an append does not touch it. */
  get nextUid(): number {
    return Math.max(this.header.nextUid, this.lastUid + 1);
  }

  /** Bytes of whole lines. */
  get byteLength(): number {
    return this.#end;
  }

  /** Bytes of an unfinished last line that were left out. */
  get ignoredBytes(): number {
    return this.#ignored;
  }

  /** What it costs in memory: the file's bytes, an unfinished line among them, columns and hash slots. */
  get heldBytes(): number {
    return this.#end + this.#ignored + this.#columns.count * RECORD_COLUMN_BYTES;
  }

  /** If false, nothing may be appended: it would be glued to the unfinished line. Rewrite instead. */
  get endsWithNewline(): boolean {
    return this.#ignored === 0;
  }

  uidAt(index: number): Uid {
    return parseUid(this.#columns.uids[this.#checked(index)] as number);
  }

  /** The base name as bytes-in-a-string, without any ":2,S" that a foreign writer put after it. */
  baseAt(index: number): string {
    const start = this.#columns.baseStarts[this.#checked(index)] as number;
    return this.#bytes.toString("latin1", start, start + (this.#columns.baseLengths[index] as number));
  }

  /** The record's keys as they stand ("S309 W323 Gxxx"), or "". */
  fieldsAt(index: number): string {
    const lineStart = this.#columns.lineStarts[this.#checked(index)] as number;
    if (this.header.version === 1) return "";
    const beforeColon = this.#bytes.toString("latin1", lineStart, (this.#columns.baseStarts[index] as number) - 1);
    return beforeColon.replace(/^\d+ +/, "").trimEnd();
  }

  /**
   * Whether a later record has the same base name (Dovecot moved an expunged message back in). Only the last one
   * counts: the message's UID is that one's.
   */
  isShadowed(index: number): boolean {
    return this.#baseIndex().shadowed > 0 && this.indexOfBase(this.baseAt(index)) !== index;
  }

  /** -1 when no record has that UID. */
  indexOfUid(uid: number): number {
    const index = this.firstIndexFrom(uid);
    return index < this.count && this.#columns.uids[index] === uid ? index : -1;
  }

  /** The first record with that UID or a greater one; `count` when there is none. */
  firstIndexFrom(uid: number): number {
    const { uids, count } = this.#columns;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((uids[middle] as number) < uid) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The last record with that base name, or -1. The first call builds the index (some 0.2 s a million). */
  indexOfBase(base: string): number {
    return this.indexOfName(base, base.length);
  }

  /** The same of the first `length` characters of a file name, which is not cut for it. */
  indexOfName(name: string, length: number): number {
    return this.#baseIndex().findName(name, length, this.#view, this.#columns);
  }

  /** The lines of records [from, to) as they stand. A view: valid until the next `extend`. */
  rawRecords(from: number, to: number): Uint8Array {
    return this.#bytes.subarray(this.#lineStart(from), this.#lineStart(to));
  }

  /** The last `length` bytes of whole lines, as they stand. A view, as above. */
  rawTail(length: number): Uint8Array {
    return this.#bytes.subarray(Math.max(0, this.#end - length), this.#end);
  }

  /** All whole lines, as they stand. A view, as above. */
  rawWhole(): Uint8Array {
    return this.#bytes.subarray(0, this.#end);
  }

  /**
   * Reads on: `more` is what follows `byteLength` in the file (an unfinished line that was left out comes again).
   * If a line is broken the uidlist stays as it was.
   */
  extend(more: Uint8Array): UidlistExtension {
    const needed = this.#end + more.length;
    if (needed > UIDLIST_BYTES_MAX) return damage(this.count + 2, `the file is larger than ${UIDLIST_BYTES_MAX} bytes`);
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(UIDLIST_BYTES_MAX, withRoom(needed)));
      larger.set(this.#bytes.subarray(0, this.#end));
      this.#use(larger);
    }
    this.#bytes.set(more, this.#end);
    return this.#scan(this.#bytes.subarray(0, needed));
  }

  /** As `extend`, for bytes whose first `length` begin with what was read so far. Only for `parseUidlist`. */
  extendInPlace(whole: Buffer, length: number): UidlistExtension {
    this.#use(whole);
    return this.#scan(whole.subarray(0, length));
  }

  #scan(filled: Buffer): UidlistExtension {
    const firstNewIndex = this.#columns.count;
    const from = this.#end;
    const to = Math.max(from, filled.lastIndexOf(LF) + 1);
    if (firstNewIndex === 0) this.#reserve(to - from);
    const { version, nextUid: headerNextUid } = this.header;
    const why = scanRecords(filled, { from, to, version, headerNextUid }, this.#columns);
    if (why !== undefined) {
      const line = this.#columns.count + 2;
      this.#columns.count = firstNewIndex;
      return damage(line, why);
    }
    this.#end = to;
    this.#ignored = filled.length - to;
    this.#index?.addFrom(this.#view, this.#columns, firstNewIndex);
    return { kind: "ok", firstNewIndex };
  }

  #use(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }

  #reserve(bytes: number): void {
    const { uids, lineStarts, baseStarts, baseLengths } = emptyColumns(Math.ceil(bytes / RECORD_BYTES_TYPICAL));
    Object.assign(this.#columns, { uids, lineStarts, baseStarts, baseLengths });
  }

  #baseIndex(): BaseIndex {
    if (this.#index === undefined) {
      this.#index = new BaseIndex(this.#columns.count);
      this.#index.addFrom(this.#view, this.#columns, 0);
    }
    return this.#index;
  }

  #lineStart(index: number): number {
    return index >= this.#columns.count ? this.#end : (this.#columns.lineStarts[index] as number);
  }

  #checked(index: number): number {
    if (index < 0 || index >= this.#columns.count) throw new RangeError(`no record ${index} of ${this.count}`);
    return index;
  }
}
