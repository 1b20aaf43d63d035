/**
 * What happens before the first transaction goes to a destination that mailtwin has never written to: mail that only the
 * destination has is never mixed in or removed without being asked, and mail that both have need not be sent.
 *
 * A mailbox of another identity begins anew. What both have of it goes to the limbo first, each file with the hash of the source's
 * message, so that those with the same bytes serve again as bodies (apply/confirm-copies.ts). A run that is killed on the way
 * is a first contact again, and goes on with what still stands.
 */
import type { Asker } from "../agent/asker.js";
import { agentError } from "../agent/errors.js";
import { askFor, Inventories } from "../agent/replica-pages.js";
import { boundHeaps } from "../base/bounded-heaps.js";
import type { MailtwinError } from "../base/errors.js";
import { displayRaw, type RawPath } from "../base/raw-name.js";
import { formatCount } from "../base/text-format.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { BodyMethods } from "../capture/body-types.js";
import type { CaptureMethods, StatesPage } from "../capture/capture-types.js";
import type { Capturer } from "../capture/capturer.js";
import type { MailboxRow } from "../log/state-types.js";
import { type MailboxGuid, parseUid, UID_MAX } from "../maildir/ids.js";
import { type TreeOf, treesOf } from "../maildir/whose-tree.js";
import { SourceMessages } from "../resync/contact-columns.js";
import { findElsewhere } from "../resync/elsewhere.js";
import { ContactComparison, type ContactFinding, type Listed } from "../resync/first-contact.js";
import { visibleMarks } from "../txn/marks.js";
import type { SurveyedMailbox } from "../wire/messages.js";
import { batchesOf } from "./contact-batches.js";
import { describeElsewhere, refuseWhole } from "./elsewhere.js";
import { daemonError } from "./errors.js";
import { basesOf, isRefusal, moveMail } from "./foreign-moves.js";
import { claimsOf, followAll, type NextUidPorts } from "./next-uids.js";
import type { Places } from "./places.js";
import type { RenumberedReport } from "./reporter.js";
import { hashMessages } from "./source-hashes.js";
import { countOf, mailboxName } from "./words.js";

export interface FirstContactPorts extends NextUidPorts {
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
  /** It is no first contact, and one mailbox is meant: what the replica knows of all others stays as it is. */
  readonly isMet?: boolean;
  /** A mailbox of the source that has another UIDVALIDITY there takes the source's. */
  readonly onRenumbered?: (report: RenumberedReport) => void;
  /** Nothing is done to such a mailbox: what is offered for it is refused, and named then. */
  readonly leavesUidValidity?: boolean;
  /** Mail that was to go to the limbo stays in that mailbox: its transactions, if there are any, may all be applied beside it. */
  readonly onRefused: (path: RawPath, error: MailtwinError) => void;
}

export type ForeignChoice = "refuse" | "keep" | "limbo";

/** Objects that live as long as their page: small pages are gone before anything is moved to make room. */
const STATES_MAX = 4096;
const NAMED_MAX = 5;
/** Copies of one mailbox of the source at the destination: for each of them the source's is read. */
const SAME_MAILBOX_MAX = 16;

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

/** One mailbox of the destination that there is something to say of. */
interface Compared {
  readonly finding: ContactFinding;
  /** The source's mailbox that it is, or that is to stand there. */
  readonly source: MailboxRow | undefined;
  /** It is that mailbox, and has this UIDVALIDITY. */
  readonly before: number | undefined;
}

/** Which mailboxes stand at the destination. */
export async function surveyDestination(asker: Asker, signal: AbortSignal): Promise<readonly SurveyedMailbox[]> {
  return (await askFor(asker, { kind: "survey" }, "survey", signal)).mailboxes;
}

/**
 * Call it when the source is captured. Mail that is kept in a mailbox that takes another identity is set aside, and mail in the
 * way of messages while others are still to come; put it back with `restoreAside` (foreign-moves.ts) once the source's mail is there.
 * Then the source's next UIDs are raised to those of the destination (next-uids.ts).
 * Throws: maildirs-elsewhere, destination-has-mail, having changed nothing.
 */
