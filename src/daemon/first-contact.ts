/**
 * What happens before the first transaction goes to a destination that mailtwin has never written to: mail that only the
 * destination has is never mixed in or removed without being asked, and mail that both have need not be sent.
 *
 * A mailbox of another identity begins anew. What both have of it goes to the limbo first, each file with the hash of the source's
 * message, so that those with the same bytes serve again as bodies (apply/confirm-copies.ts). A run that is killed on the way
 * is a first contact again, and goes on with what still stands.
 */
import type { Asker } from "../agent/asker.js";
import { askFor, Inventories } from "../agent/replica-pages.js";
import { MailtwinError } from "../base/errors.js";
import type { RawPath } from "../base/raw-name.js";
import { formatCount } from "../base/text-format.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { BodyMethods } from "../capture/body-types.js";
import type { CaptureMethods, StatesPage } from "../capture/capture-types.js";
import type { Capturer } from "../capture/capturer.js";
import type { MailboxRow } from "../log/state-types.js";
import { parseUid, UID_MAX } from "../maildir/ids.js";
import { type TreeOf, treesOf } from "../maildir/whose-tree.js";
import { findElsewhere } from "../resync/elsewhere.js";
import {
  type ContactFinding,
  compareAtFirstContact,
  type ReplicaMailbox,
  type SourceMailbox,
} from "../resync/first-contact.js";
import { visibleMarks } from "../txn/marks.js";
import type { SurveyedMailbox } from "../wire/messages.js";
import { describeElsewhere, refuseWhole } from "./elsewhere.js";
import { daemonError } from "./errors.js";
import type { Places } from "./places.js";
import { type HashedMailbox, type HashedMessage, hashMessages } from "./source-hashes.js";
import { countOf, mailboxName } from "./words.js";

export interface FirstContactPorts {
  readonly asker: Asker;
  readonly worker: WorkerClient<CaptureMethods>;
  readonly bodies: WorkerClient<BodyMethods>;
  readonly capturer: Pick<Capturer, "rows">;
  readonly stores: Pick<Places, "source" | "destination">;
  /** What is done with mail or mailboxes that the destination has otherwise than the source, in words. */
  readonly onConflict: (path: RawPath, words: string) => void;
  /** What is kept of the destination's own mail, in words. */
  readonly onKept: (words: string) => void;
  /** The program compares by itself: then one owner's doing refuses no run. */
  readonly isAnew: boolean;
  /** Mail that was to go to the limbo stays in that mailbox: its transactions, if there are any, may all be applied beside it. */
  readonly onRefused: (path: RawPath, error: MailtwinError) => void;
}

export type ForeignChoice = "refuse" | "keep" | "limbo";

const STATES_MAX = 20_000;
const BASES_MAX = 5_000;
/** The replica reads that much in one go, with its other work waiting; a larger message goes alone. */
const HASHED_BYTES_MAX = 64 * 1024 * 1024;
const NAMED_MAX = 5;

/** What was done before the first offer. */
export interface Meeting {
  /** For each mailbox of the source that stands there, by GUID, how many of its messages do. */
  readonly foundByGuid: ReadonlyMap<string, number>;
  /** How many of these have other flags or keywords in the destination, and take the source's. */
  readonly remarked: number;
  /** Bodies that are not sent: files of DST that have the same bytes, in mailboxes that begin anew. */
  readonly reused: number;
  /** Messages that only the destination has, and that stay there. */
  readonly kept: number;
  /** Messages that are in the limbo now. */
  readonly toLimbo: number;
  /** The GUIDs of mailboxes that are moved to where the source has them, each when its first transaction comes. */
  readonly elsewhere: ReadonlySet<string>;
}

interface SourceMail extends SourceMailbox, HashedMailbox {
  readonly guid: MailboxRow["guid"];
  readonly uidNext: number;
  readonly messageByBase: ReadonlyMap<string, MarkedMessage>;
}

interface MarkedMessage extends HashedMessage {
  readonly marks: string;
}

