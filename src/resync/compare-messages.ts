/**
 * Finds the messages in which one mailbox differs on two sides: sums of ever smaller spans of UIDs, until a span has few messages, of which
 * the marks are compared. What is sent grows with what differs, and with the logarithm of the mailbox.
 *
 * INVARIANT: whatever a side answers, the comparison ends: spans get smaller, and what it may claim is bounded by what it has.
 */
import type { Uid } from "../maildir/ids.js";
import { sameDigest } from "../txn/digest.js";
import type { MessageState } from "../txn/message-state.js";
import { isChunk, partsOf, spanBelow } from "../wire/spans.js";
import { MARKS_MAX, type MessageMark, type RangeSum, SPANS_MAX, type Span, STATES_MAX } from "../wire/sums.js";
import type { Finding, Pair } from "./differences.js";
import { comparedConfused } from "./errors.js";
import { unlessLost } from "./lost-mailbox.js";
import type { SummedSide } from "./sums-types.js";

export interface Sides {
  readonly a: SummedSide;
  readonly b: SummedSide;
}

/** Messages of both sides together up to which a span is listed and not divided. */
const LISTED_MAX = 256;
/** Differing messages of one mailbox that are told one by one. */
const MESSAGES_TOLD_MAX = 10_000;

/** What may still be told one by one, of all mailboxes of a comparison. */
export interface MessageRoom {
  messages: number;
}
/** By so much a mailbox may grow while it is compared, before what is said of it is believed no more. */
export const GROWTH_MAX = 65_536;

export interface ComparedMessages {
  readonly findings: readonly Finding[];
  readonly further: number;
}

/** Of sides that say who they are (`namedSide`). Throws: compared-confused, what a side throws, but not compared-unknown. */
export async function compareMessages(
  sides: Sides,
  { pair, room }: { readonly pair: Pair; readonly room: MessageRoom },
  signal: AbortSignal,
): Promise<ComparedMessages> {
  if (pair.a.messages === pair.b.messages && sameDigest(pair.a.digest, pair.b.digest))
    return { findings: [], further: 0 };
  const compared = await unlessLost(new MessageComparison(sides, pair, room).compare(signal));
  return "lost" in compared ? { findings: [compared.lost], further: 0 } : compared;
}

class MessageComparison {
  readonly #sides: Sides;
  readonly #pair: Pair;
  /** What each side may still claim to have. */
  readonly #left = { a: 0, b: 0 };
  /** UIDs that differ, ascending. */
  readonly #uids: Uid[] = [];
  #further = 0;
  readonly #room: MessageRoom;

  constructor(sides: Sides, pair: Pair, room: MessageRoom) {
    this.#sides = sides;
    this.#pair = pair;
    this.#room = room;
  }

