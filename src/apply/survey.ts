/**
 * What stands in the store, read from disk alone: for first contact, dry runs and repair. Writes nothing.
 */
import { firstAbove } from "../base/ascending.js";
import type { Dir, Disk } from "../base/disk.js";
import { openBelow } from "../base/open-below.js";
import { type RawPath, splitRaw } from "../base/raw-name.js";
import { discoverMailboxes } from "../maildir/discover.js";
import { type BaseName, type MailboxGuid, parseUid } from "../maildir/ids.js";
import { CUR } from "../maildir/mailbox-files.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { readUidlistEnds, readUidlistHeader } from "../maildir/uidlist-ends.js";
import type { MessageState } from "../txn/message-state.js";
import type { ApplyOptions, InventoryOutcome, InventoryRequest, SurveyedMailbox } from "./apply-types.js";
import { closeBelow } from "./locate.js";
import { isWrongKind, MailboxDirs, openStore } from "./mailbox-place.js";
import { NO_GUID, type Reading, readMailbox, sizeAt, stateAt } from "./reading.js";
import { refusing } from "./refusing.js";

export interface SurveyedStore {
  readonly disk: Disk;
  readonly options: Pick<ApplyOptions, "storeRoot">;
}

/** Every mailbox of the store, by path. Costs a few reads a mailbox, nothing per message. */
export function surveyMailboxes({ disk, options }: SurveyedStore): SurveyedMailbox[] {
  const root = openStore(disk, options.storeRoot);
  try {
    return discoverMailboxes(options.storeRoot).mailboxes.map(({ path }) => surveyMailbox(root, path));
  } finally {
    root.close();
  }
}

/** Told which mailboxes stand. */
interface StandingSink {
  noteStanding(guids: ReadonlySet<MailboxGuid>): void;
}

/** As `surveyMailboxes`; what stands now counts as the source's own from here on, but for `strangers`. */
export function noteSurvey(
  context: SurveyedStore & { readonly whereabouts: StandingSink },
  strangers: readonly MailboxGuid[],
): SurveyedMailbox[] {
  const found = surveyMailboxes(context);
  const standing = new Set(found.flatMap(({ guid }) => guid ?? []));
  for (const guid of strangers) standing.delete(guid);
  context.whereabouts.noteStanding(standing);
  return found;
}

/** One mailbox, by its path. */
export function surveyMailbox(root: Dir, path: RawPath): SurveyedMailbox {
  const surveyed = refusing({ mailbox: NO_GUID, path }, () => surveyAt(root, path));
  return "kind" in surveyed ? { path } : surveyed; // its inventory says why it cannot be read.
}

function surveyAt(root: Dir, path: RawPath): SurveyedMailbox {
  const dir = openQuietly(root, path);
  if (dir === undefined) return { path };
  try {
    const ends = readUidlistEnds(dir);
    const header = ends?.header ?? readUidlistHeader(dir); // whose it is does not depend on its last line.
    if (header === undefined) return { path };
    const { uidValidity, guid } = header;
    const uidNext = ends === undefined ? {} : { uidNext: ends.uidNext };
    return { path, uidValidity, ...uidNext, ...(guid === undefined ? {} : { guid }) };
  } finally {
    closeBelow(root, dir);
  }
}

function openQuietly(root: Dir, path: RawPath): Dir | undefined {
  try {
    return openBelow(root, splitRaw(path));
  } catch (error) {
    if (isWrongKind(error)) return undefined;
    throw error;
  }
}

/** Reads one mailbox page by page from one listing; another path, or the end, lets go of it. */
export class InventoryReader {
  #reading: Reading | undefined;

  /** What the system refuses in this mailbox is its divergence; the others can be read. */
  read(root: Dir, request: InventoryRequest): InventoryOutcome {
    return refusing({ mailbox: NO_GUID, path: request.path }, () => this.#read(root, request));
  }

  #read(root: Dir, { path, afterUid, afterBase = "", messagesMax }: InventoryRequest): InventoryOutcome {
    const dir = openQuietly(root, path);
    if (dir === undefined) return { kind: "absent" };
    try {
      if (dir.stat(CUR)?.kind !== "directory") return { kind: "absent" };
      using dirs = new MailboxDirs(dir);
      const isFirst = afterUid === 0 && afterBase === "";
      const known = this.#reading?.path === path && !isFirst ? this.#reading : undefined;
      const reading = known ?? readMailbox(dirs, path);
      if ("kind" in reading) return reading;
      const page = pageOf(dirs, reading, { afterUid, afterBase, messagesMax });
      this.#reading = page.more ? reading : undefined;
      const { uidlist, unnumbered } = reading;
      const uidNext = uidlist?.nextUid ?? 1;
      return { kind: "read", ...identityOf(uidlist), uidNext, ...page, unnumbered: unnumbered.length };
    } finally {
      closeBelow(root, dir);
    }
  }
}

/** One that is not the last has at least one message: of those that went meanwhile it is silent. */
function pageOf(
  dirs: MailboxDirs,
  reading: Reading,
  { afterUid, afterBase, messagesMax }: Required<Omit<InventoryRequest, "path">>,
): Pick<Extract<InventoryOutcome, { kind: "read" }>, "messages" | "files" | "more"> {
  const [messages, files]: [MessageState[], { base: BaseName; size: number }[]] = [[], []];
  let [uidsAt, basesAt] = [firstAbove(reading.uids, afterUid), firstAbove(reading.unnumbered, afterBase)];
  const isLeft = () => uidsAt < reading.uids.length || basesAt < reading.unnumbered.length;
  while (messages.length + files.length < messagesMax && isLeft()) {
    const uid = reading.uids[uidsAt];
    const base = reading.unnumbered[basesAt];
    if (uid !== undefined) {
      messages.push(...stateAt(dirs, reading, parseUid(uid)));
      uidsAt += 1;
    } else if (base !== undefined) {
      files.push(...sizeAt(dirs, reading, base));
      basesAt += 1;
    }
  }
  return { messages, files, more: isLeft() };
}

function identityOf(uidlist: Uidlist | undefined): Pick<SurveyedMailbox, "guid" | "uidValidity"> {
  if (uidlist === undefined) return {};
  const { uidValidity, guid } = uidlist.header;
  return guid === undefined ? { uidValidity } : { uidValidity, guid };
}
