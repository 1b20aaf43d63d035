/**
 * What a source asks and a replica tells for a comparison <-> the messages of link.proto.
 *
 * INVARIANT: what is decoded could stand in a transaction, and a page is within its limits: whoever compares need not ask again.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { parseBaseName, parseMailboxGuid, parseUid, parseUidValidity, UID_MAX } from "../maildir/ids.js";
import { DIGEST_BYTES } from "../txn/digest.js";
import { MARK_BYTES } from "../txn/marked-uids.js";
import type { MessageState } from "../txn/message-state.js";
import { checkMessageState } from "../txn/transaction-rules.js";
import { wireError } from "./errors.js";
import { bytesOf, nameIn, numberIn, pathIn } from "./field-values.js";
import type {
  Compare,
  ComparedMessage as ComparedMessageProto,
  ComparedPage,
  ComparedPageSchema,
  CompareSchema,
  HeldPage,
  HeldPageSchema,
  MailboxFacts,
  MailboxFactsSchema,
  PartSums as PartSumsProto,
  PartSumsSchema,
  StandingPage,
  StandingPageSchema,
  TellHeld,
  TellHeldSchema,
} from "./gen/link_pb.js";
import {
  type Ask,
  COMPARED_MESSAGES_MAX,
  COMPARED_UNNUMBERED_MAX,
  type ComparedMailbox,
  type ComparedMessage,
  type Held,
  type MailboxStanding,
  PART_SUMS_MAX,
  type PartSums,
  STANDING_MAILBOXES_MAX,
  type Standing,
  type StandingMailbox,
  TOLD_SPANS_MAX,
  type ToldMailbox,
  type WrittenMailbox,
} from "./messages.js";
import type { Span } from "./sums.js";

/** A part of 2^31 UIDs is half of all. */
const PART_BITS_MAX = 31;
/** By their numbers on the wire. */
const HELD: readonly Held[] = ["foreign", "applied", "lost"];
const STANDINGS: ReadonlySet<string> = new Set<Standing>(["in-place", "moved", "gone", "older", "anew", "unread"]);

type AskOf<K extends Ask["kind"]> = Extract<Ask, { readonly kind: K }>;

export function compareInit(ask: AskOf<"compare">): MessageInitShape<typeof CompareSchema> {
  const { mailbox, path, seed, sums, looksOnly = false } = ask;
  return { mailbox, path: bytesOf(path), seed, looksOnly, ...(sums === undefined ? {} : { sums: sumsInit(sums) }) };
}

/** Throws: wire-invalid, and what says that a GUID is none. */
export function compareIn({ mailbox, path, seed, sums, looksOnly }: Compare): AskOf<"compare"> {
  const where = { mailbox: parseMailboxGuid(mailbox), path: pathIn(path) };
  const asked = sums === undefined ? {} : { sums: sumsIn(sums) };
  return { kind: "compare", ...where, seed, ...asked, ...(looksOnly ? { looksOnly } : {}) };
}

function sumsInit({ bits, parts, sums, whole }: PartSums): MessageInitShape<typeof PartSumsSchema> {
  const bytes = Buffer.alloc(sums.length * MARK_BYTES);
  for (const [at, sum] of sums.entries()) bytes.writeUIntLE(sum, at * MARK_BYTES, MARK_BYTES);
  const steps = parts.map((part, at) => part - (parts[at - 1] ?? -1));
  return { bits, steps, sums: bytes, ...(whole === undefined ? {} : { whole }) };
}

function sumsIn({ bits, steps, sums: sent, whole }: PartSumsProto): PartSums {
  if (steps.length > PART_SUMS_MAX) throw tooMany("sums");
  if (sent.length !== steps.length * MARK_BYTES || (whole.length !== 0 && whole.length !== DIGEST_BYTES))
    throw wireError("wire-invalid", "reading sums of a mailbox: they are not as many as they should be");
  if (bits > PART_BITS_MAX) throw wireError("wire-invalid", "reading sums of a mailbox: no part is that large");
  const bytes = Buffer.from(sent.buffer, sent.byteOffset, sent.length);
  const parts = partsIn(steps, Math.floor(UID_MAX / 2 ** bits));
  const sums = parts.map((_, at) => bytes.readUIntLE(at * MARK_BYTES, MARK_BYTES));
  // Of its own: a part of the message would keep all of it.
  return { bits, parts, sums, ...(whole.length === 0 ? {} : { whole: whole.slice() }) };
}

