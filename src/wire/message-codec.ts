/**
 * Messages <-> bytes. The head is protobuf (link.proto); bulk bytes stay beside it as the payload and are never copied here.
 *
 * INVARIANT: whatever bytes come in, decoding ends in a valid message or in the error "wire-invalid".
 */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { unreachable } from "../base/assert.js";
import { MailtwinError } from "../base/errors.js";
import { parseMailboxGuid } from "../maildir/ids.js";
import { TRANSACTION_CHANGES_MAX } from "../txn/transaction.js";
import { TRANSACTION_BYTES_MAX } from "../txn/transaction-rules.js";
import { wireError } from "./errors.js";
import { bytesOfField, weightOf } from "./field-bytes.js";
import { bytesOf, clipped, hashIn, numberIn, pathIn, textIn } from "./field-values.js";
import { type BodyHead as BodyHeadPb, type Envelope, EnvelopeSchema } from "./gen/link_pb.js";
import {
  ALONG_BODIES_MAX,
  ALONG_BYTES_MAX,
  type BodyHead,
  type Offer,
  type Outcome,
  type WireMessage,
} from "./messages.js";
import { askIn, failureIn, failureInit, replyIn, replyInit, requestInit } from "./request-codec.js";

/** A message in two pieces: the encoded head, and bytes that need no encoding. */
export interface Parcel {
  readonly head: Uint8Array;
  readonly payloads: readonly Uint8Array[];
}

export const HEAD_BYTES_MAX = 16 * 1024 * 1024;
export const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;
/** A number and the most indexes that there can be, each as long as numbers get. What is longer is not even decoded. */
const WANT_BYTES_MAX = 16 + TRANSACTION_CHANGES_MAX * 11;
/** The lists of the largest page, keywords and all, weigh less than that and its bytes. */
const SPARE_WEIGHT = 4 * 1024 * 1024;
/** A shorter message takes a few megabytes, whatever is in it. */
const WEIGHED_BYTES_MIN = 64 * 1024;
const WANT_FIELD = EnvelopeSchema.field.want.number;

type Init = NonNullable<MessageInitShape<typeof EnvelopeSchema>["message"]>;

export function encodeMessage(message: WireMessage): Parcel {
  const head = toBinary(EnvelopeSchema, create(EnvelopeSchema, { message: initOf(message) }));
  return { head, payloads: payloadsOf(message) };
}

function payloadsOf(message: WireMessage): readonly Uint8Array[] {
  if (message.kind === "bodies") return message.payloads;
  if (message.kind === "offer") return [message.payload, ...(message.along?.payloads ?? [])];
  return "payload" in message ? [message.payload] : [];
}

function initOf(message: WireMessage): Init {
  switch (message.kind) {
    case "hello":
      return { case: "hello", value: { protocol: message.protocol, logId: message.logId, software: message.software } };
    case "welcome": {
      const { protocol, software, firstContact } = message;
      return { case: "welcome", value: { protocol, software, firstContact, appliedLsn: BigInt(message.appliedLsn) } };
    }
    case "offer":
      return { case: "offer", value: offerInit(message) };
    case "mark":
      return { case: "mark", value: { id: BigInt(message.id), lsn: BigInt(message.lsn) } };
    case "want":
      return { case: "want", value: { id: BigInt(message.id), indexes: [...message.indexes] } };
    case "bodies":
      return { case: "bodies", value: { id: BigInt(message.id), heads: headsInit(message.heads) } };
    case "body-part": {
      const { index, last, sha256 } = message;
      return {
        case: "bodyPart",
        value: { id: BigInt(message.id), index, offset: BigInt(message.offset), last, sha256 },
      };
    }
    case "outcome":
      return { case: "outcome", value: outcomeInit(message) };
    case "retry":
      return {
        case: "retry",
        value: { id: BigInt(message.id), voidBelow: message.voidBelow, giveUp: message.giveUp },
      };
    case "request":
      return { case: "request", value: requestInit(message) };
    case "reply":
      return { case: "reply", value: replyInit(message) };
    case "farewell":
      return { case: "farewell", value: { failure: failureInit(message.failure) } };
    default:
      return unreachable(message);
  }
}