export async function meetDestination(
  ports: FirstContactPorts,
  standing: readonly SurveyedMailbox[],
  choice: ForeignChoice,
  signal: AbortSignal,
): Promise<Meeting> {
  using _ = boundHeaps();
  const { asker } = ports;
  const elsewhere = findElsewhere(standing, ports.capturer.rows);
  if (!ports.isAnew) refuseWhole(elsewhere, ports.stores);
  const rows = rowsOf(ports.capturer.rows, treesAt([...standing, ...ports.capturer.rows]));
  const compared = await compareAll(ports, { standing, rows, choice }, signal);
  const foreign = compared.map(({ finding }) => finding).filter((finding) => finding.foreign.length > 0);
  if (foreign.length > 0 && choice === "refuse") throw refusal(foreign);
  if (ports.isMet !== true) await tellStrangers(ports, standing, signal);
  if (foreign.length > 0 && choice === "keep") ports.onKept(`${wordsOfForeign(foreign)}: kept beside`);
  const foundByGuid = new Map<string, number>();
  const yielded = new Map<MailboxGuid, number>();
  let [kept, toLimbo, remarked, reused] = [0, 0, 0, 0];
  for (const it of elsewhere) ports.onConflict(it.path, describeElsewhere(it));
  for (const { finding, source, before } of compared) {
    const { path, isOther, copies, changed, present } = finding;
    try {
      if (choice === "limbo") toLimbo += await removeForeign(asker, finding, source !== undefined, signal);
      else if (isOther) await moveMail(asker, path, basesOf(finding.foreign), "aside", signal);
      else if (source !== undefined) yielded.set(source.guid, await makeWay(ports, finding, source, signal));
      if (source !== undefined && !isOther) foundByGuid.set(source.guid, present);
      remarked += finding.remarked;
      if (choice === "keep") kept += finding.foreign.length;
      if (source !== undefined) {
        const given = await giveWay(ports, { path, source, copies }, signal);
        reused += given.reused;
        toLimbo += given.toLimbo;
      }
      toLimbo += await moveMail(asker, path, basesOf(changed), "limbo", signal);
      if (source !== undefined && before !== undefined)
        ports.onRenumbered?.({ path: displayRaw(path), before, after: source.uidValidity, messages: source.messages });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // One mailbox's matter. What is offered for it meets the same, and is named then, but for mail that is in nobody's way.
      if (choice === "limbo" && finding.foreign.length > 0) ports.onRefused(path, error);
    }
  }
  await followAll(ports, claimsOf(standing, rows.find, yielded), signal);
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
 * theirs before would make the destination pass them. Returns the destination's next UID where mail has moved up, else 0.
 */
async function makeWay(
  { asker, onConflict }: FirstContactPorts,
  { path, inTheWay, hasNewer }: ContactFinding,
  { guid: mailbox, uidNext: floor }: MailboxRow,
  signal: AbortSignal,
): Promise<number> {
  if (inTheWay.length === 0) return 0;
  let uidNext = 0;
  if (hasNewer) {
    await moveMail(asker, path, basesOf(inTheWay), "aside", signal);
  } else {
    const uids = Array.from(inTheWay, ({ uid }) => uid);
    const question = { kind: "yield-uids", mailbox, uids, from: parseUid(UID_MAX), floor } as const;
    ({ uidNext } = await askFor(asker, question, "yielded-uids", signal));
  }
  onConflict(path, wordsOfYielded(path, inTheWay.length));
  return uidNext;
}

/** By the mailboxes that stand at the destination or are the source's. */
export function treesAt(mailboxes: Iterable<{ readonly path: RawPath }>): TreeOf {
  const paths = new Set<string>();
  for (const { path } of mailboxes) paths.add(path);
  return treesOf((path) => paths.has(path));
}

/**
 * Mailbox by mailbox, and of each page by page. One whose uidlist cannot be read is left out: what is offered for it will be refused, and
 * nothing in it touched.
 */
async function compareAll(
  ports: FirstContactPorts,
  {
    standing,
    rows,
    choice,
  }: { readonly standing: readonly SurveyedMailbox[]; readonly rows: SourceRows; readonly choice: ForeignChoice },
  signal: AbortSignal,
): Promise<readonly Compared[]> {
  const inventories = new Inventories(ports.asker);
  const all: Compared[] = [];
  const paths = new Set<RawPath>();
  const timesRead = new Map<MailboxRow, number>();
  for (const mailbox of standing) {
    const source = rows.find(mailbox);
    const times = source === undefined ? 0 : (timesRead.get(source) ?? 0) + 1;
    if (source !== undefined) timesRead.set(source, times);
    if (paths.has(mailbox.path) || times > SAME_MAILBOX_MAX) throw namedTooOften(mailbox);
    paths.add(mailbox.path);
    const before = uidValidityBefore(mailbox, source);
    if (before !== undefined && ports.leavesUidValidity === true) continue;
    try {
      const finding = await compareOne(ports, inventories, { mailbox, source }, signal);
      if (finding !== undefined) all.push({ finding, source, before });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (choice === "limbo" && !rows.has(mailbox)) ports.onRefused(mailbox.path, error);
    }
  }
  return all;
}

/** Undefined where it is another mailbox, or has the source's. */
function uidValidityBefore({ guid, uidValidity }: SurveyedMailbox, source: MailboxRow | undefined): number | undefined {
  return source?.guid === guid && source.uidValidity !== uidValidity ? uidValidity : undefined;
}

/** Undefined where it has no mail. */
async function compareOne(
  { worker }: FirstContactPorts,
  inventories: Inventories,
  { mailbox, source }: { readonly mailbox: SurveyedMailbox; readonly source: MailboxRow | undefined },
  signal: AbortSignal,
): Promise<ContactFinding | undefined> {
  let comparison: ContactComparison | undefined;
  for await (const messages of inventories.pages(mailbox.path, signal)) {
    if (messages.length === 0) continue;
    comparison ??= new ContactComparison(
      mailbox,
      source === undefined ? undefined : { ...source, messages: await readSource(worker, source, signal) },
    );
    comparison.add(messages);
  }
  return comparison?.finding();
}

/** Each costs the source a reading of its own mailbox, which a replica could else ask for without end. */
function namedTooOften({ path }: SurveyedMailbox) {
  return agentError(
    "peer-confused",
    `comparing what stands at the destination: it names ${mailboxName(path)} again and again`,
  );
}

interface SourceRows {
  /** Of the mailbox that is the one that stands at the destination, or that is to stand there. */
  find(mailbox: SurveyedMailbox): MailboxRow | undefined;
  /** Whether one has its GUID or its path, whosever it is. */
  has(mailbox: SurveyedMailbox): boolean;
}

/** One without a GUID yet is looked up by its path only, and so is one whose GUID is that of another user's mailbox. */
function rowsOf(all: Iterable<MailboxRow>, treeOf: TreeOf): SourceRows {
  const byGuid = new Map<string, MailboxRow>();
  const byPath = new Map<string, MailboxRow>();
  for (const row of all) {
    byGuid.set(row.guid, row);
    if (!byPath.has(row.path)) byPath.set(row.path, row);
  }
  return {
    find: ({ guid, path }) => {
      const named = byGuid.get(guid);
      return named !== undefined && treeOf(named.path) === treeOf(path) ? named : byPath.get(path);
    },
    has: ({ guid, path }) => byGuid.has(guid) || byPath.has(path),
  };
}

async function readSource(
  worker: WorkerClient<CaptureMethods>,
  { guid, messages }: MailboxRow,
  signal: AbortSignal,
): Promise<SourceMessages> {
  const found = new SourceMessages(messages);
  let afterUid: number | undefined = 0;
  while (afterUid !== undefined) {
    signal.throwIfAborted();
    const page: StatesPage = await worker.call("states", { guid, afterUid, max: STATES_MAX });
    for (const state of page.states) found.add(state, visibleMarks(state));
    afterUid = page.nextAfterUid;
  }
  return found;
}

/** Copies of the source's messages go to the limbo, from where those with the same bytes are had back: `reused`. The others stay there. */
async function giveWay(
  { asker, bodies }: FirstContactPorts,
  { path, source, copies }: { readonly path: RawPath; readonly source: MailboxRow; readonly copies: Listed },
  signal: AbortSignal,
): Promise<Pick<Meeting, "reused" | "toLimbo">> {
  let [reused, toLimbo] = [0, 0];
  for (const batch of batchesOf(copies)) {
    const hashByBase = await hashMessages(bodies, source, batch, signal);
    const known = batch.flatMap(({ base }) => {
      const hash = hashByBase.get(base);
      return hash === undefined ? [] : [{ base, hash }];
    });
    if (known.length > 0) {
      const [bases, hashes] = [known.map(({ base }) => base), known.map(({ hash }) => hash)];
      const question = { kind: "foreign", path, bases, action: "limbo", hashes } as const;
      const { messages, copies: same } = await askFor(asker, question, "foreign", signal);
      reused += same;
      toLimbo += Math.max(0, messages - same);
    }
    const unknown = batch.filter(({ base }) => !hashByBase.has(base)).map(({ base }) => base);
    toLimbo += await moveMail(asker, path, unknown, "limbo", signal);
  }
  return { reused, toLimbo };
}

/** A mailbox that the source does not have goes as well: as an empty folder it would be all that is left of its mail. */
async function removeForeign(
  asker: Asker,
  { path, foreign }: ContactFinding,
  isAtSource: boolean,
  signal: AbortSignal,
): Promise<number> {
  const moved = await moveMail(asker, path, basesOf(foreign), "limbo", signal);
  if (!isAtSource) await askFor(asker, { kind: "foreign", path, bases: [], action: "limbo" }, "foreign", signal);
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
