/**
 * Finds the UIDs at which a replica's mailbox is not as the source has it: one sum of the whole, then sums of ever smaller parts of what
 * differs, until it is cheaper to have its messages told. What is sent grows with what differs, and with the logarithm of the mailbox.
 *
 * The source sends the sums, and the replica says which differ: it alone knows whether what it has was written by replication.
 *
 * INVARIANT: what lies outside of what is found is on the replica as the source has it, and was written by replication; but for a sum
 * that is equal by accident (txn/marked-uids), which the next comparison finds.
 * INVARIANT: whatever a replica answers, it ends: parts get smaller, and of what is not answered all is told.
 */
import { assert } from "../base/assert.js";
import { nextTurn } from "../base/clock.js";
import { UID_MAX } from "../maildir/ids.js";
import { CHUNK_UIDS } from "../txn/chunks.js";
import { type ComparedMailbox, type DifferingParts, PART_SUMS_MAX, type PartSums } from "../wire/messages.js";
import type { Span } from "../wire/sums.js";
import type { MailboxPages } from "./replica-pages.js";
import type { SourceStates } from "./source-states.js";

/** All UIDs. */
export const EVERYTHING: readonly Span[] = [{ from: 0, below: UID_MAX + 1 }];

/** With the sum of the whole come those of so many parts: a mailbox that differs in few messages needs no further question. */
const FIRST_PARTS_MAX = 64;
/** A part is divided into eight. With sixteen it is a quarter fewer questions, and half as many bytes more. */
const SPLIT_BITS = 3;
const SPLIT = 2 ** SPLIT_BITS;
/** Two UIDs: to tell a message costs as much as two sums. */
const LEAF_BITS = 1;
/** Messages of the source in a part that is not divided, and in all that differs if none of it is. */
const ALONE_MAX = 2;
const LISTED_MAX = 64;
/** Parts of 16 UIDs of which nearly all differ are not divided; after so many of them the others are not even asked about. */
const DENSE_BITS = 4;
const DENSE_SAMPLE_MIN = 8;
/** Parts that are divided with one question where both ends read the messages of each for it: some 50 ms of either. */
const CHUNKS_DIVIDED_MAX = 64;
/** Messages that are marked while the replica looks at its own, and in one turn of this thread: some ten milliseconds. */
const MARKED_MEANWHILE = 65_536;
const MARKED_AT_ONCE = 1024;

interface Ends {
  readonly states: SourceStates;
  readonly pages: MailboxPages;
}

export interface Begun {
  readonly replica: ComparedMailbox;
  /** What that answers; undefined: it has no sums to compare, or has them no more. */
  readonly sums: PartSums | undefined;
}

/** How the mailbox stands on the replica; where it is the source's by its UIDVALIDITY, both have looked at all of it. */
export async function beginNarrowing({ states, pages }: Ends, signal: AbortSignal): Promise<Begun> {
  let isMarked = await markMore(states, signal);
  // A replica that answers before it has looked at all would get the same sums with each question.
  let isLooked = states.count <= MARKED_MEANWHILE;
  for (;;) {
    const sums = isMarked && isLooked ? wholeOf(states) : undefined;
    const meanwhile = isMarked ? true : markMore(states, signal);
    const [replica, isNowMarked] = await Promise.all([pages.compare(sums, signal), meanwhile]);
    if (replica.differing !== undefined) return { replica, sums };
    const isOther = replica.standing?.uidValidity !== states.row?.uidValidity;
    if (isOther || replica.isBack) return { replica, sums: undefined };
    isMarked = isNowMarked;
    isLooked ||= replica.looked === UID_MAX;
  }
}

/** The spans to be told of, ascending, at least one UID between two of them. Throws: peer-confused, and the replica's own refusals. */
export async function narrowDown(ends: Ends, { replica, sums }: Begun, signal: AbortSignal): Promise<readonly Span[]> {
  const { differing } = replica;
  if (sums === undefined || differing === undefined) return EVERYTHING;
  if (differing.isEqual) return [];
  const first = differingIn(sums, differing);
  const above = sums.parts.length * 2 ** sums.bits;
  const others = differing.hasOthers && above <= UID_MAX ? [{ from: above, below: UID_MAX + 1 }] : [];
  // Only by accident: the sums of all parts are equal, and that of the whole is not.
  if (first.length + others.length === 0) return EVERYTHING;
  const level = { bits: sums.bits, parts: first, asked: filledIn(ends.states, sums) };
  const found = await new Levels(ends).narrow(level, signal);
  return merged([...found, ...others]);
}

interface Level {
  readonly bits: number;
  /** Those that differ. */
  readonly parts: readonly number[];
  /** How many were asked about in which the source has something. */
  readonly asked: number;
}

class Levels {
  readonly #ends: Ends;
  readonly #found: Span[] = [];

  constructor(ends: Ends) {
    this.#ends = ends;
  }

