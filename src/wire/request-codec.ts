/**
 * Requests and their replies <-> the messages of link.proto.
 */
import { create } from "@bufbuild/protobuf";
import { parseMailboxGuid, parseUid } from "../maildir/ids.js";
import * as compared from "./compared-codec.js";
import { wireError } from "./errors.js";
import { bytesOf, clipped, hashIn, nameIn, numberIn, pathIn, textIn } from "./field-values.js";
import {
  type Failure,
  type Reply as ReplyProto,
  ReplySchema,
  type Request as RequestProto,
  RequestSchema,
} from "./gen/link_pb.js";
import { isOfLimbo, limboAnswerIn, limboAnswerInit, limboAskIn, limboAskInit } from "./limbo-codec.js";
import type { Answer, Ask, ForeignAction, Reply, Request, WireFailure } from "./messages.js";
import { sumsAnswerIn, sumsAnswerInit, sumsAskIn, sumsAskInit } from "./sums-codec.js";

export function requestInit({ id, ask }: Request): RequestProto {
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
    case "compare":
      return create(RequestSchema, { id, ask: { case: "compare", value: compared.compareInit(ask) } });
    case "tell-held":
      return create(RequestSchema, { id, ask: { case: "tellHeld", value: compared.tellHeldInit(ask) } });
    case "standing":
      return create(RequestSchema, { id, ask: { case: "standing", value: { after: ask.after } } });
    default:
      return create(RequestSchema, { id, ask: isOfLimbo(ask) ? limboAskInit(ask) : sumsAskInit(ask) });
  }
}

export function replyInit({ id, result }: Reply): ReplyProto {
  if (!result.ok) return create(ReplySchema, { id, failure: failureInit(result.failure) });
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
    case "compare":
      return create(ReplySchema, { id, compare: compared.comparedInit(answer) });
    case "tell-held":
      return create(ReplySchema, { id, held: compared.heldInit(answer) });
    case "standing":
      return create(ReplySchema, { id, standing: compared.standingInit(answer) });
    case "limbo-page":
    case "limbo-files":
    case "limbo-parts":
      return create(ReplySchema, { id, ...limboAnswerInit(answer) });
    default:
      return create(ReplySchema, { id, ...sumsAnswerInit(answer) });
  }
}

export function askIn(request: RequestProto): Ask {
  const { ask } = request;
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
    case "compare":
      return compared.compareIn(ask.value);
    case "tellHeld":
      return compared.tellHeldIn(ask.value);
    case "standing": {
      const { after } = ask.value;
      return { kind: "standing", after: after === "" ? after : parseMailboxGuid(after) };
    }
    default: {
      const other = sumsAskIn(request) ?? limboAskIn(request);
      if (other !== undefined) return other;
      throw wireError("wire-invalid", "reading a request of the other end: its kind is not known here");
    }
  }
}

export function failureInit(failure: WireFailure) {
  return { ...failure, message: clipped(failure.message), hint: clipped(failure.hint) };
}

/** Throws: wire-invalid. */
export function failureIn({ code, message, hint, disposition, exitCode }: Failure): WireFailure {
  return {
    ...{ code: textIn(code), message: textIn(message), hint: textIn(hint) },
    ...{ disposition: textIn(disposition), exitCode },
  };
}

export function replyIn(value: ReplyProto): Reply {
  const { id, failure } = value;
  if (failure !== undefined) return { kind: "reply", id, result: { ok: false, failure: failureIn(failure) } };
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
  if (value.compare !== undefined) return { kind: "compare", ...compared.comparedIn(value.compare) };
  if (value.held !== undefined) return { kind: "tell-held", ...compared.heldIn(value.held) };
  if (value.standing !== undefined) return { kind: "standing", ...compared.standingIn(value.standing) };
  const other = sumsAnswerIn(value) ?? limboAnswerIn(value);
  if (other !== undefined) return other;
  throw wireError("wire-invalid", "reading a reply of the other end: it is empty");
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
