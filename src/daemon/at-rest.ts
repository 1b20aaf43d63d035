/**
 * What can be told before any thread is started: whether there is anything to do at all, and whether the destination still
 * is what was written. A few `stat`s for each mailbox, none for a message.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../base/clock.js";
import type { Dir, Site } from "../base/disk.js";
import { openNodeDisk } from "../base/disk-node.js";
import { errnoOf, MailtwinError } from "../base/errors.js";
import { type RawPath, rawFromText } from "../base/raw-name.js";
import type { FoundMailbox } from "../capture/capture-types.js";
import { BRAKE_KEY, isBraked } from "../capture/deletion-brake.js";
import { discoverStore } from "../capture/discover-store.js";
import { openStoreDir, pinStore } from "../capture/open-mailbox.js";
import { isAtOrBelow, planStructure } from "../capture/plan-structure.js";
import { decodeChunk } from "../log/baseline-chunk.js";
import type { StateReader } from "../log/state-ports.js";
import { openStateReader } from "../log/state-reader.js";
import type { MailboxRow, RejectionRow } from "../log/state-types.js";
import type { MailboxGuid, UidValidity } from "../maildir/ids.js";
import { listMessages } from "../maildir/listing.js";
import { splitBaseName } from "../maildir/message-name.js";
import { readUidlistEnds } from "../maildir/uidlist-ends.js";
import { daemonError } from "./errors.js";
import { hasParked, type Places } from "./places.js";
import type { MovedMailbox } from "./put-back.js";
import { believed } from "./whose-mailbox.js";
import { countOf, namesOf } from "./words.js";

export type Standing =
  /** The source is as the log covers it, and the destination has applied the log. */
  | { readonly kind: "at-rest"; readonly mailboxes: number; readonly messages: number }
  /**
   * Mailboxes that were renamed on the destination since they were written; those that are gone, as they were written; those that have
   * another UIDVALIDITY there than was written, and than the source's.
   */
  | {
      readonly kind: "work";
      readonly moved: readonly MovedMailbox[];
      readonly gone: readonly MailboxRow[];
      readonly renumbered: readonly RenumberedMailbox[];
    }
  /** Mailboxes that were written have become others: the state no longer describes the destination. */
  | { readonly kind: "outdated"; readonly words: string };

/** As the log has it, and the UIDVALIDITY that it has on the destination. */
export interface RenumberedMailbox {
  readonly row: MailboxRow;
  readonly uidValidity: UidValidity;
}

const NOTHING_FOUND = { mailboxes: [], problems: [] } as const;
export const WORK = { kind: "work", moved: [], gone: [], renumbered: [] } as const satisfies Standing;

/**
 * Call it while holding the state directory's lock. `leavesUidValidity`: a mailbox that has another UIDVALIDITY than it was written with does not
 * make the state outdated, and is told of. Throws: destination-emptied, store-missing, the codes of the state database.
 */
export function readStanding(places: Places, leavesUidValidity: boolean): Standing {
  const paths = ["source.db", "replica.db"].map((file) => join(places.state, file));
  const [sourcePath = "", replicaPath = ""] = paths;
  if (!paths.every((path) => existsSync(path))) return WORK;
  using source = openIfCurrent(sourcePath);
  using replica = openIfCurrent(replicaPath);
  if (source === undefined || replica === undefined) return WORK;
  const applied = replica.appliedLsn(source.meta("log-id") ?? "");
  const isShipped = applied > 0 && applied === source.lastLsn() && source.rejections().length === 0;
  const isCutOff = replica.intents().length > 0;
  const states = { source, replica, isShipped: isShipped && !isCutOff, leavesUidValidity };
  const standing = checkDestination(places.destination, states);
  if (applied === 0 || hasParked(places)) return WORK;
  // What was cut off in the middle comes again: a mailbox that was moved or removed then, that not yet recorded, is no surprise. One
  // that the log has and that stands nowhere does not come again by itself, and its intent would stay for good.
  if (isCutOff && standing.kind !== "outdated") return { ...standing, moved: [] };
  if (standing.kind === "outdated" || standing.moved.length + standing.gone.length + standing.renumbered.length > 0)
    return standing;
  if (!isShipped || isBraked(source.meta(BRAKE_KEY))) return WORK; // what it held may have come back.
  const rows = source.mailboxes();
  const { mailboxes, problems } = discover(places.source, places.sourceSite);
  const { examine, missing, duplicates } = planStructure(mailboxes, rows, []);
  if (examine.length + missing.length + duplicates.length + problems.length > 0) return WORK;
  return { kind: "at-rest", mailboxes: rows.length, messages: rows.reduce((sum, row) => sum + row.messages, 0) };
}

