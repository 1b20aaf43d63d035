/**
 * What a source asks and a replica tells for a comparison <-> the messages of link.proto.
 *
 * INVARIANT: what is decoded could stand in a transaction, and a page is within its limits: whoever compares need not ask again.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { parseBaseName, parseMailboxGuid, parseUid, parseUidValidity, UID_MAX } from "../maildir/ids.js";
import { CHUNK_UIDS, type ChunkSum, chunkOf, isEndOfChunk, lastOfChunk } from "../txn/chunks.js";
import { DIGEST_BYTES } from "../txn/digest.js";
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
  MailboxFacts,
  MailboxFactsSchema,
  StandingPage,
  StandingPageSchema,
} from "./gen/link_pb.js";
import {
  type Ask,
  CHUNK_SUMS_MAX,
  COMPARED_MESSAGES_MAX,
  COMPARED_UNNUMBERED_MAX,
  type ComparedMailbox,
  type ComparedMessage,
  type Held,
  STANDING_MAILBOXES_MAX,
  type Standing,
  type StandingMailbox,
  type WrittenMailbox,
} from "./messages.js";

/** By their numbers on the wire. */
const HELD: readonly Held[] = ["foreign", "applied", "lost"];
const CHUNK_MAX = chunkOf(UID_MAX);
const STANDINGS: ReadonlySet<string> = new Set<Standing>(["in-place", "moved", "gone", "older", "anew", "unread"]);

type CompareAsk = Extract<Ask, { readonly kind: "compare" }>;

export function compareInit({
  mailbox,
  path,
  afterUid,
  upTo,
  sums,
  looksOnly = false,
}: CompareAsk): MessageInitShape<typeof CompareSchema> {
  const digests = new Uint8Array(sums.length * DIGEST_BYTES);
  for (const [at, { digest }] of sums.entries()) digests.set(digest, at * DIGEST_BYTES);
  const steps = stepsOf(sums.map(({ chunk }) => chunk));
  const counts = sums.map(({ count }) => count);
  return { mailbox, path: bytesOf(path), afterUid, upTo, steps, counts, digests, looksOnly };
}

/** Throws: wire-invalid, and what says that a GUID is none. */
export function compareIn({ mailbox, path, afterUid, upTo, looksOnly, ...sent }: Compare): CompareAsk {
  const isFrom = afterUid === 0 || (afterUid <= UID_MAX && isEndOfChunk(afterUid));
  const isTo = upTo <= UID_MAX && isEndOfChunk(upTo) && (upTo > afterUid || afterUid === UID_MAX);
  if (!isFrom || !isTo) throw wireError("wire-invalid", "reading sums of a mailbox: they are of no range of UIDs");
  const sums = sumsIn(sent);
  if (sums.some(({ chunk }) => lastOfChunk(chunk) <= afterUid || chunk * CHUNK_UIDS > upTo))
    throw wireError("wire-invalid", "reading sums of a mailbox: they are not of the range that they are said to be of");
  const where = { mailbox: parseMailboxGuid(mailbox), path: pathIn(path) };
  return { kind: "compare", ...where, afterUid, upTo, sums, ...(looksOnly ? { looksOnly } : {}) };
}

function sumsIn({ steps, counts, digests }: Pick<Compare, "steps" | "counts" | "digests">): ChunkSum[] {
  const count = steps.length;
  if (count > CHUNK_SUMS_MAX) throw tooMany("sums");
  if (counts.length !== count || digests.length !== count * DIGEST_BYTES)
    throw wireError("wire-invalid", "reading sums of a mailbox: they are not as many as they should be");
  if (counts.some((messages) => messages < 1 || messages > CHUNK_UIDS))
    throw wireError("wire-invalid", "reading sums of a mailbox: no chunk has that many messages");
  return chunksOf(steps).map((chunk, at) => {
    // Of its own: a part of the message would keep all of it.
    return { chunk, count: counts[at] as number, digest: digests.slice(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES) };
  });
}

function stepsOf(chunks: readonly number[]): number[] {
  return chunks.map((chunk, at) => chunk - (chunks[at - 1] ?? -1));
}

function chunksOf(steps: readonly number[]): number[] {
  let last = -1;
  return steps.map((step) => {
    last += step;
    if (step === 0 || last > CHUNK_MAX) throw wireError("wire-invalid", "reading chunks of UIDs: they do not ascend");
    return last;
  });
}

export function comparedInit(compared: ComparedMailbox): MessageInitShape<typeof ComparedPageSchema> {
  const { written, standing, occupant = "", told, messages, reached, unnumbered = 0 } = compared;
  return {
    ...(written === undefined ? {} : { written: factsInit(written) }),
    ...(standing === undefined ? {} : { standing: factsInit({ ...standing, headerExtra: "" }) }),
    occupant,
    reached,
    steps: stepsOf(told),
    unnumbered: Math.min(unnumbered, COMPARED_UNNUMBERED_MAX),
    messages: messages.map((message) => ({ ...stateInit(message), held: HELD.indexOf(message.held) })),
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

export function comparedIn(page: ComparedPage): ComparedMailbox {
  const { written, standing, occupant, steps, messages, reached, unnumbered } = page;
  if (messages.length > COMPARED_MESSAGES_MAX) throw tooMany("messages");
  // Those that the source has not asked about have a message each.
  if (steps.length > COMPARED_MESSAGES_MAX + CHUNK_SUMS_MAX) throw tooMany("chunks");
  if (reached > UID_MAX || !isEndOfChunk(reached))
    throw wireError("wire-invalid", "reading a page of messages from the other end: it ends at no chunk");
  return {
    ...(written === undefined ? {} : { written: factsIn(written) }),
    ...(standing === undefined ? {} : { standing: placeIn(standing) }),
    ...(occupant === "" ? {} : { occupant: parseMailboxGuid(occupant) }),
    told: chunksOf(steps),
    messages: messages.map(messageIn),
    reached,
    ...(unnumbered === 0 ? {} : { unnumbered: Math.min(unnumbered, COMPARED_UNNUMBERED_MAX) }),
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
