/**
 * What stands in the store, read from disk alone: for first contact, dry runs and repair. Writes nothing.
 */
import type { Dir, Disk } from "../base/disk.js";
import { type RawPath, splitRaw } from "../base/raw-name.js";
import { discoverMailboxes } from "../maildir/discover.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { CUR } from "../maildir/mailbox-files.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { readUidlistEnds, readUidlistHeader } from "../maildir/uidlist-ends.js";
import type { ApplyOptions, InventoryOutcome, InventoryRequest, SurveyedMailbox } from "./apply-types.js";
import { closeBelow } from "./locate.js";
import { isWrongKind, MailboxDirs, openBelow, openStore } from "./mailbox-place.js";
import { NO_GUID, type Reading, readMailbox, sizeAt, stateAt, uidsAfter } from "./reading.js";
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
      const uids = uidsAfter(reading.uids, afterUid);
      const bases = reading.unnumbered.filter((base) => base > afterBase);
      const more = uids.length + bases.length > messagesMax;
      this.#reading = more ? reading : undefined;
      const messages = uids.slice(0, messagesMax).flatMap((uid) => stateAt(dirs, reading, uid));
      const files = bases
        .slice(0, Math.max(0, messagesMax - uids.length))
        .flatMap((base) => sizeAt(dirs, reading, base));
      const { uidlist, unnumbered } = reading;
      const uidNext = uidlist?.nextUid ?? 1;
      return { kind: "read", ...identityOf(uidlist), uidNext, messages, files, more, unnumbered: unnumbered.length };
    } finally {
      closeBelow(root, dir);
    }
  }
}

function identityOf(uidlist: Uidlist | undefined): Pick<SurveyedMailbox, "guid" | "uidValidity"> {
  if (uidlist === undefined) return {};
  const { uidValidity, guid } = uidlist.header;
  return guid === undefined ? { uidValidity } : { uidValidity, guid };
}