/** Undefined for an older version's, or one that a crash left half made: whoever opens it for writing brings it up to date. */
export function openIfCurrent(path: string): (StateReader & Disposable) | undefined {
  try {
    return openStateReader(path);
  } catch (error) {
    if (error instanceof MailtwinError && error.code === "state-too-old") return undefined;
    throw error;
  }
}

function discover(store: string, site?: Site) {
  const storeRoot = rawFromText(store);
  return discoverStore({ disk: pinStore(openNodeDisk(), storeRoot, site), storeRoot }, () => systemClock.nowMs());
}

/** Whether every mailbox that was written still stands there, and under which name. */
function checkDestination(
  destination: string,
  {
    source,
    replica,
    isShipped,
    leavesUidValidity,
  }: {
    readonly source: StateReader;
    readonly replica: StateReader;
    readonly isShipped: boolean;
    readonly leavesUidValidity: boolean;
  },
): Exclude<Standing, { readonly kind: "at-rest" }> {
  const rows = replica.mailboxes();
  const refused = source.rejections().filter(({ code }) => code === "uidlist-damaged");
  if (rows.length + refused.length === 0) return WORK;
  const { mailboxes: all, problems } = existsSync(destination) ? discover(destination) : NOTHING_FOUND;
  const pathsOf = ({ guid }: MailboxRow): readonly RawPath[] => [source.mailboxByGuid(guid)?.path ?? []].flat();
  const found = believed(destination, all, { replica, pathsOf });
  const validityByGuid = new Map(found.map(({ guid, uidValidity }) => [guid, uidValidity]));
  // A file that its owner's program keeps from us for a while is still there.
  const kept = new Set(problems.filter(({ code }) => code === "EAGAIN").map(({ path }) => path));
  // An INBOX that Dovecot made on a bare mount point is none of them.
  if (rows.length > 0 && !rows.some(({ guid, path }) => validityByGuid.has(guid) || kept.has(path))) {
    const instead = found.length === 0 ? "" : `, only ${countOf(found.length, "mailbox")} of other identity`;
    throw daemonError(
      "destination-emptied",
      `looking for the ${countOf(rows.length, "mailbox")} of ${destination}: none is there any more${instead}`,
    );
  }
  const unread = new Set([...problems, ...found.filter(({ guid }) => guid === undefined)].map(({ path }) => path));
  const isKnown = (row: MailboxRow): boolean => {
    const validity = validityByGuid.get(row.guid);
    return validity === row.uidValidity || validity === source.mailboxByGuid(row.guid)?.uidValidity;
  };
  const isLeft = (row: MailboxRow): boolean => leavesUidValidity && validityByGuid.get(row.guid) !== undefined;
  // While the log is ahead of the replica it says itself what becomes of a mailbox, and one that cannot be read is refused by name.
  const isGone = (row: MailboxRow): boolean => {
    if (isLeft(row) || isKnown(row) || kept.has(row.path)) return false;
    return isShipped || (source.mailboxByGuid(row.guid) !== undefined && !unread.has(row.path));
  };
  const stands = new Set(found.map(({ path }) => path));
  const isUnread = ({ path }: MailboxRow): boolean => problems.some((problem) => isAtOrBelow(path, problem.path));
  /** What else stands at its path, if anything, has none of its mail: it can be made anew alone, or is refused by name. */
  const isMissing = (row: MailboxRow): boolean =>
    !validityByGuid.has(row.guid) &&
    (isShipped || source.mailboxByGuid(row.guid) !== undefined) &&
    !isUnread(row) &&
    !(stands.has(row.path) && hasMailOf(row, { destination, replica }));
  const missing = new Set(rows.filter(isMissing));
  // A damaged uidlist that was refused, and that somebody has removed since: as if that had been done before anything was refused.
  const isUnlisted = ({ path }: RejectionRow) => found.some((it) => it.path === path && it.bare !== undefined);
  const changed = [...rows.filter((row) => !missing.has(row) && isGone(row)), ...refused.filter(isUnlisted)];
  if (changed.length > 0) return { kind: "outdated", words: wordsOfChanged(changed) };
  const older = olderCopies(destination, rows, found);
  if (older.length > 0) return { kind: "outdated", words: wordsOfOlder(older) };
  const renumbered = rows.flatMap((written): RenumberedMailbox[] => {
    const [row, uidValidity] = [source.mailboxByGuid(written.guid), validityByGuid.get(written.guid)];
    if (row === undefined || uidValidity === undefined || !isLeft(written) || isKnown(written)) return [];
    return [{ row, uidValidity }];
  });
  return { kind: "work", moved: findMoved(rows, found, source), gone: [...missing], renumbered };
}