/** Which mailboxes stand at the destination. */
export async function surveyDestination(asker: Asker, signal: AbortSignal): Promise<readonly SurveyedMailbox[]> {
  return (await askFor(asker, { kind: "survey" }, "survey", signal)).mailboxes;
}

/**
 * Call it when the source is captured. Mail that is kept in a mailbox that takes another identity is set aside, and mail in the
 * way of messages while others are still to come; put it back with `restoreAside` once the source's mail is there.
 * Throws: maildirs-elsewhere, destination-has-mail, having changed nothing.
 */
export async function meetDestination(
  ports: FirstContactPorts,
  standing: readonly SurveyedMailbox[],
  choice: ForeignChoice,
  signal: AbortSignal,
): Promise<Meeting> {
  const { asker } = ports;
  const elsewhere = findElsewhere(standing, ports.capturer.rows);
  if (!ports.isAnew) refuseWhole(elsewhere, ports.stores);
  const inventories = new Inventories(asker);
  const replica: ReplicaMailbox[] = [];
  for (const mailbox of standing) {
    const messages = await readUnlessRefused(inventories, mailbox.path, signal);
    if (messages instanceof MailtwinError) {
      const isAtSource = [...ports.capturer.rows].some((row) => row.guid === mailbox.guid || row.path === mailbox.path);
      if (choice === "limbo" && !isAtSource) ports.onRefused(mailbox.path, messages);
    } else if (messages.length > 0) replica.push({ ...mailbox, messages });
  }
  const sources = await readSources(ports, replica, signal);
  const treeOf = treesAt([...standing, ...ports.capturer.rows]);
  const sourceByPath = new Map(replica.map((mailbox) => [mailbox.path, sourceOf(sources, mailbox, treeOf)]));
  const findings = compareAtFirstContact(replica, ({ path }) => sourceByPath.get(path));
  const foreign = findings.filter((finding) => finding.foreign.length > 0);
  if (foreign.length > 0 && choice === "refuse") throw refusal(foreign);
  await tellStrangers(ports, standing, signal);
  if (foreign.length > 0 && choice === "keep") ports.onKept(`${wordsOfForeign(foreign)}: kept beside`);
  const foundByGuid = new Map<string, number>();
  let [kept, toLimbo, remarked, reused] = [0, 0, 0, 0];
  for (const it of elsewhere) ports.onConflict(it.path, describeElsewhere(it));
  for (const finding of findings) {
    const { path, isOther, copies, changed, present } = finding;
    const source = sourceByPath.get(path);
    try {
      if (choice === "limbo") toLimbo += await removeForeign(asker, finding, source !== undefined, signal);
      else if (isOther) await move(asker, path, finding.foreign, "aside", signal);
      else if (source !== undefined) await makeWay(ports, finding, source, signal);
      if (source !== undefined && !isOther) foundByGuid.set(source.guid, present);
      remarked += finding.remarked;
      if (choice === "keep") kept += finding.foreign.length;
      if (source !== undefined) reused += await giveWay(ports, { path, source, copies }, signal);
      toLimbo += await move(asker, path, changed, "limbo", signal);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // One mailbox's matter. What is offered for it meets the same, and is named then, but for mail that is in nobody's way.
      if (choice === "limbo" && finding.foreign.length > 0) ports.onRefused(path, error);
    }
  }
  return { foundByGuid, remarked, reused, kept, toLimbo, elsewhere: new Set(elsewhere.map(({ guid }) => guid)) };
}

/**
 * What the source does not have is nobody's to the replica: where one of the source's comes to stand, an empty one gives way, and one
 * with mail is not moved elsewhere.
 */
async function tellStrangers(
  { asker, capturer }: FirstContactPorts,
  standing: readonly SurveyedMailbox[],
  signal: AbortSignal,
): Promise<void> {
  const own = new Set(Array.from(capturer.rows, ({ guid }) => guid));
  const strangers = standing.flatMap(({ guid }) => (guid === "" || own.has(guid) ? [] : [guid]));
  if (strangers.length > 0) await askFor(asker, { kind: "survey", strangers }, "survey", signal);
}

