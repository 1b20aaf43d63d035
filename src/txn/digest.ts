/**
 * Order-free digests of message states: 128 bits per message, added up, so that the digest of a set can be kept up to
 * date by adding and subtracting, and two sites compare a hundred messages in sixteen bytes.
 *
 * Two XXH64 with different seeds over one serialisation; each half is a sum modulo 2^64. They find accidents, not
 * attacks. What a record of dovecot-uidlist caches (S, W) differs between hosts and does not count; all else of it does: its GUID (G),
 * and what POP3 clients see of it (P, O) (`sumOf`). `halvesWithFields` tell also whether G is given where it is the file name, as a
 * comparison does that brings it to the replica.
 *
 * INVARIANT: the sum over a set does not depend on the order, and `subtractDigest` undoes `addDigest`.
 */
import { assert } from "../base/assert.js";
import type { FastHash } from "../base/hash.js";
import { messageGuid } from "./diff.js";
import { lastingFields, type MessageState } from "./message-state.js";

/** Sixteen bytes: two unsigned 64-bit sums, each little-endian. */
export type Digest = Uint8Array;

export const DIGEST_BYTES = 16;

/** A digest as two numbers of 64 bits, before they are added up. */
export interface DigestHalves {
  readonly a: bigint;
  readonly b: bigint;
}

const SEED_A = 0x6d61_696c_7477_696en; // "mailtwin"
const SEED_B = 0x6469_6765_7374_2d62n; // "digest-b"
const SCRATCH_BYTES = 32 * 1024;

export function emptyDigest(): Digest {
  return new Uint8Array(DIGEST_BYTES);
}

/** Of the union of two disjoint sets. */
export function addDigest(a: Digest, b: Digest): Digest {
  return combine(a, b, (x, y) => x + y);
}

/** Of `a` without its subset `b`. */
export function subtractDigest(a: Digest, b: Digest): Digest {
  return combine(a, b, (x, y) => x - y);
}

export function sameDigest(a: Digest, b: Digest): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Computes digests; keeps a scratch buffer, so one per thread and not re-entrant. */
export class StateDigester {
  readonly #hash: Pick<FastHash, "h64">;
  readonly #scratch = Buffer.alloc(SCRATCH_BYTES);

  constructor(hash: Pick<FastHash, "h64">) {
    this.#hash = hash;
  }

  digestOf(state: MessageState): Digest {
    return this.sumOf([state]);
  }

  /** Of a set: each message once, in any order. */
  sumOf(states: Iterable<MessageState>): Digest {
    return sumOfHalves(states, (state) => this.#halvesOf(state, guidUnlessBase(state), fieldsBesideGuid(state.fields)));
  }

  /** Of a set, as `halvesWithFields`: what a comparison narrows down with. */
  sumWithFields(states: Iterable<MessageState>): Digest {
    return sumOfHalves(states, (state) => this.halvesWithFields(state));
  }

  /** Of all of a message that `planMessages` would find different (resync/): sets with equal sums of these have no change. */
  halvesWithFields(state: MessageState): DigestHalves {
    return this.#halvesOf(state, lastingFields(state.fields), "");
  }

  #halvesOf(state: MessageState, ofRecord: string, rest: string): DigestHalves {
    const bytes = this.#scratch.subarray(0, serialise(state, [ofRecord, rest], this.#scratch));
    return { a: this.#hash.h64(bytes, SEED_A), b: this.#hash.h64(bytes, SEED_B) };
  }
}

function sumOfHalves(states: Iterable<MessageState>, halvesOf: (state: MessageState) => DigestHalves): Digest {
  let a = 0n;
  let b = 0n;
  for (const state of states) {
    const halves = halvesOf(state);
    a += halves.a;
    b += halves.b;
  }
  return digestOfHalves(a, b);
}

function combine(a: Digest, b: Digest, of: (x: bigint, y: bigint) => bigint): Digest {
  const [left, right] = [viewOf(a), viewOf(b)];
  return digestOfHalves(
    of(left.getBigUint64(0, true), right.getBigUint64(0, true)),
    of(left.getBigUint64(8, true), right.getBigUint64(8, true)),
  );
}

export function halvesOfDigest(digest: Digest): DigestHalves {
  const view = viewOf(digest);
  return { a: view.getBigUint64(0, true), b: view.getBigUint64(8, true) };
}

/** Of sums modulo 2^64, however large they were let grow. */
export function digestOfHalves(a: bigint, b: bigint): Digest {
  const digest = emptyDigest();
  const view = viewOf(digest);
  view.setBigUint64(0, BigInt.asUintN(64, a), true);
  view.setBigUint64(8, BigInt.asUintN(64, b), true);
  return digest;
}

function viewOf(digest: Digest): DataView {
  assert(digest.length === DIGEST_BYTES, "a digest has sixteen bytes");
  return new DataView(digest.buffer, digest.byteOffset, DIGEST_BYTES);
}

function guidUnlessBase(state: MessageState): string {
  const guid = messageGuid(state);
  return guid === state.base ? "" : guid;
}

/** Every number has a fixed width and every text its length before it, so no two states serialise alike. */
function serialise(state: MessageState, [ofRecord, rest]: readonly [string, string], into: Buffer): number {
  let at = into.writeUInt32LE(state.uid, 0);
  at = into.writeUInt32LE(state.flags, at);
  at = into.writeDoubleLE(state.size, at);
  at = into.writeDoubleLE(state.mtimeS, at);
  at = writeText(state.base, into, at);
  at = writeText(ofRecord, into, at);
  at = writeText(state.odd, into, at);
  at = writeText(state.tail, into, at);
  at = into.writeUInt16LE(state.keywords.length, at);
  for (const name of state.keywords) at = writeText(name, into, at);
  // Few messages have any: digests of all others are as they were before these counted.
  return rest === "" ? at : writeText(rest, into, at);
}

function fieldsBesideGuid(fields: string): string {
  if (fields === "") return "";
  return lastingFields(fields)
    .replace(/(?:^| )G[^ ]+/, "")
    .trimStart();
}

function writeText(text: string, into: Buffer, at: number): number {
  assert(at + 4 + text.length <= into.length, "a message state is larger than any can be");
  const start = into.writeUInt16LE(text.length, at);
  return text === "" ? start : start + into.write(text, start, "latin1");
}