function wordsOfChanged(changed: readonly Pick<MailboxRow, "path">[]): string {
  const what =
    changed.length === 1
      ? "a mailbox of the destination cannot be read, or was"
      : "mailboxes of the destination cannot be read, or were";
  return `${what} made anew (${namesOf(changed.map(({ path }) => path))}): comparing as at first contact`;
}

/** Whether a file of its mail is in what stands at its path: a mailbox that Dovecot has numbered anew, not another one. */
function hasMailOf(
  row: MailboxRow,
  { destination, replica }: { readonly destination: string; readonly replica: StateReader },
): boolean {
  let mailbox: Dir | undefined;
  try {
    mailbox = openStoreDir({ disk: openNodeDisk(), storeRoot: rawFromText(destination) }, row.path);
    const standing = new Set<string>(mailbox === undefined ? [] : listMessages(mailbox).names.map(splitBaseName));
    if (standing.size === 0) return false;
    return replica.looks(row.id).some(({ chunk }) => {
      const bytes = replica.chunk(row.id, chunk);
      return bytes !== undefined && decodeChunk(bytes, row.keywords).some(({ base }) => standing.has(base));
    });
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof MailtwinError)) throw error;
    return true; // it cannot be told.
  } finally {
    mailbox?.close();
  }
}

/** The next UID of a mailbox never falls. One that is below what was written there is that of a copy made before. */
function olderCopies(
  destination: string,
  rows: readonly MailboxRow[],
  found: readonly FoundMailbox[],
): readonly RawPath[] {
  const rowByGuid = new Map(rows.map((row) => [row.guid, row]));
  return found.flatMap(({ guid, path, uidValidity }) => {
    const row = guid === undefined ? undefined : rowByGuid.get(guid);
    if (row === undefined || row.uidValidity !== uidValidity) return [];
    const uidNext = uidNextAt(destination, path);
    return uidNext !== undefined && uidNext < row.uidNext ? [path] : [];
  });
}

/** Undefined where it cannot be told: whoever comes to that mailbox says why. */
function uidNextAt(destination: string, path: RawPath): number | undefined {
  let mailbox: Dir | undefined;
  try {
    mailbox = openStoreDir({ disk: openNodeDisk(), storeRoot: rawFromText(destination) }, path);
    return mailbox === undefined ? undefined : readUidlistEnds(mailbox)?.uidNext;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  } finally {
    mailbox?.close();
  }
}

function wordsOfOlder(older: readonly RawPath[]): string {
  const what =
    older.length === 1
      ? "a mailbox of the destination is older than what was written there"
      : "mailboxes of the destination are older than what was written there";
  return `${what}, as after a backup was restored (${namesOf(older)}): comparing as at first contact`;
}

/**
 * A directory that was copied stands at its own path as well, and has not moved. One that the source renames gets its new name
 * by the log, wherever it stands.
 */
function findMoved(
  rows: readonly MailboxRow[],
  found: readonly FoundMailbox[],
  source: StateReader,
): readonly MovedMailbox[] {
  const isSettled = ({ guid, path }: MailboxRow): boolean => source.mailboxByGuid(guid)?.path === path;
  const rowByGuid = new Map(rows.filter(isSettled).map((row) => [row.guid, row]));
  const isAtHome = ({ guid, path }: FoundMailbox): boolean => guid !== undefined && rowByGuid.get(guid)?.path === path;
  const atHome = new Set(found.filter(isAtHome).map(({ guid }) => guid));
  const moved = new Map<MailboxGuid, MovedMailbox>();
  for (const { guid, path: standsAt } of found) {
    const row = guid === undefined || atHome.has(guid) ? undefined : rowByGuid.get(guid);
    if (row !== undefined && !moved.has(row.guid)) moved.set(row.guid, { guid: row.guid, path: row.path, standsAt });
  }
  return [...moved.values()];
}