/**
 * Kept mail gets out of the way of the source's. Where the source has newer messages they come first: whatever gets a UID above
 * theirs before would make the destination pass them.
 */
async function makeWay(
  { asker, onConflict }: FirstContactPorts,
  { path, inTheWay, hasNewer }: ContactFinding,
  { guid: mailbox, uidNext: floor }: SourceMail,
  signal: AbortSignal,
): Promise<void> {
  if (inTheWay.length === 0) return;
  if (hasNewer) {
    const bases = inTheWay.map(({ base }) => base);
    await move(asker, path, bases, "aside", signal);
  } else {
    const uids = inTheWay.map(({ uid }) => uid);
    const question = { kind: "yield-uids", mailbox, uids, from: parseUid(UID_MAX), floor } as const;
    await askFor(asker, question, "yielded-uids", signal);
  }
  onConflict(path, wordsOfYielded(path, inTheWay.length));
}

/**
 * Puts back all that was set aside of these mailboxes, now or before a crash, as new mail with UIDs above the source's. What a
 * mailbox refuses stays aside. Returns whether all of it is back.
 */
export async function restoreAside(
  asker: Asker,
  paths: readonly RawPath[],
  onRefused: (path: RawPath, error: MailtwinError) => void,
  signal: AbortSignal,
): Promise<boolean> {
  let isWhole = true;
  for (const path of paths) {
    try {
      await askFor(asker, { kind: "foreign", path, bases: [], action: "restore" }, "foreign", signal);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      isWhole = false;
      onRefused(path, error);
    }
  }
  return isWhole;
}

/** An error for a mailbox whose uidlist cannot be read: what is offered for it will be refused, and nothing in it touched. */
async function readUnlessRefused(inventories: Inventories, path: RawPath, signal: AbortSignal) {
  try {
    return await inventories.read(path, signal);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return error;
  }
}

/** Also where somebody keeps the mailbox's lock: an owner can for as long as he likes. */
function isRefusal(error: unknown): error is MailtwinError {
  return error instanceof MailtwinError && (error.code === "mailbox-rejected" || error.code === "replica-lock-held");
}

/** By the mailboxes that stand at the destination or are the source's. */
export function treesAt(mailboxes: Iterable<{ readonly path: RawPath }>): TreeOf {
  const paths = new Set<string>();
  for (const { path } of mailboxes) paths.add(path);
  return treesOf((path) => paths.has(path));
}

/**
 * Keyed by GUID and by path: one without a GUID yet is looked up by its path only ("" would be the root's), and so is one whose GUID is
 * that of another user's mailbox.
 */
function sourceOf<T extends Pick<SourceMailbox, "path">>(
  sources: ReadonlyMap<string, T>,
  { guid, path }: Pick<ReplicaMailbox, "guid" | "path">,
  treeOf: TreeOf,
): T | undefined {
  const named = guid === "" ? undefined : sources.get(guid);
  return named !== undefined && treeOf(named.path) === treeOf(path) ? named : sources.get(path);
}

/** By GUID and by path. */
async function readSources(
  { worker, capturer }: FirstContactPorts,
  replica: readonly ReplicaMailbox[],
  signal: AbortSignal,
): Promise<Map<string, SourceMail>> {
  const guids = new Set(replica.map((mailbox) => mailbox.guid));
  const paths = new Set(replica.map((mailbox) => mailbox.path));
  const found = new Map<string, SourceMail>();
  for (const row of capturer.rows) {
    if (!guids.has(row.guid) && !paths.has(row.path)) continue;
    const mailbox = await readSource(worker, row, signal);
    found.set(row.guid, mailbox);
    if (!found.has(row.path)) found.set(row.path, mailbox);
  }
  return found;
}

