/**
 * Brings a whole replica into agreement with the source, mailbox by mailbox, where the log does not lead it on.
 *
 * INVARIANT: the replica's cursor says from the first mark to the last that a comparison is under way, so that one which is cut off is
 * begun again; the last mark is sent when each mailbox has been compared, or has a rejection.
 * INVARIANT: what replication wrote is removed only if something of it still stands: an emptied replica is not filled unasked.
 */
import { eachInTurn } from "../base/beside.js";
import type { RawPath } from "../base/raw-name.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { StandingMailbox } from "../wire/messages.js";
import type { Questions } from "./asker.js";
import { inboxFirst, isLarge } from "./away-order.js";
import type { ComparisonProgress } from "./comparison-progress.js";
import { agentError } from "./errors.js";
import type { LogSender } from "./log-sender.js";
import type { Mender } from "./mender.js";
import type { MayHave, OfferLine } from "./offer-line.js";
import type { Rejections } from "./rejections.js";
import { readStanding } from "./replica-pages.js";

export interface StoreComparisonPorts {
  readonly name: string;
  readonly reader: StateReader;
  readonly asker: Questions;
  readonly line: OfferLine;
  readonly sender: LogSender;
  readonly mender: Mender;
  readonly rejections: Rejections;
  readonly mayHave: MayHave;
  readonly progress: ComparisonProgress;
}

export interface Place {
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
  /** The source's. */
  readonly messages: number;
}

/** Mailboxes that are compared at a time: large ones keep no other waiting. */
const LANES_MAX = 2;

/**
 * Holds all mailboxes of the source back, and has the replica note that a comparison is under way. Nothing of the log is offered in the
 * turn in which it is called. Throws: replica-emptied.
 */
export async function beginComparison(ports: StoreComparisonPorts, signal: AbortSignal): Promise<readonly Place[]> {
  const { reader, rejections, line, asker } = ports;
  const all = reader.mailboxes();
  const own = ownPlaces(ports, all);
  for (const { mailbox } of own) rejections.mend(mailbox);
  await line.mark(0, false, signal);
  const written = await standingOf(ports.name, asker, signal);
  const going = goingPlaces(ports, all, written);
  for (const { mailbox } of going) rejections.mend(mailbox);
  return [...going, ...own];
}

interface Sharing {
  readonly rejections: Pick<Rejections, "rows">;
  readonly mayHave: MayHave;
}

/** Of the source's mailboxes those that the replica may have; the outer one before what lies in it. */
export function ownPlaces(
  { mayHave = () => true }: Pick<Sharing, "mayHave">,
  all: readonly MailboxRow[],
): readonly Place[] {
  const own = all.filter(({ path }) => mayHave(path));
  const places = own.map(({ guid, path, messages }): Place => ({ mailbox: guid, path, messages }));
  return places.sort((a, b) => inboxFirst(a.path, b.path));
}

/** What the replica or the rejection log has, and the source has not: it makes room for what comes, and goes first. */
export function goingPlaces(
  { rejections, mayHave = () => true }: Sharing,
  all: readonly MailboxRow[],
  written: readonly StandingMailbox[],
): readonly Place[] {
  const known = new Set(all.map(({ guid }) => guid)); // what it may not have, and has all the same, is left alone.
  const left = [...written, ...rejections.rows].filter(({ mailbox, path }) => !known.has(mailbox) && mayHave(path));
  const places = new Map(left.map(({ mailbox, path }) => [mailbox, { mailbox, path, messages: 0 }]));
  return [...places.values()].sort((a, b) => (a.path < b.path ? 1 : -1));
}

/** Returns the LSN up to which the log counts as applied on the replica, durably. */
export async function compareStore(
  { mender, line, sender, progress }: StoreComparisonPorts,
  places: readonly Place[],
  signal: AbortSignal,
): Promise<number> {
  progress.begin(places);
  const work = async ({ mailbox }: Place) => {
    await mender.compareNow(mailbox, signal);
    progress.compared(mailbox);
  };
  await eachInTurn(places, { lanesMax: LANES_MAX, isLarge, work });
  // INVARIANT: in one turn: all of the log up to here was sent before the mark.
  const lsn = sender.sentLsn;
  await line.mark(lsn, true, signal);
  return lsn;
}

/** What was written to the replica, and how it stands. Throws: replica-emptied. */
export async function standingOf(
  name: string,
  asker: Questions,
  signal: AbortSignal,
): Promise<readonly StandingMailbox[]> {
  const written = await readStanding(asker, signal);
  if (written.length === 0 || written.some(({ stands }) => stands !== "gone")) return written;
  const what = written.length === 1 ? "the mailbox that was" : `none of the ${written.length} mailboxes that were`;
  const words = written.length === 1 ? `${what} written there is gone` : `${what} written there is left`;
  throw agentError("replica-emptied", `looking at what ${name} has: ${words}`);
}
