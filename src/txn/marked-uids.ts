/**
 * The messages of one mailbox as a comparison narrows down with them: of each its UID and a mark, which are six bytes of its digest.
 * Marks add up, so that both sides sum up whatever span of UIDs is asked about, without looking at a message again.
 *
 * A mark is `a + seed * b` modulo 2^48, of the two halves of the digest. Two spans that differ have equal sums once in 2^48; the seed,
 * another one in each comparison, makes that another chance each time, so that no difference stays unseen. What tells that there is
 * one are the 16 bytes of `digest`, which no seed changes.
 *
 * Memory: 13 bytes a message, twice that at the most.
 */

import { firstAbove } from "../base/ascending.js";
import { assert } from "../base/assert.js";
import { type Digest, type DigestHalves, digestOfHalves } from "./digest.js";

export const MARK_BYTES = 6;
const MARK_BITS = 48;
const MARK_LIMIT = 2 ** MARK_BITS;
const SEED_LIMIT = 2 ** 32;
const ROOM_MIN = 256;

/** Of a message, and of any sum of their digests. */
export function markOf({ a, b }: DigestHalves, seed: number): number {
  return Number(BigInt.asUintN(MARK_BITS, a + BigInt(seed) * b));
}

export function addMarks(one: number, other: number): number {
  const sum = one + other;
  return sum >= MARK_LIMIT ? sum - MARK_LIMIT : sum;
}

export class MarkedUids {
  readonly #seed: number;
  #uids: Uint32Array;
  #marks: Float64Array;
  /** 1: whatever its mark, it is not what the other side has. */
  #isOff: Uint8Array;
  #count = 0;
  #offs = 0;
  #a = 0n;
  #b = 0n;

  /** `room`: for so many messages at first. */
  constructor(seed: number, room = ROOM_MIN) {
    assert(Number.isInteger(seed) && seed >= 0 && seed < SEED_LIMIT, "a seed has 32 bits");
    this.#seed = seed;
    [this.#uids, this.#marks, this.#isOff] = [new Uint32Array(room), new Float64Array(room), new Uint8Array(room)];
  }

  get count(): number {
    return this.#count;
  }

  /** How many of them are off. */
  get offs(): number {
    return this.#offs;
  }

  /** Of all that were added. */
  get digest(): Digest {
    return digestOfHalves(this.#a, this.#b);
  }

  /** Above all that were added before. `isOff`: no sum over it is right. */
  add(uid: number, halves: DigestHalves, isOff = false): void {
    const at = this.#count;
    assert(at === 0 || uid > (this.#uids[at - 1] as number), "messages are marked in the order of their UIDs");
    if (at === this.#uids.length) this.#grow();
    this.#uids[at] = uid;
    this.#marks[at] = markOf(halves, this.#seed);
    this.#isOff[at] = isOff ? 1 : 0;
    if (isOff) this.#offs += 1;
    this.#a += halves.a;
    this.#b += halves.b;
    this.#count += 1;
  }

  /** How many have a UID from `from` on, below `below`. */
  countIn(from: number, below: number): number {
    return this.#above(below - 1) - this.#above(from - 1);
  }

  /** Of their marks, modulo 2^48; undefined where one is off. */
  sumIn(from: number, below: number): number | undefined {
    let sum = 0;
    for (let at = this.#above(from - 1); at < this.#count && (this.#uids[at] as number) < below; at++) {
      if (this.#isOff[at] === 1) return undefined;
      sum = addMarks(sum, this.#marks[at] as number);
    }
    return sum;
  }

  #above(uid: number): number {
    return firstAbove(this.#uids.subarray(0, this.#count), uid);
  }

  #grow(): void {
    const room = Math.max(1, 2 * this.#uids.length);
    const [uids, marks, isOff] = [new Uint32Array(room), new Float64Array(room), new Uint8Array(room)];
    uids.set(this.#uids);
    marks.set(this.#marks);
    isOff.set(this.#isOff);
    [this.#uids, this.#marks, this.#isOff] = [uids, marks, isOff];
  }
}