async function readSource(
  worker: WorkerClient<CaptureMethods>,
  { path, guid, uidValidity, uidNext }: MailboxRow,
  signal: AbortSignal,
): Promise<SourceMail> {
  const messageByBase = new Map<string, MarkedMessage>();
  let afterUid: number | undefined = 0;
  while (afterUid !== undefined) {
    signal.throwIfAborted();
    const page: StatesPage = await worker.call("states", { guid, afterUid, max: STATES_MAX });
    for (const it of page.states) {
      const { uid, base, size } = it;
      messageByBase.set(base, { uid, base, size, marks: visibleMarks(it) });
    }
    afterUid = page.nextAfterUid;
  }
  return { path, guid, uidValidity, uidNext, messageByBase };
}

/** Copies of the source's messages go to the limbo, from where those with the same bytes are had back: so many. */
async function giveWay(
  { asker, bodies }: FirstContactPorts,
  { path, source, copies }: { readonly path: RawPath; readonly source: SourceMail; readonly copies: readonly string[] },
  signal: AbortSignal,
): Promise<number> {
  let reused = 0;
  const messages = copies.flatMap((base) => source.messageByBase.get(base) ?? []);
  for (const batch of batchesOf(messages)) {
    const hashByBase = await hashMessages(bodies, source, batch, signal);
    const known = batch.flatMap(({ base }) => {
      const hash = hashByBase.get(base);
      return hash === undefined ? [] : [{ base, hash }];
    });
    if (known.length > 0) {
      const [bases, hashes] = [known.map(({ base }) => base), known.map(({ hash }) => hash)];
      reused += (await askFor(asker, { kind: "foreign", path, bases, action: "limbo", hashes }, "foreign", signal))
        .copies;
    }
    const unknown = batch.filter(({ base }) => !hashByBase.has(base)).map(({ base }) => base);
    await move(asker, path, unknown, "limbo", signal);
  }
  return reused;
}

/** A mailbox that the source does not have goes as well: as an empty folder it would be all that is left of its mail. */
async function removeForeign(
  asker: Asker,
  { path, foreign }: ContactFinding,
  isAtSource: boolean,
  signal: AbortSignal,
): Promise<number> {
  const moved = await move(asker, path, foreign, "limbo", signal);
  if (!isAtSource) await askFor(asker, { kind: "foreign", path, bases: [], action: "limbo" }, "foreign", signal);
  return moved;
}

function* batchesOf(messages: readonly HashedMessage[]): Generator<HashedMessage[]> {
  let batch: HashedMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    if (batch.length === BASES_MAX || (batch.length > 0 && bytes + message.size > HASHED_BYTES_MAX)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(message);
    bytes += message.size;
  }
  if (batch.length > 0) yield batch;
}

async function move(
  asker: Asker,
  path: RawPath,
  bases: readonly string[],
  action: "limbo" | "aside",
  signal: AbortSignal,
): Promise<number> {
  let moved = 0;
  for (let at = 0; at < bases.length; at += BASES_MAX) {
    const question = { kind: "foreign", path, bases: bases.slice(at, at + BASES_MAX), action } as const;
    moved += (await askFor(asker, question, "foreign", signal)).messages;
  }
  return moved;
}

function wordsOfYielded(path: RawPath, messages: number): string {
  const isOne = messages === 1;
  const what = isOne ? "gets a new UID: the source has used its own" : "get new UIDs: the source has used theirs";
  return `${mailboxName(path)}: ${countOf(messages, "message")} that only the destination has ${what}`;
}

/** Why a first contact is refused that finds these. */
export function refusal(foreign: readonly ContactFinding[]): Error {
  return daemonError("destination-has-mail", `twinning for the first time: ${wordsOfForeign(foreign)}`);
}

function wordsOfForeign(foreign: readonly ContactFinding[]): string {
  const total = foreign.reduce((sum, finding) => sum + finding.foreign.length, 0);
  const named = foreign
    .slice(0, NAMED_MAX)
    .map(({ path, foreign: bases }) => `${mailboxName(path)} (${formatCount(bases.length)})`);
  const more = foreign.length > NAMED_MAX ? ` and ${countOf(foreign.length - NAMED_MAX, "mailbox")} more` : "";
  return `the destination holds ${countOf(total, "message")} that the source does not have, in ${named.join(", ")}${more}`;
}
