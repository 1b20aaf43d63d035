/**
 * Questions and answers of a comparison by sums <-> the messages of link.proto.
 *
 * INVARIANT: what is decoded is within the limits of sums.ts, ascends where that says so, and names nothing that could not be.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { unreachable } from "../base/assert.js";
import { parseMailboxGuid, parseUidValidity, UID_MAX } from "../maildir/ids.js";
import { CHUNK_UIDS } from "../txn/chunks.js";
import { DIGEST_BYTES, type Digest } from "../txn/digest.js";
import { stateIn, stateInit } from "./compared-codec.js";
import { wireError } from "./errors.js";
import { bytesOf, clipped, hashIn, numberIn, pathIn, textIn } from "./field-values.js";
import type {
  MailboxSum as MailboxSumPb,
  MessageMarks,
  RangeSums,
  Reply as ReplyPb,
  ReplySchema,
  Request as RequestPb,
  RequestSchema,
  Spans,
  Uids,
} from "./gen/link_pb.js";
import type { SumsAnswer, SumsAsk } from "./messages.js";
import { partsAskIn, partsAskInit, partsIn, partsInit, stepsOf, uidsOfSteps } from "./parts-codec.js";
import { PARTS_MAX } from "./spans.js";
import {
  MAILBOX_SUMS_MAX,
  MARKS_MAX,
  type MessageMark,
  type MessagesOf,
  type RangeSum,
  SPANS_MAX,
  type Span,
  type SpansOf,
  STATES_MAX,
  type SummedMailbox,
} from "./sums.js";

type AskInit = NonNullable<MessageInitShape<typeof RequestSchema>["ask"]>;
type ReplyInit = MessageInitShape<typeof ReplySchema>;

const MARK_BYTES = 8;

export function sumsAskInit(ask: SumsAsk): AskInit {
  switch (ask.kind) {
    case "sum-store":
      return { case: "sumStore", value: {} };
    case "sum-mailboxes":
      return { case: "sumMailboxes", value: ask.after === undefined ? {} : { after: bytesOf(ask.after) } };
    case "sum-ranges":
      return { case: "sumRanges", value: spansInit(ask) };
    case "mark-messages":
      return { case: "markMessages", value: spansInit(ask) };
    case "tell-messages":
      return { case: "tellMessages", value: uidsInit(ask) };
    case "hash-messages":
      return { case: "hashMessages", value: uidsInit(ask) };
    case "read-messages":
      return { case: "readMessages", value: partsAskInit(ask) };
    default:
      return unreachable(ask);
  }
}

/** Undefined for a question of another kind. Throws: wire-invalid. */
export function sumsAskIn({ ask }: RequestPb): SumsAsk | undefined {
  switch (ask.case) {
    case "sumStore":
      return { kind: "sum-store" };
    case "sumMailboxes":
      return { kind: "sum-mailboxes", after: ask.value.after === undefined ? undefined : pathIn(ask.value.after) };
    case "sumRanges":
      return { kind: "sum-ranges", ...spansIn(ask.value) };
    case "markMessages":
      return { kind: "mark-messages", ...spansIn(ask.value) };
    case "tellMessages":
      return { kind: "tell-messages", ...uidsIn(ask.value) };
    case "hashMessages":
      return { kind: "hash-messages", ...uidsIn(ask.value) };
    case "readMessages":
      return { kind: "read-messages", ...partsAskIn(ask.value) };
    default:
      return undefined;
  }
}

export function sumsAnswerInit(answer: SumsAnswer): ReplyInit {
  switch (answer.kind) {
    case "store-sum": {
      const { digest, mailboxes, messages, unread } = answer;
      return { storeSum: { digest, mailboxes, messages: BigInt(messages), unread } };
    }
    case "mailbox-sums":
      return { mailboxSums: { mailboxes: answer.mailboxes.map(mailboxInit) } };
    case "range-sums": {
      const digests = Buffer.concat(answer.ranges.map(({ digest }) => digest));
      return { rangeSums: { counts: answer.ranges.map(({ count }) => count), digests } };
    }
    case "message-marks":
      return { messageMarks: marksInit(answer.marks) };
    case "message-states":
      return { messageStates: { messages: answer.states.map((state) => ({ ...stateInit(state), held: 0 })) } };
    case "message-hashes": {
      const sha256 = answer.hashes.map((hash) => Buffer.from(hash ?? "", "hex"));
      return { messageHashes: { sha256 } };
    }
    case "message-parts":
      return { messageParts: partsInit(answer.parts) };
    default:
      return unreachable(answer);
  }
}

