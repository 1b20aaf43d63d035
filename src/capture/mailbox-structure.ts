/**
 * What happened to a mailbox as a whole: it came, moved, went, was numbered anew.
 *
 * INVARIANT: the log never has two mailboxes at one path: before one comes or moves to a path that another had, it says
 * what became of that other.
 */
import type { Dir } from "../base/disk.js";
import { displayRaw, isRawPath, type RawName, type RawPath, splitRaw } from "../base/raw-name.js";
import type { MailboxBaseline } from "../log/baseline.js";
import type { MailboxRow } from "../log/state-types.js";
import { maildirError } from "../maildir/errors.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { CUR, NEW, TMP } from "../maildir/mailbox-files.js";
import type { FileOwner } from "../txn/message-state.js";
import type { MessageDirOwners, Structure, Transaction } from "../txn/transaction.js";
import type { CommitBuilder } from "./commit-builder.js";
import { guidAt } from "./discover-store.js";
import type { MailboxRows } from "./mailbox-rows.js";
import { type MailboxDirs, openStoreRoot, type StorePlace } from "./open-mailbox.js";
import { type Move, planVacating, type VacatePlan } from "./plan-vacating.js";
import { ownerOf, sameOwner } from "./seal.js";

const MAILDIR_FOLDER = "maildirfolder";
/** Means nothing where no file is saved. */
const NOBODY: FileOwner = { uid: 0, gid: 0, mode: 0o600 };

/** As the directories stand now. */
export function readCreation(place: StorePlace, path: RawPath, { mailbox }: MailboxDirs): Structure {
  const owner = ownerOf(mailbox.statSelf());
  return {
    kind: "create",
    owner,
    parents: readParents(place, path),
    ...readMessageDirs(mailbox, owner),
    maildirFolder: mailbox.stat(MAILDIR_FOLDER)?.kind === "file",
  };
}

/** Nothing where all are like the mailbox, which is how Dovecot makes them. */
function readMessageDirs(mailbox: Dir, owner: FileOwner): { readonly messageDirs?: MessageDirOwners } {
  const of = (name: RawName): FileOwner => {
    const stat = mailbox.stat(name);
    return stat?.kind === "directory" ? ownerOf(stat) : owner; // one that is missing is made like the mailbox.
  };
  const messageDirs: MessageDirOwners = [of(CUR), of(NEW), of(TMP)];
  return messageDirs.every((each) => sameOwner(each, owner)) ? {} : { messageDirs };
}

/** A mailbox that moved to where it stands now. */
export function readRename(
  place: StorePlace,
  path: RawPath,
  { from, displaces }: { readonly from: RawPath; readonly displaces?: MailboxGuid | undefined },
): Extract<Structure, { kind: "rename" }> {
  const parents = readParents(place, path);
  const other = displaces === undefined ? {} : { displaces };
  return { kind: "rename", from, ...other, ...(parents.length === 0 ? {} : { parents }) };
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

function sealRename(
  commit: CommitBuilder,
  baseline: MailboxBaseline,
  place: StorePlace,
  { to, displaces }: Pick<Extract<Move<MailboxRow>, { kind: "rename" }>, "to" | "displaces">,
  nowMs: number,
): void {
  const row = { ...baseline.row, path: to };
  const structure = readRename(place, to, { from: baseline.row.path, displaces });
  commit.log(structureTransaction(row, structure, nowMs));
  commit.moveBaseline(baseline, { chunks: [] }, row);
}

export interface VacateSources {
  readonly place: StorePlace;
  readonly rows: MailboxRows;
  readonly baselineOf: (row: MailboxRow) => MailboxBaseline;
  /** Where each mailbox stands on disk now. */
  readonly pathByGuid: () => ReadonlyMap<MailboxGuid, RawPath>;
}

/**
 * Says what became of the mailbox that the log has at `path`, when `comer` is found there: it moved, or it is gone. Where
 * mailboxes changed places in a circle all of them move. Throws: mailbox-vanished when they go on moving meanwhile.
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
  const plan = planTwice(path, comer, sources);
  if (plan.isTorn) {
    const message = `examining the mailbox "${displayRaw(path)}": mailboxes change their places meanwhile`;
    throw maildirError("mailbox-vanished", message);
  }
  for (const move of plan.moves) {
    const { mailbox } = move;
    if (move.kind === "delete") {
      sealDeletion(commit, mailbox, nowMs);
      continue;
    }
    sealRename(commit, sources.baselineOf(mailbox), sources.place, move, nowMs);
    if (move.displaces === undefined) sealStaying(commit, { from: mailbox.path, to: move.to }, sources, nowMs);
  }
}

/**
 * Says of mailboxes in a directory which another one left that they are still there: a replica moves a directory with all
 * that is in it, as RENAME does where folders lie in each other. Their own rename says so only if they moved.
 */
export function sealStaying(
  commit: CommitBuilder,
  { from, to }: { readonly from: RawPath; readonly to: RawPath },
  { rows, place }: Pick<VacateSources, "rows" | "place">,
  nowMs: number,
): void {
  // Of two that changed places each left what was in its directory: on a replica, too.
  const isTaken = [...commit.rows].some(({ path }) => path === from);
  if (from === "" || isTaken) return;
  for (const row of rows.all()) {
    const carried = `${to}${row.path.slice(from.length)}`;
    if (!row.path.startsWith(`${from}/`) || !isRawPath(carried) || guidAt(place, row.path) !== row.guid) continue;
    commit.log(structureTransaction(row, readRename(place, row.path, { from: carried }), nowMs));
  }
}

/** One that a walk does not find may be on the way from one directory to another: only two walks make it gone. */
function planTwice(path: RawPath, comer: MailboxGuid, sources: VacateSources): VacatePlan<MailboxRow> {
  const look = (): VacatePlan<MailboxRow> => {
    const pathByGuid = sources.pathByGuid();
    return planVacating(
      { path, comer },
      (at) => sources.rows.byPath(at),
      (guid) => pathByGuid.get(guid),
    );
  };
  const plan = look();
  return plan.moves.some(({ kind }) => kind === "delete") ? look() : plan;
}