  async compare(signal: AbortSignal): Promise<ComparedMessages> {
    const { a, b } = this.#pair;
    let level: readonly Span[] = [spanBelow(Math.max(a.uidNext, b.uidNext))];
    const listed: Span[] = [];
    while (level.length > 0) {
      this.#left.a = 2 * a.messages + GROWTH_MAX;
      this.#left.b = 2 * b.messages + GROWTH_MAX;
      const next: Span[] = [];
      for (let at = 0; at < level.length; at += SPANS_MAX) {
        for (const part of await this.#differing(level.slice(at, at + SPANS_MAX), signal)) {
          if (part.count <= LISTED_MAX || isChunk(part.span)) listed.push(part.span);
          else next.push(part.span);
        }
      }
      level = next;
    }
    listed.sort((one, other) => one.from - other.from);
    for (const batch of batchesOf(listed)) await this.#list(batch, signal);
    return { findings: await describeMessages(this.#sides, this.#pair, this.#uids, signal), further: this.#further };
  }

  /** The parts of these spans that differ. `count`: of the side that has more. */
  async #differing(spans: readonly Span[], signal: AbortSignal) {
    const { a, b } = await this.#ask((side, path) => side.ranges({ path, spans }, signal));
    const parts = spans.flatMap(partsOf);
    if (a.length !== parts.length || b.length !== parts.length)
      throw comparedConfused("it does not say as much as it was asked");
    return parts.flatMap((span, index) => {
      const [one, other] = [a[index] as RangeSum, b[index] as RangeSum];
      this.#claim("a", one.count);
      this.#claim("b", other.count);
      if (one.count === other.count && sameDigest(one.digest, other.digest)) return [];
      return [{ span, count: one.count + other.count }];
    });
  }

  async #list(spans: readonly Span[], signal: AbortSignal): Promise<void> {
    const { a, b } = await this.#ask((side, path) => side.marks({ path, spans }, signal));
    const onlyInA = new Map(checkedMarks(a, spans).map(({ uid, mark }) => [uid, mark]));
    const differing: Uid[] = [];
    for (const { uid, mark } of checkedMarks(b, spans)) {
      if (onlyInA.get(uid) !== mark) differing.push(uid);
      onlyInA.delete(uid);
    }
    differing.push(...onlyInA.keys());
    for (const uid of differing.sort((one, other) => one - other)) {
      if (this.#uids.length < MESSAGES_TOLD_MAX && this.#room.messages > 0) {
        this.#room.messages -= 1;
        this.#uids.push(uid);
      } else this.#further += 1;
    }
  }

  async #ask<T>(question: (side: SummedSide, path: Pair["a"]["path"]) => Promise<T>) {
    const { a: sideA, b: sideB } = this.#sides;
    const [a, b] = await Promise.all([question(sideA, this.#pair.a.path), question(sideB, this.#pair.b.path)]);
    return { a, b };
  }

  #claim(side: "a" | "b", count: number): void {
    this.#left[side] -= count;
    if (this.#left[side] < 0) throw comparedConfused("it claims more messages than the mailbox has");
  }
}

/** Spans whose messages fit in one page, if the mailbox did not grow much meanwhile: each has at most a chunk's, or few. */
function* batchesOf(spans: readonly Span[]): Generator<readonly Span[]> {
  const perBatch = Math.min(SPANS_MAX, Math.floor(MARKS_MAX / LISTED_MAX));
  for (let at = 0; at < spans.length; at += perBatch) yield spans.slice(at, at + perBatch);
}

/** The states of messages that differ, a page at a time. Those that neither side has any more are left out. */
export async function describeMessages(
  sides: Sides,
  pair: Pair,
  differing: readonly Uid[],
  signal: AbortSignal,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (let at = 0; at < differing.length; at += STATES_MAX) {
    const uids = differing.slice(at, at + STATES_MAX);
    const states = (side: SummedSide, path: Pair["a"]["path"]) => side.states({ path, uids }, signal);
    const [ofA, ofB] = await Promise.all([states(sides.a, pair.a.path), states(sides.b, pair.b.path)]);
    const [here, there] = [byUid(ofA), byUid(ofB)];
    for (const uid of uids) {
      const [a, b] = [here.get(uid), there.get(uid)];
      if (a !== undefined || b !== undefined) findings.push({ kind: "message", uid, a, b });
    }
  }
  return findings;
}

/** Throws: compared-confused, for marks that do not ascend, or of messages that were not asked for. */
export function checkedMarks(marks: readonly MessageMark[], spans: readonly Span[]): readonly MessageMark[] {
  let last = 0;
  let at = 0;
  for (const { uid } of marks) {
    if (uid <= last) throw comparedConfused(`its messages do not ascend (UID ${uid} after ${last})`);
    last = uid;
    while (at < spans.length && uid >= (spans[at] as Span).below) at += 1;
    if (at === spans.length || uid < (spans[at] as Span).from)
      throw comparedConfused(`it was not asked for UID ${uid}`);
  }
  return marks;
}

function byUid(states: readonly MessageState[]): ReadonlyMap<Uid, MessageState> {
  return new Map(states.map((state) => [state.uid, state]));
}
