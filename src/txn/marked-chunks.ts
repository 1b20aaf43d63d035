/**
 * The marks of one mailbox, chunk by chunk. Of a chunk whose digest was kept nobody has to look at a message: its sum follows from the
 * digest, as marks add up. Only who asks about a part of such a chunk has its messages read, once.
 *
 * Memory: some 100 bytes a chunk, some 700 more of one that was read, and 13 for each message of that.
 */
import { firstAbove } from "../base/ascending.js";
import { assert } from "../base/assert.js";
import { CHUNK_UIDS, chunkOf } from "./chunks.js";
import { type Digest, type DigestHalves, digestOfHalves, halvesOfDigest } from "./digest.js";
import { addMarks, MarkedUids, markOf } from "./marked-uids.js";

/** What a comparison asks of marks. */
export type Marks = Pick<MarkedUids, "count" | "offs" | "digest" | "countIn" | "sumIn">;

/** All messages of a chunk with the digest of each, ascending by UID. */
export type ReadChunk = (chunk: number) => Iterable<{ readonly uid: number; readonly halves: DigestHalves }>;

interface MarkedChunk {
  readonly count: number;
  readonly offs: number;
  /** Of all of it, modulo 2^48. Not to be used where some are off. */
  readonly sum: number;
  /** Undefined: its messages have not been read. */
  marked: MarkedUids | undefined;
}

export class MarkedChunks implements Marks {
  readonly #seed: number;
  readonly #read: ReadChunk;
  /** Ascending. */
  readonly #numbers: number[] = [];
  readonly #chunks: MarkedChunk[] = [];
  #count = 0;
  #offs = 0;
  #a = 0n;
  #b = 0n;

  constructor(seed: number, read: ReadChunk) {
    this.#seed = seed;
    this.#read = read;
  }

  get count(): number {
    return this.#count;
  }

  get offs(): number {
    return this.#offs;
  }

  get digest(): Digest {
    return digestOfHalves(this.#a, this.#b);
  }

  /** One above all that were added before, of which the digest is known. */
  addKnown(chunk: number, count: number, digest: Digest): void {
    const halves = halvesOfDigest(digest);
    this.#add(chunk, { count, offs: 0, sum: markOf(halves, this.#seed), marked: undefined }, halves);
  }

  /** One above all that were added before, message by message. */
  addRead(
    chunk: number,
    messages: readonly { readonly uid: number; readonly halves: DigestHalves; readonly isOff: boolean }[],
  ): void {
    const marked = new MarkedUids(this.#seed, messages.length);
    for (const { uid, halves, isOff } of messages) {
      assert(chunkOf(uid) === chunk, "a message is marked in its chunk");
      marked.add(uid, halves, isOff);
    }
    const halves = halvesOfDigest(marked.digest);
    const { count, offs } = marked;
    this.#add(chunk, { count, offs, sum: markOf(halves, this.#seed), marked }, halves);
  }

  /** As `MarkedUids.countIn`. */
  countIn(from: number, below: number): number {
    let count = 0;
    for (let at = this.#firstIn(from); at < this.#chunks.length && this.#startOf(at) < below; at++) {
      const chunk = this.#chunks[at] as MarkedChunk;
      count += this.#isWithin(at, from, below) ? chunk.count : this.#markedOf(at).countIn(from, below);
    }
    return count;
  }

  /** As `MarkedUids.sumIn`. */
  sumIn(from: number, below: number): number | undefined {
    let sum = 0;
    for (let at = this.#firstIn(from); at < this.#chunks.length && this.#startOf(at) < below; at++) {
      const chunk = this.#chunks[at] as MarkedChunk;
      const isWhole = this.#isWithin(at, from, below);
      if (isWhole && chunk.offs > 0) return undefined;
      const part = isWhole ? chunk.sum : this.#markedOf(at).sumIn(from, below);
      if (part === undefined) return undefined;
      sum = addMarks(sum, part);
    }
    return sum;
  }

  #add(chunk: number, marked: MarkedChunk, { a, b }: DigestHalves): void {
    assert(chunk > (this.#numbers.at(-1) ?? -1), "chunks are marked in their order");
    this.#numbers.push(chunk);
    this.#chunks.push(marked);
    this.#count += marked.count;
    this.#offs += marked.offs;
    this.#a += a;
    this.#b += b;
  }

  #markedOf(at: number): MarkedUids {
    const chunk = this.#chunks[at] as MarkedChunk;
    if (chunk.marked === undefined) {
      const marked = new MarkedUids(this.#seed, chunk.count);
      for (const { uid, halves } of this.#read(this.#numbers[at] as number)) marked.add(uid, halves);
      chunk.marked = marked;
    }
    return chunk.marked;
  }

  /** The first chunk that may have UIDs from `from` on. */
  #firstIn(from: number): number {
    return firstAbove(this.#numbers, chunkOf(from) - 1);
  }

  #startOf(at: number): number {
    return (this.#numbers[at] as number) * CHUNK_UIDS;
  }

  #isWithin(at: number, from: number, below: number): boolean {
    const start = this.#startOf(at);
    return from <= Math.max(start, 1) && start + CHUNK_UIDS <= below;
  }
}