  async narrow(first: Level, signal: AbortSignal): Promise<readonly Span[]> {
    let level = first;
    while (level.parts.length > 0) {
      const { bits, parts } = level;
      const counts = parts.map((part) => this.#countIn(bits, part));
      const isFew = counts.reduce((sum, count) => sum + count, 0) <= LISTED_MAX;
      if (bits <= LEAF_BITS || isFew || isDense(level)) {
        for (const part of parts) this.#list(bits, part);
        break;
      }
      const toSplit = parts.filter((_, at) => (counts[at] as number) > ALONE_MAX);
      for (const [at, part] of parts.entries()) if ((counts[at] as number) <= ALONE_MAX) this.#list(bits, part);
      level = await this.#split(bits, toSplit, signal);
    }
    return this.#found;
  }

  /** Asks about the parts of these. */
  async #split(bits: number, parts: readonly number[], signal: AbortSignal): Promise<Level> {
    const { states, pages } = this.#ends;
    const below = bits - SPLIT_BITS;
    const differing: number[] = [];
    let asked = 0;
    const divides = 2 ** bits >= CHUNK_UIDS && 2 ** below < CHUNK_UIDS;
    const atOnce = divides ? CHUNKS_DIVIDED_MAX : PART_SUMS_MAX / SPLIT;
    for (let at = 0; at < parts.length; at += atOnce) {
      const batch = parts.slice(at, at + atOnce);
      const level = { bits: below, parts: differing, asked };
      const sums = asked > 0 && isDense(level) ? undefined : sumsOf(states, below, batch.flatMap(childrenOf));
      const answer = sums === undefined ? undefined : (await pages.compare(sums, signal)).differing;
      if (sums === undefined || answer === undefined) {
        for (const part of batch) this.#list(bits, part);
        continue;
      }
      asked += filledIn(states, sums);
      for (const part of differingIn(sums, answer)) differing.push(part);
    }
    return { bits: below, parts: differing, asked };
  }

  #countIn(bits: number, part: number): number {
    const { from, below } = spanOf(bits, part);
    return this.#ends.states.marked.countIn(from, below);
  }

  #list(bits: number, part: number): void {
    this.#found.push(spanOf(bits, part));
  }
}

/** Nearly all of the smaller parts differ: what would be saved by dividing them is less than what it costs. */
function isDense({ bits, parts, asked }: Level): boolean {
  return bits <= DENSE_BITS && asked >= DENSE_SAMPLE_MIN && parts.length * 64 >= asked * 63;
}

/** In how many of them the source has something. */
function filledIn({ marked }: SourceStates, { bits, parts }: PartSums): number {
  return parts.filter((part) => {
    const { from, below } = spanOf(bits, part);
    return marked.countIn(from, below) > 0;
  }).length;
}

function spanOf(bits: number, part: number): Span {
  const width = 2 ** bits;
  return { from: part * width, below: Math.min(UID_MAX + 1, (part + 1) * width) };
}

function childrenOf(part: number): number[] {
  return Array.from({ length: SPLIT }, (_, at) => part * SPLIT + at);
}

/** Of all of it, and of the largest number of parts that may come along. */
function wholeOf(states: SourceStates): PartSums {
  let bits = LEAF_BITS;
  while (Math.ceil(states.below / 2 ** bits) > FIRST_PARTS_MAX) bits += SPLIT_BITS;
  const parts = Array.from({ length: Math.ceil(states.below / 2 ** bits) }, (_, at) => at);
  return { ...sumsOf(states, bits, parts), whole: states.marked.digest };
}

function sumsOf({ marked }: SourceStates, bits: number, all: readonly number[]): PartSums {
  const parts = all.filter((part) => spanOf(bits, part).from <= UID_MAX);
  const sums = parts.map((part) => {
    const { from, below } = spanOf(bits, part);
    const sum = marked.sumIn(from, below);
    assert(sum !== undefined, "the source's messages are what it has");
    return sum;
  });
  return { bits, parts, sums };
}

function differingIn({ parts }: PartSums, { bits }: DifferingParts): number[] {
  return parts.filter((_, at) => (((bits[at >>> 3] ?? 0) >>> (at & 7)) & 1) === 1);
}

/** Ascending; what touches is one. */
function merged(spans: readonly Span[]): readonly Span[] {
  const all: { from: number; below: number }[] = [];
  for (const { from, below } of spans.toSorted((a, b) => a.from - b.from)) {
    const last = all.at(-1);
    if (last !== undefined && last.below >= from) last.below = Math.max(last.below, below);
    else all.push({ from, below });
  }
  return all;
}

/** True: all are marked. */
async function markMore(states: SourceStates, signal: AbortSignal): Promise<boolean> {
  for (let marked = 0; marked < MARKED_MEANWHILE; marked += MARKED_AT_ONCE) {
    if (states.markOn(MARKED_AT_ONCE)) return true;
    await nextTurn();
    signal.throwIfAborted();
  }
  return false;
}