function offerInit({ id, lsn, mailbox, anew = false, bodiesAnew = false, along }: Offer) {
  return { id: BigInt(id), lsn: BigInt(lsn), mailbox, anew, bodiesAnew, heads: headsInit(along?.heads ?? []) };
}

function headsInit(heads: readonly BodyHead[]) {
  return heads.map((head) => ({ ...head, size: BigInt(head.size) }));
}

function outcomeInit(message: Outcome) {
  const { divergence } = message;
  const init = { id: BigInt(message.id), notes: message.notes.map(clipped) };
  if (divergence === undefined) return init;
  const { words, path } = divergence;
  return {
    ...init,
    divergence: { ...divergence, uids: [...divergence.uids], words: clipped(words), path: bytesOf(path) },
  };
}

/** Throws: wire-invalid. */
export function decodeMessage(parcel: Parcel): WireMessage {
  const payloadBytes = parcel.payloads.reduce((sum, piece) => sum + piece.length, 0);
  if (parcel.head.length > HEAD_BYTES_MAX || payloadBytes > PAYLOAD_BYTES_MAX) {
    throw wireError("wire-invalid", "reading a message of the other end: it is longer than the limit");
  }
  let envelope: Envelope;
  try {
    if (bytesOfField(parcel.head, WANT_FIELD) > WANT_BYTES_MAX) throw new RangeError("it wants more than there can be");
    if (isCrowded(parcel.head)) throw new RangeError("it is more values than so many bytes have");
    envelope = fromBinary(EnvelopeSchema, parcel.head, { readUnknownFields: false });
  } catch (cause) {
    throw wireError("wire-invalid", "reading a message of the other end: it is not well-formed", cause);
  }
  try {
    return messageOf(envelope, parcel.payloads);
  } catch (cause) {
    // The doors of the brands have words of their own; here the point is that the peer sent nonsense.
    if (!(cause instanceof MailtwinError) || cause.code === "wire-invalid") throw cause;
    throw wireError("wire-invalid", `reading a message of the other end: ${cause.message}`, cause);
  }
}

/** Whether it is not even decoded, for what that would take. */
function isCrowded(head: Uint8Array): boolean {
  return head.length > WEIGHED_BYTES_MIN && weightOf(head, EnvelopeSchema) > SPARE_WEIGHT + head.length;
}

function messageOf({ message }: Envelope, payloads: readonly Uint8Array[]): WireMessage {
  switch (message.case) {
    case "hello":
      return {
        kind: "hello",
        protocol: message.value.protocol,
        logId: textIn(message.value.logId),
        software: textIn(message.value.software),
      };
    case "welcome": {
      const { protocol, software, appliedLsn, firstContact } = message.value;
      return { kind: "welcome", protocol, software: textIn(software), appliedLsn: numberIn(appliedLsn), firstContact };
    }
    case "offer":
      return offerIn(message.value, payloads);
    case "mark":
      return { kind: "mark", id: numberIn(message.value.id), lsn: numberIn(message.value.lsn) };
    case "want": {
      const { id, indexes } = message.value;
      return { kind: "want", id: numberIn(id), indexes: ofTransaction(indexes, "which bodies the other end wants") };
    }
    case "bodies":
      return bodiesIn(message.value, payloads);
    case "bodyPart": {
      const { id, index, offset, last, sha256 } = message.value;
      return {
        kind: "body-part",
        id: numberIn(id),
        index,
        offset: numberIn(offset),
        last,
        sha256: hashIn(sha256, !last),
        payload: onlyIn(payloads),
      };
    }
    case "outcome":
      return outcomeIn(message.value);
    case "retry":
      return {
        kind: "retry",
        id: numberIn(message.value.id),
        voidBelow: message.value.voidBelow,
        giveUp: message.value.giveUp,
      };
    case "request":
      return { kind: "request", id: message.value.id, ask: askIn(message.value) };
    case "reply":
      return replyIn(message.value);
    case "farewell": {
      const { failure } = message.value;
      if (failure === undefined)
        throw wireError("wire-invalid", "reading a message of the other end: it says farewell, and not why");
      return { kind: "farewell", failure: failureIn(failure) };
    }
    case undefined:
      throw wireError("wire-invalid", "reading a message of the other end: its kind is not known here");
    default:
      return unreachable(message);
  }
}

