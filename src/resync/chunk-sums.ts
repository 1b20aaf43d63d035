/**
 * The messages of one mailbox, summed up in chunks of 128 UIDs: how many there are, their digest, and what tells that a later listing
 * shows the same. Packed, forty bytes a chunk, as it is kept between two runs.
 *
 * INVARIANT: chunks ascend and none is empty.
 */

import { CHUNK_UIDS } from "../txn/chunks.js";
import { addDigest, DIGEST_BYTES, type Digest, emptyDigest } from "../txn/digest.js";
import type { RangeSum } from "../wire/sums.js";

/** One chunk: its messages have UIDs from `chunk` * 128 on. */
export interface ChunkSum {
  readonly chunk: number;
  readonly count: number;
  /** Of UIDs and file names (log/look.ts). */
  readonly lookA: number;
  readonly lookB: number;
  /** Of the chunk's lines of dovecot-uidlist. */
  readonly lines: bigint;
  /** Of the message states. */
  readonly digest: Digest;
}

const LINES_AT = 16;
const DIGEST_AT = LINES_AT + 8;
const CHUNK_BYTES = DIGEST_AT + DIGEST_BYTES;

export class ChunkSums {
  readonly #bytes: Buffer;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Ascending. */
  static of(sums: readonly ChunkSum[]): ChunkSums {
    const bytes = Buffer.allocUnsafe(sums.length * CHUNK_BYTES);
    for (const [index, { chunk, count, lookA, lookB, lines, digest }] of sums.entries()) {
      const at = index * CHUNK_BYTES;
      for (const [field, value] of [chunk, count, lookA, lookB].entries()) bytes.writeUInt32LE(value, at + field * 4);
      bytes.writeBigUInt64LE(lines, at + LINES_AT);
      bytes.set(digest, at + DIGEST_AT);
    }
    return new ChunkSums(bytes);
  }

  /** Undefined for bytes that are no sums. */
  static parse(bytes: Uint8Array): ChunkSums | undefined {
    if (bytes.length % CHUNK_BYTES !== 0) return undefined;
    const sums = new ChunkSums(Buffer.from(bytes));
    let last = -1;
    for (let index = 0; index < sums.length; index++) {
      const [chunk, count] = [sums.#field(index, 0), sums.#field(index, 1)];
      if (chunk <= last || count === 0 || count > CHUNK_UIDS) return undefined;
      last = chunk;
    }
    return sums;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get length(): number {
    return this.#bytes.length / CHUNK_BYTES;
  }

  at(index: number): ChunkSum {
    const at = index * CHUNK_BYTES;
    return {
      chunk: this.#field(index, 0),
      count: this.#field(index, 1),
      lookA: this.#field(index, 2),
      lookB: this.#field(index, 3),
      lines: this.#bytes.readBigUInt64LE(at + LINES_AT),
      digest: this.#bytes.subarray(at + DIGEST_AT, at + CHUNK_BYTES),
    };
  }

  find(chunk: number): ChunkSum | undefined {
    const index = this.#firstFrom(chunk);
    return index < this.length && this.#field(index, 0) === chunk ? this.at(index) : undefined;
  }

  /** Of the chunks in [from, below). */
  sum(from: number, below: number): RangeSum {
    let count = 0;
    let digest = emptyDigest();
    for (let index = this.#firstFrom(from); index < this.length && this.#field(index, 0) < below; index++) {
      const at = index * CHUNK_BYTES + DIGEST_AT;
      count += this.#field(index, 1);
      digest = addDigest(digest, this.#bytes.subarray(at, at + DIGEST_BYTES));
    }
    return { count, digest };
  }

  #firstFrom(chunk: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#field(middle, 0) < chunk) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #field(index: number, field: 0 | 1 | 2 | 3): number {
    return this.#bytes.readUInt32LE(index * CHUNK_BYTES + field * 4);
  }
}
