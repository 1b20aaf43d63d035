/**
 * What stands in the store, read from disk alone: for first contact, dry runs and repair. Writes nothing.
 */
import type { Dir, Disk } from "../base/disk.js";
import { type RawPath, splitRaw } from "../base/raw-name.js";
import { discoverMailboxes } from "../maildir/discover.js";
import { type BaseName, isBaseName, type MailboxGuid, parseMailboxGuid, type Uid } from "../maildir/ids.js";
import { type Keywords, namesOfLetters, readKeywords } from "../maildir/keywords.js";
import { CUR } from "../maildir/mailbox-files.js";
import { parseMessageName, splitBaseName } from "../maildir/message-name.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { readUidlistEnds, readUidlistHeader } from "../maildir/uidlist-ends.js";
import { UidlistReader } from "../maildir/uidlist-reader.js";
import type { MessageState } from "../txn/message-state.js";
import type { ApplyOptions, InventoryOutcome, InventoryRequest, SurveyedMailbox } from "./apply-types.js";
import { divergence } from "./divergence.js";
import { fileAt, guessFile, listPlaces, type Place } from "./find-files.js";
import { closeBelow } from "./locate.js";
import { isWrongKind, MailboxDirs, openBelow, openStore } from "./mailbox-place.js";
import { refusing } from "./refusing.js";

/** Of a mailbox that has none yet, or whose uidlist cannot be read. */
export const NO_GUID = parseMailboxGuid("0".repeat(32));

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

/** One mailbox as a listing has it. */
export interface Reading {
  readonly path: RawPath;
  /** Undefined where none is yet. */
  readonly uidlist: Uidlist | undefined;
  readonly keywords: Keywords;
  readonly placeByBase: ReadonlyMap<string, Place>;
  /** Messages that have a UID, ascending. */
  readonly uids: readonly Uid[];
  /** Base names of files without a UID, ascending. */
  readonly unnumbered: readonly BaseName[];
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
      const uids = reading.uids.filter((uid) => uid > afterUid);
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

export function readMailbox(
  dirs: MailboxDirs,
  path: RawPath,
): Reading | Extract<InventoryOutcome, { kind: "diverged" }> {
  const read = new UidlistReader().read(dirs.dir);
  if (read.kind === "damaged" || read.kind === "unsupported") {
    const why = read.kind === "damaged" ? read.why : `its version is ${read.version}`;
    const line = read.kind === "damaged" ? read.line : 1;
    return { kind: "diverged", divergence: divergence({ kind: "uidlist-damaged", mailbox: NO_GUID, path, line, why }) };
  }
  const uidlist = "uidlist" in read ? read.uidlist : undefined;
  const placeByBase = listPlaces(dirs, () => true);
  const uids: Uid[] = [];
  const unnumbered: BaseName[] = [];
  for (const base of placeByBase.keys()) {
    const index = uidlist?.indexOfBase(base) ?? -1;
    if (uidlist !== undefined && index >= 0) uids.push(uidlist.uidAt(index));
    else if (isBaseName(base)) unnumbered.push(base);
  }
  uids.sort((a, b) => a - b);
  unnumbered.sort();
  return { path, uidlist, keywords: readKeywords(dirs.dir).keywords, placeByBase, uids, unnumbered };
}

function identityOf(uidlist: Uidlist | undefined): Pick<SurveyedMailbox, "guid" | "uidValidity"> {
  if (uidlist === undefined) return {};
  const { uidValidity, guid } = uidlist.header;
  return guid === undefined ? { uidValidity } : { uidValidity, guid };
}

/** Empty for a file that went meanwhile. */
function sizeAt(dirs: MailboxDirs, { placeByBase }: Reading, base: BaseName): { base: BaseName; size: number }[] {
  const place = placeByBase.get(base);
  const file = (place === undefined ? undefined : fileAt(dirs, place)) ?? guessFile(dirs, base, []);
  return file === undefined ? [] : [{ base, size: file.size }];
}

/** Empty for a message that went meanwhile. */
export function stateAt(dirs: MailboxDirs, { uidlist, placeByBase, keywords }: Reading, uid: Uid): MessageState[] {
  if (uidlist === undefined) return [];
  const index = uidlist.indexOfUid(uid);
  const base = uidlist.baseAt(index);
  const place = placeByBase.get(base);
  const file = place === undefined ? undefined : fileAt(dirs, place);
  const name = file === undefined ? undefined : parseMessageName(file.name);
  if (file === undefined || name === undefined || !isBaseName(base) || splitBaseName(file.name) !== base) return [];
  const { flags, letters, odd, tail } = name;
  const names = namesOfLetters(keywords, letters).names.sort((a, b) => (a < b ? -1 : 1));
  const fields = uidlist.fieldsAt(index);
  return [{ uid, base, flags, keywords: names, odd, tail, size: file.size, mtimeS: file.mtimeS, fields }];
}
