/**
 * Messages <-> bytes. The head is protobuf (link.proto); bulk bytes stay beside it as the payload and are never copied here.
 *
 * INVARIANT: whatever bytes come in, decoding ends in a valid message or in the error "wire-invalid".
 */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { unreachable } from "../base/assert.js";
import { MailtwinError } from "../base/errors.js";
import { isRawPath, type RawPath } from "../base/raw-name.js";
import { parseMailboxGuid, parseUid } from "../maildir/ids.js";
import { TRANSACTION_CHANGES_MAX } from "../txn/transaction.js";
import { wireError } from "./errors.js";
import { bytesOfField } from "./field-bytes.js";
import {
  type Envelope,
  EnvelopeSchema,
  type Reply as ReplyProto,
  ReplySchema,
  type Request as RequestProto,
  RequestSchema,
} from "./gen/link_pb.js";
import type { Answer, Ask, ForeignAction, Outcome, Reply, Request, WireMessage } from "./messages.js";

/** A message in two pieces: the encoded head, and bytes that need no encoding. */
export interface Parcel {
  readonly head: Uint8Array;
  readonly payloads: readonly Uint8Array[];
}

export const HEAD_BYTES_MAX = 16 * 1024 * 1024;
export const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;
const NAME_BYTES_MAX = 4096;
/** A number and the most indexes that there can be, each as long as numbers get. What is longer is not even decoded. */
const WANT_BYTES_MAX = 16 + TRANSACTION_CHANGES_MAX * 11;
const WANT_FIELD = EnvelopeSchema.field.want.number;

type Init = NonNullable<MessageInitShape<typeof EnvelopeSchema>["message"]>;

export function encodeMessage(message: WireMessage): Parcel {
  const head = toBinary(EnvelopeSchema, create(EnvelopeSchema, { message: initOf(message) }));
  return { head, payloads: payloadsOf(message) };
}

function payloadsOf(message: WireMessage): readonly Uint8Array[] {
  if (message.kind === "bodies") return message.payloads;
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
      return { case: "offer", value: { lsn: BigInt(message.lsn), mailbox: message.mailbox } };
    case "want":
      return { case: "want", value: { lsn: BigInt(message.lsn), indexes: [...message.indexes] } };
    case "bodies": {
      const heads = message.heads.map((head) => ({ ...head, size: BigInt(head.size) }));
      return { case: "bodies", value: { lsn: BigInt(message.lsn), heads } };
    }
    case "body-part": {
      const { index, last, sha256 } = message;
      return {
        case: "bodyPart",
        value: { lsn: BigInt(message.lsn), index, offset: BigInt(message.offset), last, sha256 },
      };
    }
    case "outcome":
      return { case: "outcome", value: outcomeInit(message) };
    case "retry":
      return {
        case: "retry",
        value: { lsn: BigInt(message.lsn), voidBelow: message.voidBelow, giveUp: message.giveUp },
      };
    case "request":
      return { case: "request", value: requestInit(message) };
    case "reply":
      return { case: "reply", value: replyInit(message) };
    default:
      return unreachable(message);
  }
}

function outcomeInit(message: Outcome) {
  const { divergence } = message;
  const init = { lsn: BigInt(message.lsn), notes: message.notes.map(clipped) };
  if (divergence === undefined) return init;
  const { words, path } = divergence;
  return {
    ...init,
    divergence: { ...divergence, uids: [...divergence.uids], words: clipped(words), path: bytesOf(path) },
  };
}

function requestInit({ id, ask }: Request): RequestProto {
  switch (ask.kind) {
    case "yield-uids":
      return create(RequestSchema, {
        id,
        ask: {
          case: "yieldUids",
          value: { mailbox: ask.mailbox, uids: [...ask.uids], from: ask.from, floor: ask.floor },
        },
      });
    case "survey":
      return create(RequestSchema, { id, ask: { case: "survey", value: { strangers: [...(ask.strangers ?? [])] } } });
    case "inventory": {
      const value = { path: bytesOf(ask.path), afterUid: ask.afterUid, afterBase: bytesOf(ask.afterBase ?? "") };
      return create(RequestSchema, { id, ask: { case: "inventory", value } });
    }
    case "foreign": {
      const { action, hashes = [] } = ask;
      const value = { path: bytesOf(ask.path), bases: ask.bases.map(bytesOf), action, hashes: [...hashes] };
      return create(RequestSchema, { id, ask: { case: "foreign", value } });
    }
    default:
      return unreachable(ask);
  }
}

