/**
 * What happened to a mailbox as a whole: it came, moved, went, was numbered anew.
 *
 * INVARIANT: the log never has two mailboxes at one path: before one comes or moves to a path that another had, it says
 * what became of that other.
 */
import { type RawPath, splitRaw } from "../base/raw-name.js";
import type { MailboxBaseline } from "../log/baseline.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { FileOwner } from "../txn/message-state.js";
import type { Structure, Transaction } from "../txn/transaction.js";
import type { CommitBuilder } from "./commit-builder.js";
import type { MailboxRows } from "./mailbox-rows.js";
import { type MailboxDirs, openStoreRoot, type StorePlace } from "./open-mailbox.js";
import { ownerOf } from "./seal.js";

const MAILDIR_FOLDER = "maildirfolder";
/** Means nothing where no file is saved. */
const NOBODY: FileOwner = { uid: 0, gid: 0, mode: 0o600 };

/** As the directories stand now. */
export function readCreation(place: StorePlace, path: RawPath, dirs: MailboxDirs): Structure {
  return {
    kind: "create",
    owner: ownerOf(dirs.mailbox.statSelf()),
    parents: readParents(place, path),
    maildirFolder: dirs.mailbox.stat(MAILDIR_FOLDER)?.kind === "file",
  };
}

function readParents(place: StorePlace, path: RawPath): FileOwner[] {
  const owners: FileOwner[] = [];
  let dir = openStoreRoot(place);
  try {
    for (const name of splitRaw(path).slice(0, -1)) {
      const child = dir.openDir(name);
      if (child === undefined) return owners;
      dir.close();
      dir = child;
      owners.push(ownerOf(dir.statSelf()));
    }
    return owners;
  } finally {
    dir.close();
  }
}

/** A transaction that changes no message. */
export function structureTransaction(row: MailboxRow, structure: Structure, capturedMs: number): Transaction {
  const { guid, path, uidValidity, uidNext, headerExtra } = row;
  return {
    mailbox: guid,
    path,
    uidValidity,
    uidNext,
    headerExtra,
    fileOwner: NOBODY,
    structure,
    changes: [],
    capturedMs,
  };
}

export function sealDeletion(commit: CommitBuilder, row: MailboxRow, nowMs: number): void {
  commit.log(structureTransaction(row, { kind: "delete" }, nowMs));
  commit.removeMailbox(row);
}

export function sealRename(commit: CommitBuilder, baseline: MailboxBaseline, path: RawPath, nowMs: number): MailboxRow {
  const row = { ...baseline.row, path };
  commit.log(structureTransaction(row, { kind: "rename", from: baseline.row.path }, nowMs));
  commit.moveBaseline(baseline, { chunks: [] }, row);
  return row;
}

export interface VacateSources {
  readonly rows: MailboxRows;
  readonly baselineOf: (row: MailboxRow) => MailboxBaseline;
  /** Where each mailbox stands on disk now. */
  readonly pathByGuid: () => ReadonlyMap<MailboxGuid, RawPath>;
}

/**
 * Says what became of the mailbox that the log has at `path`, when another is found there: it moved, or it is gone. Where
 * mailboxes changed places in a circle one of them is logged as gone, and found again as new.
 */
export function sealVacating(
  commit: CommitBuilder,
  path: RawPath,
  comer: MailboxGuid,
  sources: VacateSources,
  nowMs: number,
): void {
  const standing = sources.rows.byPath(path);
  if (standing === undefined || standing.guid === comer) return;
  const pathByGuid = sources.pathByGuid();
  const chain: MailboxRow[] = [];
  const seen = new Set<MailboxGuid>([comer]);
  let row: MailboxRow | undefined = standing;
  while (row !== undefined && !seen.has(row.guid)) {
    seen.add(row.guid);
    chain.push(row);
    const next = pathByGuid.get(row.guid);
    row = next === undefined || next === row.path ? undefined : sources.rows.byPath(next);
  }
  const endsInCircle = row !== undefined;
  // The last of the chain gives way first.
  for (const [index, moving] of chain.reverse().entries()) {
    const to = pathByGuid.get(moving.guid);
    if (to === undefined || to === moving.path || (index === 0 && endsInCircle)) sealDeletion(commit, moving, nowMs);
    else sealRename(commit, sources.baselineOf(moving), to, nowMs);
  }
}
