/**
 * One look at all messages of a mailbox, made in steps, and then asked about again and again: which parts of it are not as the source has
 * them, or were not all written by replication.
 *
 * INVARIANT: a file is looked at once, however often a part of its mailbox is asked about.
 * INVARIANT: what is equal was looked at; what differs may not have been.
 * Memory: as of `MarkedChunks`.
 */

import type { MailboxBaseline } from "../log/baseline.js";
import { stateOfRecord } from "../log/baseline-chunk.js";
import { UID_MAX } from "../maildir/ids.js";
import { chunkOf } from "../txn/chunks.js";
import { type StateDigester, sameDigest } from "../txn/digest.js";
import { MarkedChunks, type Marks } from "../txn/marked-chunks.js";
import { digestAsWritten } from "./as-written.js";
import type { AskedParts, FoundParts, Span } from "./compare-types.js";
import { heldIn, piecesOf, type Sources } from "./held-messages.js";

/** Where none of so many messages was written by replication, hardly any was: all is told, and nothing is looked at twice. */
const GIVEN_UP_MIN = 1024;

export class MailboxLook {
  readonly #digester: StateDigester;
  readonly #marked: MarkedChunks;
  /** Of the last look: what is read again of chunks that are as they were written. */
  #baseline: MailboxBaseline | undefined;
  #looked = 0;
  #isGivenUp = false;

  constructor(seed: number, digester: StateDigester) {
    this.#digester = digester;
    this.#marked = new MarkedChunks(seed, (chunk) => this.#written(chunk));
  }

  /** All up to this UID were looked at; UID_MAX: all. */
  get looked(): number {
    return this.#looked;
  }

  /** Looks at the next `max` messages, or somewhat more. */
  lookOn(sources: Sources, max: number): void {
    this.#baseline = sources.baseline;
    const until = this.#marked.count + max;
    for (const piece of piecesOf(sources, [{ from: this.#looked + 1, below: UID_MAX + 1 }])) {
      if (this.#marked.count >= until) return;
      const chunk = chunkOf(piece.from);
      const written = digestAsWritten(sources, chunk);
      if (written === undefined) this.#marked.addRead(chunk, this.#read(sources, piece));
      else this.#marked.addKnown(chunk, written.count, written.digest);
      this.#looked = piece.below - 1;
      const { count, offs } = this.#marked;
      this.#isGivenUp = count >= GIVEN_UP_MIN && offs === count;
      if (this.#isGivenUp) break;
    }
    this.#looked = UID_MAX;
  }

  /** Where all were looked at, or nothing is as it was written. */
  compare(asked: AskedParts): FoundParts {
    return this.#isGivenUp ? allDiffering(asked) : comparedParts(this.#marked, asked);
  }

  #read(sources: Sources, piece: Span) {
    return heldIn(sources, piece).map(({ held, ...state }) => {
      return { uid: state.uid, halves: this.#digester.halvesWithFields(state), isOff: held !== "applied" };
    });
  }

  #written(chunk: number) {
    const records = this.#baseline?.records(chunk) ?? [];
    return records.map((record) => ({
      uid: record.uid,
      halves: this.#digester.halvesWithFields(stateOfRecord(record)),
    }));
  }
}

/** Which of these parts have other marks, or some that are off. */
export function comparedParts(marked: Marks, { bits, parts, sums, whole }: AskedParts): FoundParts {
  const differing = new Uint8Array(Math.ceil(parts.length / 8));
  if (whole !== undefined && marked.offs === 0 && sameDigest(marked.digest, whole))
    return { bits: differing, hasOthers: false, isEqual: true };
  const width = 2 ** bits;
  let inParts = 0;
  for (const [at, part] of parts.entries()) {
    const [from, below] = [part * width, (part + 1) * width];
    inParts += marked.countIn(from, below);
    if (marked.sumIn(from, below) !== sums[at]) differing[at >>> 3] = (differing[at >>> 3] ?? 0) | (1 << (at & 7));
  }
  return { bits: differing, hasOthers: inParts < marked.count, isEqual: false };
}

function allDiffering({ parts }: AskedParts): FoundParts {
  const bits = new Uint8Array(Math.ceil(parts.length / 8)).fill(0xff);
  const last = parts.length & 7;
  if (last > 0) bits[bits.length - 1] = 2 ** last - 1;
  return { bits, hasOthers: true, isEqual: false };
}