function partsIn(steps: readonly number[], partMax: number): number[] {
  let last = -1;
  return steps.map((step) => {
    last += step;
    if (step === 0 || last > partMax)
      throw wireError("wire-invalid", "reading sums of a mailbox: its parts do not ascend");
    return last;
  });
}

export function tellHeldInit(ask: AskOf<"tell-held">): MessageInitShape<typeof TellHeldSchema> {
  const { mailbox, path, spans, looksOnly = false } = ask;
  const steps = spans.flatMap(({ from, below }, at) => [from - (spans[at - 1]?.below ?? 0), below - from]);
  return { mailbox, path: bytesOf(path), steps, looksOnly };
}

/** Throws: wire-invalid, and what says that a GUID is none. */
export function tellHeldIn({ mailbox, path, steps, looksOnly }: TellHeld): AskOf<"tell-held"> {
  if (steps.length > 2 * TOLD_SPANS_MAX) throw tooMany("spans");
  if (steps.length % 2 !== 0) throw wireError("wire-invalid", "reading spans of UIDs: the last one has no end");
  const spans: Span[] = [];
  let last = 0;
  for (let at = 0; at < steps.length; at += 2) {
    const from = last + (steps[at] as number);
    last = from + (steps[at + 1] as number);
    if (last === from || last > UID_MAX + 1)
      throw wireError("wire-invalid", "reading spans of UIDs: no UID is in one of them");
    spans.push({ from, below: last });
  }
  const where = { mailbox: parseMailboxGuid(mailbox), path: pathIn(path) };
  return { kind: "tell-held", ...where, spans, ...(looksOnly ? { looksOnly } : {}) };
}

export function comparedInit(compared: ComparedMailbox): MessageInitShape<typeof ComparedPageSchema> {
  const { looked, differing } = compared;
  const parts =
    differing === undefined ? {} : { bits: differing.bits, others: differing.hasOthers, equal: differing.isEqual };
  return { ...standingOf(compared), looked, ...(differing === undefined ? {} : { differing: parts }) };
}

/** Throws: wire-invalid, and what says that a GUID is none. Whether the bits are as many as were asked for, only the asker knows. */
export function comparedIn(page: ComparedPage): ComparedMailbox {
  const { looked, differing } = page;
  if (looked > UID_MAX) throw wireError("wire-invalid", "reading an answer to sums: no UID is that high");
  if (differing === undefined) return { ...standingPlaceIn(page), looked };
  const { bits, others: hasOthers, equal: isEqual } = differing;
  if (bits.length > PART_SUMS_MAX / 8) throw tooMany("parts");
  return { ...standingPlaceIn(page), looked, differing: { bits: bits.slice(), hasOthers, isEqual } };
}

export function heldInit(told: ToldMailbox): MessageInitShape<typeof HeldPageSchema> {
  const messages = told.messages.map((message) => ({ ...stateInit(message), held: HELD.indexOf(message.held) }));
  return { ...standingOf(told), reached: told.reached, messages };
}

/** Throws: wire-invalid, and what says that a GUID, a UID or a name is none. */
export function heldIn(page: HeldPage): ToldMailbox {
  const { messages, reached } = page;
  if (messages.length > COMPARED_MESSAGES_MAX) throw tooMany("messages");
  if (reached > UID_MAX) throw wireError("wire-invalid", "reading messages of the other end: no UID is that high");
  return { ...standingPlaceIn(page), messages: messages.map(messageIn), reached };
}

function standingOf({ written, standing, occupant, unnumbered = 0 }: MailboxStanding) {
  return {
    ...(written === undefined ? {} : { written: factsInit(written) }),
    ...(standing === undefined ? {} : { standing: factsInit({ ...standing, headerExtra: "" }) }),
    occupant: occupant ?? "",
    unnumbered: Math.min(unnumbered, COMPARED_UNNUMBERED_MAX),
  };
}