function offerIn(
  { id, lsn, mailbox, anew, bodiesAnew, heads }: Extract<Envelope["message"], { case: "offer" }>["value"],
  [payload, ...bodies]: readonly Uint8Array[],
): Offer {
  const numbers = { id: numberIn(id), lsn: numberIn(lsn) };
  if (payload === undefined) throw payloadMissing();
  if (payload.length > TRANSACTION_BYTES_MAX)
    throw wireError("wire-invalid", "reading an offer of the other end: it is longer than a transaction can be");
  const alongBytes = bodies.reduce((sum, { length }) => sum + length, 0);
  if (heads.length > ALONG_BODIES_MAX || heads.some(({ gone }) => gone) || alongBytes > ALONG_BYTES_MAX)
    throw wireError(
      "wire-invalid",
      "reading an offer of the other end: the bodies that come along are not what may come",
    );
  const along = headsIn(heads, bodies);
  return {
    ...{ kind: "offer", ...numbers, mailbox: parseMailboxGuid(mailbox), payload },
    ...(anew ? { anew } : {}),
    ...(bodiesAnew ? { bodiesAnew } : {}),
    ...(along.length > 0 ? { along: { heads: along, payloads: bodies } } : {}),
  };
}

function bodiesIn(
  value: Extract<Envelope["message"], { case: "bodies" }>["value"],
  payloads: readonly Uint8Array[],
): WireMessage {
  return { kind: "bodies", id: numberIn(value.id), heads: headsIn(value.heads, payloads), payloads };
}

/** The heads of these bodies. */
function headsIn(sent: BodyHeadPb[], payloads: readonly Uint8Array[]): readonly BodyHead[] {
  const heads = sent.map(({ index, size, sha256, gone }) => {
    return { index, size: numberIn(size), sha256: hashIn(sha256, gone), gone };
  });
  const present = heads.filter((head) => !head.gone);
  if (present.length !== payloads.length || present.some((head, i) => head.size !== payloads[i]?.length)) {
    throw wireError("wire-invalid", "reading bodies of the other end: what came is not what was announced");
  }
  return heads;
}

function outcomeIn(value: Extract<Envelope["message"], { case: "outcome" }>["value"]): Outcome {
  const { divergence } = value;
  const outcome = { kind: "outcome" as const, id: numberIn(value.id), notes: value.notes.map(textIn) };
  if (divergence === undefined) return outcome;
  const { code, words, replicaNext } = divergence;
  const uids = ofTransaction(divergence.uids, "which UIDs the other end refuses");
  return {
    ...outcome,
    divergence: { code: textIn(code), words: textIn(words), path: pathIn(divergence.path), uids, replicaNext },
  };
}

function ofTransaction(numbers: number[], what: string): number[] {
  if (numbers.length <= TRANSACTION_CHANGES_MAX) return numbers;
  throw wireError("wire-invalid", `reading ${what}: they are more than a transaction has`);
}

function onlyIn(payloads: readonly Uint8Array[]): Uint8Array {
  const [only] = payloads;
  if (only === undefined || payloads.length !== 1) throw payloadMissing();
  return only;
}

function payloadMissing() {
  return wireError("wire-invalid", "reading a message of the other end: its payload is missing");
}
