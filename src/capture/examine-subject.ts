/**
 * Whose mailbox stands at a path, what the log knows of it, and with which baseline it is to be compared.
 */
import { displayRaw, type RawPath } from "../base/raw-name.js";
import { type BaselineSources, MailboxBaseline } from "../log/baseline.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { Uidlist } from "../maildir/uidlist.js";
import type { DirectoryMark } from "../maildir/whose-tree.js";
import type { CaptureLimits, ExamineRequest } from "./capture-types.js";
import { guidAt } from "./discover-store.js";
import { captureError, errorOfClaim } from "./errors.js";
import { fingerprintOfUnlisted } from "./fingerprint-text.js";
import { type MailboxMemories, MailboxMemory } from "./mailbox-memory.js";
import type { MailboxRows } from "./mailbox-rows.js";
import type { StorePlace } from "./open-mailbox.js";

export interface SubjectSources {
  readonly place: StorePlace;
  readonly rows: MailboxRows;
  readonly memories: MailboxMemories;
  readonly baselines: BaselineSources;
  readonly limits: CaptureLimits;
  /** The mailbox at that path is not the known one whose GUID it has. Throws: mailbox-vanished. */
  readonly isOnlyClaim: (row: MailboxRow, path: RawPath, directory: DirectoryMark) => boolean;
}

export interface Subject {
  readonly guid: MailboxGuid;
  readonly memory: MailboxMemory;
  /** What the log knows; undefined for a mailbox that is new to it. */
  readonly row: MailboxRow | undefined;
  /** The UIDVALIDITY is another: nothing of the baseline holds. */
  readonly isReset: boolean;
}

interface Standing {
  readonly uidlist: Uidlist;
  readonly directory: DirectoryMark;
}

/** Throws: mailbox-guid-twice. */
export function findSubject(
  sources: SubjectSources,
  { path }: ExamineRequest,
  { uidlist, guid, directory }: Pick<MailboxRow, "guid"> & Standing,
): Subject {
  const row = sources.rows.byGuid(guid);
  if (row !== undefined && row.path !== path && guidAt(sources.place, row.path) === guid) {
    const both = `"${displayRaw(path)}" and "${displayRaw(row.path)}"`;
    throw captureError("mailbox-guid-twice", `examining mailboxes: ${both} have the same GUID`);
  }
  if (row !== undefined && row.path !== path && sources.isOnlyClaim(row, path, directory))
    throw errorOfClaim(path, row.path);
  const isReset = row !== undefined && row.uidValidity !== uidlist.header.uidValidity;
  const known = sources.memories.get(guid);
  const keepsBaseline = row !== undefined && !isReset;
  const memory =
    known ??
    new MailboxMemory(guid, baselineFor(sources, row, { path, uidlist, guid, directory }), sources.limits.namesMax);
  if (known === undefined) sources.memories.add(memory);
  if (!keepsBaseline || memory.baseline.row.id !== row.id) {
    const hasFresh =
      memory.baseline.row.messages === 0 && memory.baseline.row.uidValidity === uidlist.header.uidValidity;
    if (keepsBaseline || !hasFresh) {
      memory.baseline = baselineFor(sources, keepsBaseline ? row : undefined, { path, uidlist, guid, directory });
      memory.cursor = undefined;
    }
  }
  memory.directory = directory;
  return { guid, memory, row, isReset };
}

function baselineFor(
  { rows, baselines }: SubjectSources,
  row: MailboxRow | undefined,
  { path, uidlist, guid, directory }: Pick<MailboxRow, "path" | "guid"> & Standing,
): MailboxBaseline {
  const { uidValidity } = uidlist.header;
  if (row?.uidValidity === uidValidity) return new MailboxBaseline(baselines, row);
  const fingerprint = fingerprintOfUnlisted(directory);
  const fresh = { path, uidValidity, uidNext: 1, headerExtra: "", keywords: [], fingerprint, messages: 0 };
  return new MailboxBaseline(baselines, { id: rows.takeId(), guid, ...fresh });
}

/**
 * Notes which messages of the baseline lost their record when the uidlist was rewritten: under a new record they are the
 * same message with another UID (R12). False when that cannot be told, since it was rewritten while nobody looked, or much
 * of it: then only a listing shows it.
 */
export function noteOrphans(
  memory: MailboxMemory,
  uidlist: Uidlist,
  options: {
    readonly old: Uidlist | undefined;
    /** It is the file that the last listing was compared with. */
    readonly isSameFile: boolean;
    readonly orphansMax: number;
  },
): boolean {
  const { old, isSameFile, orphansMax } = options;
  if (old === undefined) return isSameFile;
  if (old === uidlist) return true;
  const { baseline, orphanUidByBase } = memory;
  let dropped = 0;
  let j = 0;
  const end = old.firstIndexFrom(baseline.row.uidNext);
  for (let i = 0; i < end; i++) {
    const uid = old.uidAt(i);
    while (j < uidlist.count && uidlist.uidAt(j) < uid) j += 1;
    if (j < uidlist.count && uidlist.uidAt(j) === uid) continue;
    dropped += 1;
    if (dropped > orphansMax) return false;
    const before = baseline.record(uid);
    if (before !== undefined) orphanUidByBase.set(before.base, uid);
  }
  return true;
}