function standingPlaceIn(page: Pick<HeldPage, "written" | "standing" | "occupant" | "unnumbered">): MailboxStanding {
  const { written, standing, occupant, unnumbered } = page;
  return {
    ...(written === undefined ? {} : { written: factsIn(written) }),
    ...(standing === undefined ? {} : { standing: placeIn(standing) }),
    ...(occupant === "" ? {} : { occupant: parseMailboxGuid(occupant) }),
    ...(unnumbered === 0 ? {} : { unnumbered: Math.min(unnumbered, COMPARED_UNNUMBERED_MAX) }),
  };
}

/** All of a message but how it is held. */
export function stateInit(message: MessageState) {
  return {
    uid: message.uid,
    base: bytesOf(message.base),
    flags: message.flags,
    keywords: message.keywords.map(bytesOf),
    odd: bytesOf(message.odd),
    tail: bytesOf(message.tail),
    size: BigInt(message.size),
    mtimeS: BigInt(message.mtimeS),
    fields: bytesOf(message.fields),
  };
}

export function standingInit(page: {
  readonly mailboxes: readonly StandingMailbox[];
  readonly more: boolean;
}): MessageInitShape<typeof StandingPageSchema> {
  const mailboxes = page.mailboxes.map(({ mailbox, stands, ...place }) => {
    return { mailbox, stands, written: factsInit({ ...place, headerExtra: "" }) };
  });
  return { mailboxes, more: page.more };
}

export function standingIn({ mailboxes, more }: StandingPage) {
  if (mailboxes.length > STANDING_MAILBOXES_MAX) throw tooMany("mailboxes");
  const found = mailboxes.map(({ mailbox, stands, written }): StandingMailbox => {
    if (written === undefined) throw wireError("wire-invalid", "reading how a mailbox stands: its place is missing");
    return { mailbox: parseMailboxGuid(mailbox), ...placeIn(written), stands: standsIn(stands) };
  });
  return { mailboxes: found, more };
}

function factsInit({ path, uidValidity, uidNext, headerExtra }: WrittenMailbox) {
  const facts: MessageInitShape<typeof MailboxFactsSchema> = {
    path: bytesOf(path),
    uidValidity,
    uidNext: BigInt(uidNext),
    headerExtra: bytesOf(headerExtra),
  };
  return facts;
}

function factsIn(facts: MailboxFacts): WrittenMailbox {
  return { ...placeIn(facts), headerExtra: nameIn(facts.headerExtra) };
}

function placeIn(facts: MailboxFacts): Pick<WrittenMailbox, "path" | "uidValidity" | "uidNext"> {
  const uidNext = numberIn(facts.uidNext);
  if (uidNext < 1 || uidNext > UID_MAX + 1) throw wireError("wire-invalid", "reading a mailbox: its next UID is none");
  return { path: pathIn(facts.path), uidValidity: parseUidValidity(facts.uidValidity), uidNext };
}

function messageIn(message: ComparedMessageProto): ComparedMessage {
  const held = HELD[message.held];
  if (held === undefined)
    throw wireError("wire-invalid", "reading a message of the other end: how it is held is unknown");
  return { ...stateIn(message), held };
}

/** All of a message but how it is held. Throws: wire-invalid, transaction-invalid, and what says that a UID or a name is none. */
export function stateIn(message: ComparedMessageProto): MessageState {
  const { uid, base, flags, keywords, odd, tail, size, mtimeS, fields } = message;
  const state = {
    uid: parseUid(uid),
    base: parseBaseName(nameIn(base)),
    flags,
    keywords: keywords.map(nameIn),
    odd: nameIn(odd),
    tail: nameIn(tail),
    size: numberIn(size),
    mtimeS: Number(mtimeS),
    fields: nameIn(fields),
  };
  checkMessageState(state);
  return state;
}

function standsIn(text: string): Standing {
  if (isStanding(text)) return text;
  throw wireError("wire-invalid", "reading how a mailbox stands: the word is not known here");
}

function isStanding(text: string): text is Standing {
  return STANDINGS.has(text);
}

function tooMany(what: string) {
  return wireError("wire-invalid", `reading a page of ${what} from the other end: it has more than it may`);
}
