/**
 * Reads what a comparison by sums believes: of each chosen message the size, the date and the bytes, on both sides.
 *
 * INVARIANT: a message is in a chunk of 128 UIDs, and chunks are chosen as a whole: who reads one of thirty each night has read all after
 * thirty nights, whatever comes and goes meanwhile.
 */
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import { chunkOf } from "../txn/chunks.js";
import { isChunk, partsOf, spanBelow, spanOfChunk } from "../wire/spans.js";
import { MARKS_MAX, type MessageMark, type RangeSum, SPANS_MAX, type Span, STATES_MAX } from "../wire/sums.js";
import { checkedMarks, describeMessages, GROWTH_MAX, type MessageRoom, type Sides } from "./compare-messages.js";
import type { Finding, MailboxDifference, Pair } from "./differences.js";
import { comparedConfused } from "./errors.js";
import type { SummedSide } from "./sums-types.js";

export interface BodiesOptions {
  /** Which chunks of a mailbox are read. */
  readonly isChosen: (mailbox: MailboxGuid, chunk: number) => boolean;
  /** What may still be told one by one. */
  readonly room: MessageRoom;
  /** So many messages of the mailboxes were looked at since the last call, read or passed over. */
  readonly onLooked: (messages: number) => void;
}

export interface ReadMailbox {
  readonly difference: MailboxDifference | undefined;
  /** Messages whose bytes were compared. */
  readonly read: number;
}

/** One mailbox. Its UIDVALIDITY is the same on both sides. Throws as `compareMessages`. */
export async function compareBodies(
  sides: Sides,
  pair: Pair,
  options: BodiesOptions,
  signal: AbortSignal,
): Promise<ReadMailbox> {
  const { guid, path } = pair.a;
  const findings: Finding[] = [];
  let [read, further] = [0, 0];
  for await (const { span, count } of occupied(sides.a, pair.a, signal)) {
    const chosen = chunksOf(span).filter((each) => options.isChosen(guid, chunkOf(each.from)));
    for (let at = 0; at < chosen.length; at += SPANS_MAX) {
      const found = await compareSpans(sides, pair, chosen.slice(at, at + SPANS_MAX), signal);
      const told = found.findings.slice(0, options.room.messages);
      options.room.messages -= told.length;
      findings.push(...told);
      further += found.findings.length - told.length;
      read += found.read;
    }
    options.onLooked(count);
  }
  return { difference: findings.length === 0 && further === 0 ? undefined : { guid, path, findings, further }, read };
}

/** Once more the messages of which a difference tells: what of it is still so. */
export async function compareAgain(
  sides: Sides,
  pair: Pair,
  before: MailboxDifference,
  signal: AbortSignal,
): Promise<MailboxDifference | undefined> {
  const uids = before.findings.flatMap((it) => ("uid" in it ? [it.uid] : []));
  const chunks = [...new Set(uids.map(chunkOf))].sort((one, other) => one - other).map((chunk) => spanOfChunk(chunk));
  const findings: Finding[] = [];
  for (let at = 0; at < chunks.length; at += SPANS_MAX) {
    findings.push(...(await compareSpans(sides, pair, chunks.slice(at, at + SPANS_MAX), signal)).findings);
  }
  return findings.length === 0 ? undefined : { ...before, findings };
}

async function compareSpans(sides: Sides, pair: Pair, spans: readonly Span[], signal: AbortSignal) {
  const marks = (side: SummedSide, path: Pair["a"]["path"]) => side.marks({ path, spans }, signal);
  const [a, b] = await Promise.all([marks(sides.a, pair.a.path), marks(sides.b, pair.b.path)]);
  const { same, differing } = sortOut(checkedMarks(a, spans), checkedMarks(b, spans));
  const findings = await describeMessages(sides, pair, differing, signal);
  for (let at = 0; at < same.length; at += STATES_MAX) {
    const uids = same.slice(at, at + STATES_MAX);
    const hashes = (side: SummedSide, path: Pair["a"]["path"]) => side.hashes({ path, uids }, signal);
    const [ofA, ofB] = await Promise.all([hashes(sides.a, pair.a.path), hashes(sides.b, pair.b.path)]);
    for (const [index, uid] of uids.entries()) {
      if (ofA[index] !== ofB[index] || ofA[index] === undefined)
        findings.push({ kind: "body", uid, a: ofA[index], b: ofB[index] });
    }
  }
  return { findings, read: same.length };
}

function sortOut(a: readonly MessageMark[], b: readonly MessageMark[]) {
  const onlyInA = new Map(a.map(({ uid, mark }) => [uid, mark]));
  const [same, differing]: [Uid[], Uid[]] = [[], []];
  for (const { uid, mark } of b) {
    (onlyInA.get(uid) === mark ? same : differing).push(uid);
    onlyInA.delete(uid);
  }
  differing.push(...onlyInA.keys());
  return { same, differing: differing.sort((one, other) => one - other) };
}

/** Levels of spans, at the most, until one is a chunk. */
const LEVELS_MAX = 7;

/** Spans that have messages, each not more than a page of marks; ascending. Throws: compared-confused. */
async function* occupied(
  side: SummedSide,
  { path, uidNext, messages }: Pair["a"],
  signal: AbortSignal,
): AsyncGenerator<{ readonly span: Span; readonly count: number }> {
  const left: Span[] = [spanBelow(uidNext)];
  let claims = LEVELS_MAX * (2 * messages + GROWTH_MAX);
  for (let span = left.pop(); span !== undefined; span = left.pop()) {
    const parts = partsOf(span);
    const sums: readonly RangeSum[] = await side.ranges({ path, spans: [span] }, signal);
    const further: Span[] = [];
    for (const [index, part] of parts.entries()) {
      const count = sums[index]?.count ?? 0;
      claims -= count;
      if (claims < 0) throw comparedConfused("it claims more messages than the mailbox has");
      if (count === 0) continue;
      if ((count <= MARKS_MAX && part.below - part.from <= MARKS_MAX) || isChunk(part)) yield { span: part, count };
      else further.push(part);
    }
    left.push(...further.reverse());
  }
}

function chunksOf({ from, below }: Span): Span[] {
  const chunks: Span[] = [];
  for (let chunk = chunkOf(from); chunk < chunkOf(below); chunk++) chunks.push(spanOfChunk(chunk));
  return chunks;
}