function replyInit({ id, result }: Reply): ReplyProto {
  if (!result.ok) {
    const { message, hint } = result.failure;
    return create(ReplySchema, { id, failure: { ...result.failure, message: clipped(message), hint: clipped(hint) } });
  }
  const { answer } = result;
  switch (answer.kind) {
    case "yielded-uids":
      return create(ReplySchema, { id, yieldedUids: { uidNext: answer.uidNext, moved: answer.moved } });
    case "survey":
      return create(ReplySchema, {
        id,
        survey: { mailboxes: answer.mailboxes.map((m) => ({ ...m, path: bytesOf(m.path) })) },
      });
    case "inventory": {
      const messages = answer.messages.map((m) => {
        return { uid: m.uid, base: bytesOf(m.base), size: BigInt(m.size), marks: bytesOf(m.marks) };
      });
      return create(ReplySchema, { id, inventory: { messages, more: answer.more, unnumbered: answer.unnumbered } });
    }
    case "foreign":
      return create(ReplySchema, { id, foreign: { messages: answer.messages, copies: answer.copies } });
    default:
      return unreachable(answer);
  }
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
      return {
        kind: "offer",
        lsn: numberIn(message.value.lsn),
        mailbox: parseMailboxGuid(message.value.mailbox),
        payload: onlyIn(payloads),
      };
    case "want": {
      const { lsn, indexes } = message.value;
      return { kind: "want", lsn: numberIn(lsn), indexes: ofTransaction(indexes, "which bodies the other end wants") };
    }
    case "bodies":
      return bodiesIn(message.value, payloads);
    case "bodyPart": {
      const { lsn, index, offset, last, sha256 } = message.value;
      return {
        kind: "body-part",
        lsn: numberIn(lsn),
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
        lsn: numberIn(message.value.lsn),
        voidBelow: message.value.voidBelow,
        giveUp: message.value.giveUp,
      };
    case "request":
      return { kind: "request", id: message.value.id, ask: askIn(message.value) };
    case "reply":
      return replyIn(message.value);
    case undefined:
      throw wireError("wire-invalid", "reading a message of the other end: its kind is not known here");
    default:
      return unreachable(message);
  }
}

function bodiesIn(
  value: Extract<Envelope["message"], { case: "bodies" }>["value"],
  payloads: readonly Uint8Array[],
): WireMessage {
  const heads = value.heads.map((head) => {
    return { index: head.index, size: numberIn(head.size), sha256: hashIn(head.sha256, head.gone), gone: head.gone };
  });
  const present = heads.filter((head) => !head.gone);
  if (present.length !== payloads.length || present.some((head, i) => head.size !== payloads[i]?.length)) {
    throw wireError("wire-invalid", "reading bodies of the other end: what came is not what was announced");
  }
  return { kind: "bodies", lsn: numberIn(value.lsn), heads, payloads };
}

