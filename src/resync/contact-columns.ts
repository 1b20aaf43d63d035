/**
 * Messages of one mailbox in columns, for a first contact: as objects half a million of them would be most of a process's memory.
 */
import { ByteReader, ByteWriter } from "../log/byte-codec.js";
import { BaseIndex } from "../maildir/base-index.js";
import type { RecordColumns } from "../maildir/uidlist-records.js";

export interface ContactMessage {
  readonly base: string;
  /** 0: it has none. */
  readonly uid: number;
  readonly size: number;
}

const NAME_BYTES_TYPICAL = 48;
const COUNT_MIN = 64;

/**
 * The source's messages of one mailbox, found by base name: some 80 bytes each. Of two with one base name the later one counts.
 * INVARIANT: what is the same is decided by the bytes of the name, never by a hash alone: its owner chooses it.
 */
export class SourceMessages {
  #names: Buffer;
  #view: DataView;
  #namesEnd = 0;
  readonly #columns: Pick<RecordColumns, "uids" | "baseStarts" | "baseLengths" | "lineStarts" | "count">;
  #sizes: Float64Array;
  /** Which marks, by their number; 0 = they are not told. */
  #marks: Uint32Array;
  readonly #numberOfMarks = new Map<string, number>([["", 0]]);
  readonly #index: BaseIndex;
  #indexed = 0;

  /** `expected`: about so many will come. What is not used of it costs no memory. */
  constructor(expected = 0) {
    const capacity = Math.max(COUNT_MIN, expected);
    this.#names = Buffer.allocUnsafeSlow(capacity * NAME_BYTES_TYPICAL);
    this.#view = viewOf(this.#names);
    this.#columns = {
      count: 0,
      uids: new Uint32Array(capacity),
      baseStarts: new Uint32Array(capacity),
      baseLengths: new Uint16Array(capacity),
      lineStarts: new Uint32Array(0), // no lines: these are no records of a file.
    };
    this.#sizes = new Float64Array(capacity);
    this.#marks = new Uint32Array(capacity);
    this.#index = new BaseIndex(capacity);
  }

  get count(): number {
    return this.#columns.count;
  }

  /** `marks`: `visibleMarks`, or "" where they are not known. */
  add({ base, uid, size }: ContactMessage, marks: string): void {
    this.#reserve(base.length);
    const columns = this.#columns;
    const at = columns.count++;
    columns.uids[at] = uid;
    columns.baseStarts[at] = this.#namesEnd;
    columns.baseLengths[at] = base.length;
    this.#namesEnd += this.#names.write(base, this.#namesEnd, "latin1");
    this.#sizes[at] = size;
    const number = this.#numberOfMarks.get(marks) ?? this.#numberOfMarks.size;
    this.#numberOfMarks.set(marks, number);
    this.#marks[at] = number;
  }

  /** Where it is, or -1. */
  find(base: string): number {
    this.#indexAll();
    return this.#index.findName(base, base.length, this.#view, this.#columns);
  }

  /** Another one with that base name came later. */
  isShadowed(at: number): boolean {
    this.#indexAll();
    return this.#index.shadowed > 0 && this.find(this.#baseAt(at)) !== at;
  }

  uidAt(at: number): number {
    return this.#columns.uids[at] as number;
  }

  sizeAt(at: number): number {
    return this.#sizes[at] as number;
  }

  /** Whether that message has other marks, where both are known. */
  isMarkedOtherwise(at: number, marks: string): boolean {
    const number = this.#marks[at];
    return marks !== "" && number !== 0 && this.#numberOfMarks.get(marks) !== number;
  }

  #baseAt(at: number): string {
    const start = this.#columns.baseStarts[at] as number;
    return this.#names.toString("latin1", start, start + (this.#columns.baseLengths[at] as number));
  }

  #indexAll(): void {
    if (this.#indexed === this.count) return;
    this.#index.addFrom(this.#view, this.#columns, this.#indexed);
    this.#indexed = this.count;
  }

  #reserve(nameBytes: number): void {
    if (this.#namesEnd + nameBytes > this.#names.length) {
      const larger = Buffer.allocUnsafeSlow(this.#names.length + Math.max(nameBytes, this.#names.length >>> 1));
      this.#names.copy(larger, 0, 0, this.#namesEnd);
      this.#names = larger;
      this.#view = viewOf(larger);
    }
    const columns = this.#columns;
    if (columns.count < columns.uids.length) return;
    const capacity = columns.count + (columns.count >>> 1);
    columns.uids = grown(columns.uids, new Uint32Array(capacity));
    columns.baseStarts = grown(columns.baseStarts, new Uint32Array(capacity));
    columns.baseLengths = grown(columns.baseLengths, new Uint16Array(capacity));
    this.#sizes = grown(this.#sizes, new Float64Array(capacity));
    this.#marks = grown(this.#marks, new Uint32Array(capacity));
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

const BLOCK_MESSAGES = 1024;

/** Messages that something is to be done about, in the order in which they came: some 50 bytes each. */
export class MessageList implements Iterable<ContactMessage> {
  readonly #blocks: Uint8Array[] = [];
  #open: ByteWriter | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push({ base, uid, size }: ContactMessage): void {
    this.#open ??= new ByteWriter();
    this.#open.text(base);
    this.#open.varint(uid);
    this.#open.varint(size);
    this.#length += 1;
    if (this.#length % BLOCK_MESSAGES === 0) this.#close();
  }

  *[Symbol.iterator](): Generator<ContactMessage> {
    this.#close();
    for (const block of this.#blocks) {
      const reader = new ByteReader(block);
      while (!reader.atEnd) {
        yield { base: reader.text(), uid: reader.varint(), size: reader.varint() };
      }
    }
  }

  #close(): void {
    if (this.#open !== undefined) this.#blocks.push(this.#open.finish());
    this.#open = undefined;
  }
}
