/**
 * What happened to a mailbox as a whole: it came, moved, went, was numbered anew.
 *
 * INVARIANT: the log never has two mailboxes at one path: before one comes or moves to a path that another had, it says
 * what became of that other.
 * INVARIANT: where the log has a mailbox, a replica has it too. So of what a directory carries along the log says so at once.
 */
import type { Dir } from "../base/disk.js";
import { displayRaw, isRawPath, type RawName, type RawPath, splitRaw } from "../base/raw-name.js";
import type { MailboxBaseline } from "../log/baseline.js";
import type { MailboxRow } from "../log/state-types.js";
import { maildirError } from "../maildir/errors.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { CUR, NEW, TMP } from "../maildir/mailbox-files.js";
import { type FileOwner, sameOwner } from "../txn/message-state.js";
import type { MessageDirOwners, Structure, Transaction } from "../txn/transaction.js";
import type { CommitBuilder } from "./commit-builder.js";
import type { DeletionBrake } from "./deletion-brake.js";
import { guidIfAny } from "./discover-store.js";
import { errorOfClaim, errorOfHeld } from "./errors.js";
import type { MailboxRows } from "./mailbox-rows.js";
import { type MailboxDirs, openStoreRoot, type StorePlace } from "./open-mailbox.js";
import { type Move, planVacating, type VacatePlan } from "./plan-vacating.js";
import { ownerOf } from "./seal.js";
import { mountAt } from "./with-brake.js";

const MAILDIR_FOLDER = "maildirfolder";
const LOOKS_MAX = 5;
/** Means nothing where no file is saved. */
const NOBODY: FileOwner = { uid: 0, gid: 0, mode: 0o600 };

