/**
 * What follows the greeting: the end that dialled says which store it wants to be the source or the replica of, and the other one lets
 * it, or says why not. Only then a link begins, so that nothing of it runs for whoever has no right to it. The bytes of either:
 *
 * ```
 * opening ::= prefixed        as in prefixed.ts: Opening, from the end that dialled
 * opened  ::= prefixed        Opened, from the other one
 * ```
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Disposition, EX, MailtwinError, recordOfError } from "../base/errors.js";
import { muteErrors } from "./carrier.js";
import { wireError } from "./errors.js";
import { OpenedSchema, type Opening as OpeningPb, OpeningSchema } from "./gen/opening_pb.js";
import { safeWords } from "./last-words.js";
import { LINEAGE_MAX } from "./messages.js";
import { beforeLink, type MessagePorts, type NotCome, prefixed, readPrefixed } from "./prefixed.js";

/** What an end is on a link; a verifier asks for sums, a planner what a comparison would find, and both for nothing else. */
export type LinkRole = (typeof LINK_ROLES)[number];
const LINK_ROLES = ["source", "replica", "verifier", "planner"] as const;

export interface RootLike {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface PathTarget {
  readonly kind: "path";
  /** As bytes-in-a-string, as the operator wrote it: relative to the working directory over there, unless it is absolute. */
  readonly path: string;
  readonly foreign: "refuse" | "keep" | "limbo";
  /** Changes will come one by one. */
  readonly live: boolean;
  /** Names the source to the replica's state: 32 hex digits. */
  readonly sourceId: string;
}

export type Target = { readonly kind: "store"; readonly store: string } | PathTarget;

/** What the source says of itself, whichever end dialled. */
export interface OpenedSource {
  /** A replica that is not there yet is made like it. */
  readonly root: RootLike | undefined;
  /** Of its log. */
  readonly logId: string;
  /** Its store, and the stores that it is a twin of, nearest first: 32 hex digits each, at most LINEAGE_MAX. Empty: it does not say. */
  readonly lineage: readonly string[];
}

/** Of an end that is no source. */
export const NO_SOURCE: OpenedSource = { root: undefined, logId: "", lineage: [] };

/** What the source says of itself is `NO_SOURCE` where the other end is the source. */
export interface Opening extends OpenedSource {
  /** What the end that dialled is. */
  readonly role: LinkRole;
  /** The name that the end that dialled gives itself; "" where the carrier tells it. */
  readonly peer: string;
  readonly target: Target;
}

const ID_PATTERN = /^[0-9a-f]{32}$/;
const MESSAGE_BYTES_MAX = 16 * 1024;
const NAME_CHARS_MAX = 64;
const PATH_BYTES_MAX = 4095;
const WORDS_CHARS_MAX = 2_000;
const OPENING_MS_MAX = 15_000;
/** A store that was not closed in order is mended first. */
const OPENED_MS_MAX = 300_000;
/** How long one that is refused may take to close. */
const FAREWELL_MS_MAX = 1_000;
const MODE_MAX = 0o7777;
const ID_MAX = 0xffff_fffe;

/**
 * Says what this end wants, and returns when the other one has opened it: with the source's root, if that is the source. When this
 * throws the stream is destroyed.
 * Throws: the other end's refusal, under its own code; link-closed, no-progress, wire-invalid, the abort reason.
 */
export async function askToOpen(ports: MessagePorts, opening: Opening, signal: AbortSignal): Promise<OpenedSource> {
  const step = async (both: AbortSignal): Promise<OpenedSource> => {
    ports.stream.write(prefixed(toBinary(OpeningSchema, openingToPb(opening))));
    const bytes = await readMessage(ports, both);
    const { refusal, ...source } = decode(ports, () => fromBinary(OpenedSchema, bytes, { readUnknownFields: false }));
    if (refusal !== undefined) throw refusalOf(ports.peer, refusal);
    return sourceOf(ports, source);
  };
  return beforeLink(ports, { msMax: OPENED_MS_MAX, notCome: notComeOf(ports, "answer") }, step, signal);
}

/** What the end that dialled wants. When this throws the stream is destroyed. Throws: link-closed, wire-invalid, the abort reason. */
export async function readOpening(ports: MessagePorts, signal: AbortSignal): Promise<Opening> {
  const step = async (both: AbortSignal): Promise<Opening> => {
    const bytes = await readMessage(ports, both);
    const message = decode(ports, () => fromBinary(OpeningSchema, bytes, { readUnknownFields: false }));
    return openingOfPb(ports, message);
  };
  return beforeLink(ports, { msMax: OPENING_MS_MAX, notCome: notComeOf(ports, "wish") }, step, signal);
}

/** From here on the stream carries a link. */
export function letOpen({ stream }: MessagePorts, source: OpenedSource = NO_SOURCE): void {
  stream.write(prefixed(toBinary(OpenedSchema, create(OpenedSchema, sourceToPb(source)))));
}

/** Says why not, and ends the stream. */
export function refuseToOpen({ stream, clock }: MessagePorts, error: unknown): void {
  const { code, message, hint, disposition, exitCode } = recordOfError(error);
  const refusal = { code, disposition, exitCode, message: cut(message), hint: cut(hint) };
  muteErrors(stream);
  stream.resume(); // closing with bytes unread would take the last word back.
  stream.end(prefixed(toBinary(OpenedSchema, create(OpenedSchema, { refusal }))));
  const timer = clock.setTimer(FAREWELL_MS_MAX, () => stream.destroy());
  stream.once("close", () => timer.cancel());
}

function cut(words: string): string {
  return Buffer.from(words.slice(0, WORDS_CHARS_MAX)).toString(); // half a character becomes none.
}

function openingToPb({ role, peer, target, ...source }: Opening): OpeningPb {
  const path = (it: PathTarget) => ({ ...it, path: Buffer.from(it.path, "latin1") });
  return create(OpeningSchema, {
    ...{ role, peer },
    target: target.kind === "store" ? { case: "store", value: target.store } : { case: "path", value: path(target) },
    ...sourceToPb(source),
  });
}

function sourceToPb({ root, logId, lineage }: OpenedSource) {
  return { logId, lineage: [...lineage], ...(root === undefined ? {} : { root }) };
}

function openingOfPb(ports: MessagePorts, { role, peer, target, ...source }: OpeningPb): Opening {
  const refuse = (why: string) => invalid(ports, why);
  if (!isRole(role)) throw refuse("it says of itself what no end of a link is");
  if (peer.length > NAME_CHARS_MAX) throw refuse("its name is too long");
  const common: Omit<Opening, "target"> = { role, peer, ...sourceOf(ports, source) };
  if (target.case === "store") {
    if (target.value.length > NAME_CHARS_MAX) throw refuse("the name of the store is too long");
    return { ...common, target: { kind: "store", store: target.value } };
  }
  if (target.case !== "path") throw refuse("it names no store");
  const { foreign, live, sourceId } = target.value;
  const path = Buffer.from(target.value.path).toString("latin1");
  if (path === "" || path.includes("\0") || path.length > PATH_BYTES_MAX) throw refuse("the path of the store is none");
  if (foreign !== "refuse" && foreign !== "keep" && foreign !== "limbo")
    throw refuse("what is to become of foreign mail is not known here");
  if (!ID_PATTERN.test(sourceId)) throw refuse("the source's identity is none");
  return { ...common, target: { kind: "path", path, foreign, live, sourceId } };
}

function isRole(text: string): text is LinkRole {
  return LINK_ROLES.some((role) => role === text);
}

function isRoot({ mode, uid, gid }: RootLike): boolean {
  return mode <= MODE_MAX && uid <= ID_MAX && gid <= ID_MAX;
}

/** Throws: wire-invalid. */
function sourceOf(
  ports: MessagePorts,
  {
    root,
    logId,
    lineage,
  }: { readonly root?: RootLike | undefined; readonly logId: string; readonly lineage: string[] },
): OpenedSource {
  if (logId !== "" && !ID_PATTERN.test(logId)) throw invalid(ports, "the identity of its log is none");
  if (lineage.length > LINEAGE_MAX || !lineage.every((id) => ID_PATTERN.test(id)))
    throw invalid(ports, "what the source is a twin of is none");
  return { root: rootOf(ports, root), logId, lineage };
}

/** Throws: wire-invalid. */
function rootOf(ports: MessagePorts, root: RootLike | undefined): RootLike | undefined {
  if (root === undefined) return undefined;
  if (!isRoot(root)) throw invalid(ports, "the owner or mode of its root is none");
  const { mode, uid, gid } = root;
  return { mode, uid, gid };
}

/** The other end's words are shown as what they are: somebody else's. */
function refusalOf(
  peer: string,
  {
    code,
    message,
    hint,
    disposition,
    exitCode,
  }: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
    readonly disposition: string;
    readonly exitCode: number;
  },
): Error {
  const isKnown = /^[a-z][a-z0-9-]{0,63}$/.test(code);
  const kind = {
    disposition: dispositionOf(disposition),
    exitCode: exitCode > 0 && exitCode < 256 ? exitCode : EX.PROTOCOL,
    hint: safeWords(hint),
  };
  return new MailtwinError({
    ...{ code: isKnown ? code : "link-refused", kind },
    message: `opening a link with ${peer}: it says: ${safeWords(message)}`,
  });
}

function dispositionOf(text: string): Disposition {
  return text === "retry" || text === "resync" ? text : "operator";
}

function readMessage(ports: MessagePorts, signal: AbortSignal): Promise<Uint8Array> {
  const tooLong = () => invalid(ports, "it is longer than the limit");
  return readPrefixed(ports.stream, { bytesMax: MESSAGE_BYTES_MAX, tooLong }, signal);
}

function notComeOf({ peer }: MessagePorts, what: string): (it: NotCome) => Error {
  return ({ isLate, why, cause }) => {
    const code = what === "answer" && isLate ? "no-progress" : "link-closed";
    return wireError(code, `opening a link with ${peer}: its ${what} did not come: ${why}`, cause);
  };
}

function decode<T>(ports: MessagePorts, read: () => T): T {
  try {
    return read();
  } catch {
    throw invalid(ports, "it is not well-formed");
  }
}

function invalid({ peer }: MessagePorts, why: string): Error {
  return wireError("wire-invalid", `opening a link with ${peer}: reading what it says: ${why}`);
}