function outcomeIn(value: Extract<Envelope["message"], { case: "outcome" }>["value"]): Outcome {
  const { divergence } = value;
  const outcome = { kind: "outcome" as const, lsn: numberIn(value.lsn), notes: value.notes.map(textIn) };
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

function askIn({ ask }: RequestProto): Ask {
  switch (ask.case) {
    case "yieldUids":
      return {
        kind: "yield-uids",
        mailbox: parseMailboxGuid(ask.value.mailbox),
        uids: ask.value.uids,
        from: parseUid(ask.value.from),
        floor: ask.value.floor,
      };
    case "survey": {
      const strangers = ask.value.strangers.map(parseMailboxGuid);
      return { kind: "survey", ...(strangers.length === 0 ? {} : { strangers }) };
    }
    case "inventory": {
      const { path, afterUid } = ask.value;
      const afterBase = nameIn(ask.value.afterBase);
      return { kind: "inventory", path: pathIn(path), afterUid, ...(afterBase === "" ? {} : { afterBase }) };
    }
    case "foreign": {
      const bases = ask.value.bases.map((base) => nameIn(base));
      const hashes = hashesIn(ask.value.hashes, bases.length);
      const { path, action } = ask.value;
      return { kind: "foreign", path: pathIn(path), bases, action: actionIn(action), ...hashes };
    }
    case undefined:
      throw wireError("wire-invalid", "reading a request of the other end: its kind is not known here");
    default:
      return unreachable(ask);
  }
}

function replyIn(value: ReplyProto): Reply {
  const { id, failure } = value;
  if (failure !== undefined) {
    const { code, message, hint, disposition, exitCode } = failure;
    return {
      kind: "reply",
      id,
      result: {
        ok: false,
        failure: {
          code: textIn(code),
          message: textIn(message),
          hint: textIn(hint),
          disposition: textIn(disposition),
          exitCode,
        },
      },
    };
  }
  return { kind: "reply", id, result: { ok: true, answer: answerIn(value) } };
}

function answerIn(value: ReplyProto): Answer {
  if (value.yieldedUids !== undefined) {
    return { kind: "yielded-uids", uidNext: value.yieldedUids.uidNext, moved: value.yieldedUids.moved };
  }
  if (value.survey !== undefined) {
    const mailboxes = value.survey.mailboxes.map(({ path, guid, uidValidity, uidNext }) => {
      return { path: pathIn(path), guid: guid === "" ? ("" as const) : parseMailboxGuid(guid), uidValidity, uidNext };
    });
    return { kind: "survey", mailboxes };
  }
  if (value.inventory !== undefined) {
    const messages = value.inventory.messages.map(({ uid, base, size, marks }) => {
      return { uid, base: nameIn(base), size: numberIn(size), marks: nameIn(marks) };
    });
    return { kind: "inventory", messages, more: value.inventory.more, unnumbered: value.inventory.unnumbered };
  }
  if (value.foreign !== undefined) {
    const { messages, copies } = value.foreign;
    return { kind: "foreign", messages, copies };
  }
  throw wireError("wire-invalid", "reading a reply of the other end: it is empty");
}

function onlyIn(payloads: readonly Uint8Array[]): Uint8Array {
  const [only] = payloads;
  if (only === undefined || payloads.length !== 1)
    throw wireError("wire-invalid", "reading a message of the other end: its payload is missing");
  return only;
}

function bytesOf(raw: string): Uint8Array {
  return Buffer.from(raw, "latin1");
}

function nameIn(bytes: Uint8Array): string {
  if (bytes.length > NAME_BYTES_MAX)
    throw wireError("wire-invalid", "reading a name from the other end: it is too long");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function pathIn(bytes: Uint8Array): RawPath {
  const path = nameIn(bytes);
  if (!isRawPath(path))
    throw wireError("wire-invalid", "reading a mailbox path from the other end: it is not a relative path");
  return path;
}

/** Words for people may name a long path; the other end must not refuse the whole message for that. */
function clipped(text: string): string {
  return text.length <= NAME_BYTES_MAX ? text : `${text.slice(0, NAME_BYTES_MAX - 2)}…`;
}

function textIn(text: string): string {
  if (text.length > NAME_BYTES_MAX)
    throw wireError("wire-invalid", "reading a text from the other end: it is too long");
  return text;
}

function numberIn(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw wireError("wire-invalid", "reading a number from the other end: it is too large");
  return Number(value);
}

function hashIn(bytes: Uint8Array, mayBeEmpty: boolean): Uint8Array {
  if (bytes.length === 32 || (mayBeEmpty && bytes.length === 0)) return bytes;
  throw wireError("wire-invalid", "reading a body's hash from the other end: it has the wrong length");
}

function hashesIn(hashes: readonly Uint8Array[], count: number): { readonly hashes?: readonly Uint8Array[] } {
  if (hashes.length === 0) return {};
  if (hashes.length !== count)
    throw wireError("wire-invalid", "reading a request of the other end: it has not one hash for each name");
  return { hashes: hashes.map((hash) => hashIn(hash, false)) };
}

function actionIn(text: string): ForeignAction {
  if (text === "limbo" || text === "aside" || text === "restore") return text;
  throw wireError("wire-invalid", "reading a request of the other end: its action is not known here");
}