/** As the directories stand now. */
export function readCreation(
  place: StorePlace,
  path: RawPath,
  { mailbox }: Pick<MailboxDirs, "mailbox">,
): Extract<Structure, { kind: "create" }> {
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
export function structureTransaction(
  row: Pick<MailboxRow, "guid" | "path" | "uidValidity" | "uidNext" | "headerExtra">,
  structure: Structure,
  capturedMs: number,
): Transaction {
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

/** Returns where the log had it. */
function sealRename(
  commit: CommitBuilder,
  baseline: MailboxBaseline,
  place: StorePlace,
  { to, displaces }: Pick<Extract<Move<MailboxRow>, { kind: "rename" }>, "to" | "displaces">,
  nowMs: number,
): RawPath {
  const row = { ...baseline.row, path: to };
  const from = commit.pathOf(baseline.row) ?? baseline.row.path;
  const structure = readRename(place, to, { from, displaces });
  commit.log(structureTransaction(row, structure, nowMs));
  commit.moveBaseline(baseline, { chunks: [] }, row);
  return from;
}

export interface VacateSources {
  readonly place: StorePlace;
  readonly rows: MailboxRows;
  readonly baselineOf: (row: MailboxRow) => MailboxBaseline;
  /** Walks through the store. */
  readonly lookAround: () => Surroundings;
  /** Undefined: no deletion is ever held back. */
  readonly brake: DeletionBrake | undefined;
}

/** The store as it stands on disk now. */
export interface Surroundings {
  /** Where each mailbox is. */
  readonly pathByGuid: ReadonlyMap<MailboxGuid, RawPath>;
  /** None of the known ones is there, whatever else is (`StructurePlan.emptied`). */
  readonly isEmptied: boolean;
  /** Mailboxes that have the GUID of a known one and are not taken for it: by that GUID, where they stand. */
  readonly claimByGuid: ReadonlyMap<MailboxGuid, RawPath>;
}

/**
 * Says what became of the mailbox that the log has at `path`, when `comer` is found there: it moved, or it is gone. Where
 * mailboxes changed places in a circle all of them move. Throws: mailbox-vanished when they go on moving meanwhile; deletions-held.
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
  if (sources.brake?.isHeldWhole(standing.guid) === true) throw errorOfHeld(path); // before any walk: mail may come all the time.
  const plan = planTwice(path, comer, sources);
  // That walk may be the first since something was mounted over it: then it is not gone, and what stands there is not its successor.
  if (mountAt(path, sources.brake) !== "well")
    throw maildirError(
      "mailbox-vanished",
      `examining the mailbox "${displayRaw(path)}": something else is mounted there`,
    );
  if (plan.isTorn) {
    const message = `examining the mailbox "${displayRaw(path)}": mailboxes change their places meanwhile`;
    throw maildirError("mailbox-vanished", message);
  }
  for (const move of plan.moves) {
    const { mailbox } = move;
    if (move.kind === "delete") {
      if (sources.brake?.mayDelete(mailbox, { ahead: 0, nowMs }) === false) throw errorOfHeld(path);
      sealDeletion(commit, mailbox, nowMs);
      continue;
    }
    const from = sealRename(commit, sources.baselineOf(mailbox), sources.place, move, nowMs);
    if (move.displaces === undefined) sealInside(commit, { from, to: move.to }, sources, nowMs);
  }
}

/**
 * Says where the mailboxes are that the log has in a directory which another one left: a replica moves a directory with all that is
 * in it, as RENAME does where folders lie in each other. Those that are still there are to stay; all others are from now on where
 * they were carried, until they are found where they stand. Without that a later comer would find its place free in the log, and
 * taken on the replica.
 */
export function sealInside(
  commit: CommitBuilder,
  { from, to }: { readonly from: RawPath; readonly to: RawPath },
  sources: Pick<VacateSources, "rows" | "place" | "baselineOf">,
  nowMs: number,
): void {
  const { rows, place } = sources;
  const moved = new Set([...commit.rows].map(({ path }) => path));
  // Of two that changed places each left what was in its directory: on a replica, too.
  if (from === "" || moved.has(from)) return;
  const isTaken = (path: RawPath): boolean => {
    const logged = rows.byPath(path);
    return moved.has(path) || (logged !== undefined && commit.pathOf(logged) === path);
  };
  for (const { row, path } of insideOf(commit, rows, from)) {
    if (path === to) continue; // the one that moved, deeper into its own directory.
    const carried = `${to}${path.slice(from.length)}`;
    if (!isRawPath(carried)) continue;
    if (guidIfAny(place, path) === row.guid) {
      commit.log(structureTransaction({ ...row, path }, readRename(place, path, { from: carried }), nowMs));
      continue;
    }
    // Something else is in that directory already, so on a replica nothing was carried.
    if (isTaken(carried)) continue;
    sealRename(commit, sources.baselineOf(row), place, { to: carried }, nowMs);
    moved.add(carried);
  }
}

interface Inside {
  readonly row: MailboxRow;
  readonly path: RawPath;
}

/** Parents first. */
function insideOf(commit: CommitBuilder, rows: MailboxRows, top: RawPath): Inside[] {
  const inside: Inside[] = [];
  for (const row of rows.all()) {
    const path = commit.pathOf(row);
    if (path?.startsWith(`${top}/`) === true) inside.push({ row, path });
  }
  return inside.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * One that a walk does not find may be on its way: it is gone only if two walks in a row agree about everything. Where none of
 * the known ones is left it is no deletion (I-30): the sweep that is asked for then says what it is. Throws: mailbox-vanished.
 */
function planTwice(path: RawPath, comer: MailboxGuid, sources: VacateSources): VacatePlan<MailboxRow> {
  let before: string | undefined;
  for (let look = 1; look <= LOOKS_MAX; look++) {
    const { pathByGuid, isEmptied, claimByGuid } = sources.lookAround();
    const plan = planVacating(
      { path, comer },
      (at) => sources.rows.byPath(at),
      (guid) => pathByGuid.get(guid),
    );
    if (!plan.moves.some(({ kind }) => kind === "delete")) return plan;
    const seen = JSON.stringify([...pathByGuid].sort(([a], [b]) => (a < b ? -1 : 1)));
    if (seen === before && isEmptied) {
      const message = `examining the mailbox "${displayRaw(path)}": none of the known mailboxes is there any more`;
      throw maildirError("mailbox-vanished", message);
    }
    if (seen === before) {
      for (const { kind, mailbox } of plan.moves) {
        const claim = claimByGuid.get(mailbox.guid);
        if (kind === "delete" && claim !== undefined) throw errorOfClaim(claim, mailbox.path);
      }
      return plan;
    }
    before = seen;
  }
  return { moves: [], isTorn: true };
}