/** Undefined for an answer of another kind. Throws: wire-invalid. */
export function sumsAnswerIn(value: ReplyPb): SumsAnswer | undefined {
  const { storeSum, mailboxSums, rangeSums, messageMarks, messageStates, messageHashes, messageParts } = value;
  if (storeSum !== undefined) {
    const { mailboxes, unread } = storeSum;
    const [digest, messages] = [digestIn(storeSum.digest), numberIn(storeSum.messages)];
    return { kind: "store-sum", digest, mailboxes, messages, unread };
  }
  if (mailboxSums !== undefined) {
    const { mailboxes } = mailboxSums;
    if (mailboxes.length > MAILBOX_SUMS_MAX) throw invalid("it has too many mailboxes");
    return { kind: "mailbox-sums", mailboxes: mailboxes.map(mailboxIn) };
  }
  if (rangeSums !== undefined) return { kind: "range-sums", ranges: rangesIn(rangeSums) };
  if (messageMarks !== undefined) return { kind: "message-marks", marks: marksIn(messageMarks) };
  if (messageStates !== undefined) {
    const { messages } = messageStates;
    if (messages.length > STATES_MAX) throw invalid("it has too many messages");
    return { kind: "message-states", states: messages.map(stateIn) };
  }
  if (messageHashes !== undefined) {
    const { sha256 } = messageHashes;
    if (sha256.length > STATES_MAX) throw invalid("it has too many hashes");
    const hashes = sha256.map((hash) =>
      hash.length === 0 ? undefined : Buffer.from(hashIn(hash, false)).toString("hex"),
    );
    return { kind: "message-hashes", hashes };
  }
  if (messageParts !== undefined) return { kind: "message-parts", parts: partsIn(messageParts) };
  return undefined;
}

function spansInit({ path, spans }: SpansOf) {
  const bounds = spans.flatMap(({ from, below }) => [from / CHUNK_UIDS, below / CHUNK_UIDS]);
  return { path: bytesOf(path), bounds };
}

function spansIn({ path, bounds }: Spans): SpansOf {
  if (bounds.length > 2 * SPANS_MAX || bounds.length % 2 !== 0) throw invalid("its spans are none");
  const spans: Span[] = [];
  let last = 0;
  for (let at = 0; at < bounds.length; at += 2) {
    const [from, below] = [bounds[at] as number, bounds[at + 1] as number];
    if (from < last || below <= from || from * CHUNK_UIDS > UID_MAX) throw invalid("its spans do not ascend");
    last = below;
    spans.push({ from: from * CHUNK_UIDS, below: below * CHUNK_UIDS });
  }
  if (last > Math.ceil((UID_MAX + 1) / CHUNK_UIDS)) throw invalid("its spans have no end");
  return { path: pathIn(path), spans };
}

function uidsInit({ path, uids }: MessagesOf) {
  return { path: bytesOf(path), steps: stepsOf(uids) };
}

function uidsIn({ path, steps }: Uids): MessagesOf {
  if (steps.length > STATES_MAX) throw invalid("it asks for too many messages");
  return { path: pathIn(path), uids: uidsOfSteps(steps) };
}

function mailboxInit(it: SummedMailbox) {
  if (it.kind === "unread") return { path: bytesOf(it.path), words: clipped(it.words) };
  const { path, guid, uidNext, ...numbers } = it;
  return { ...numbers, path: bytesOf(path), guid: Buffer.from(guid, "hex"), uidNext: BigInt(uidNext) };
}

function mailboxIn(it: MailboxSumPb): SummedMailbox {
  const path = pathIn(it.path);
  if (it.guid.length === 0) return { kind: "unread", path, words: textIn(it.words) };
  const uidNext = numberIn(it.uidNext);
  if (uidNext < 1 || uidNext > UID_MAX + 1) throw invalid("the next UID of a mailbox is none");
  const { messages, unnumbered } = it;
  if (messages >= uidNext) throw invalid("a mailbox has more messages than UIDs");
  const guid = parseMailboxGuid(Buffer.from(it.guid).toString("hex"));
  const uidValidity = parseUidValidity(it.uidValidity);
  return { kind: "sum", path, guid, uidValidity, uidNext, messages, unnumbered, digest: digestIn(it.digest) };
}

function rangesIn({ counts, digests }: RangeSums): RangeSum[] {
  if (counts.length > SPANS_MAX * PARTS_MAX || digests.length !== counts.length * DIGEST_BYTES)
    throw invalid("its sums are not as many as they should be");
  return counts.map((count, index) => {
    return { count, digest: digestIn(digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)) };
  });
}

function marksInit(marks: readonly MessageMark[]) {
  const bytes = Buffer.allocUnsafe(marks.length * MARK_BYTES);
  for (const [index, { mark }] of marks.entries()) bytes.writeBigUInt64LE(mark, index * MARK_BYTES);
  return { steps: stepsOf(marks.map(({ uid }) => uid)), marks: bytes };
}

function marksIn({ steps, marks }: MessageMarks): MessageMark[] {
  if (steps.length > MARKS_MAX || marks.length !== steps.length * MARK_BYTES)
    throw invalid("its marks are not as many as they should be");
  const bytes = Buffer.from(marks.buffer, marks.byteOffset, marks.length);
  return uidsOfSteps(steps).map((uid, index) => ({ uid, mark: bytes.readBigUInt64LE(index * MARK_BYTES) }));
}

function digestIn(bytes: Uint8Array): Digest {
  if (bytes.length !== DIGEST_BYTES) throw invalid("a digest has the wrong length");
  return bytes;
}

function invalid(why: string) {
  return wireError("wire-invalid", `reading sums from the other end: ${why}`);
}
