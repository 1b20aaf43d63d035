/**
 * A mailbox gets another path, or goes. A whole directory moves by one rename; where other things stand in it or in its
 * target, the mailbox's own parts move, the uidlist last, so that a move that broke off is recognised and continued.
 */

import { assert } from "../base/assert.js";
import type { Dir } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { type RawPath, splitRaw } from "../base/raw-name.js";
import type { LimboRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { CUR, UIDLIST_FILE, UIDLIST_LOCK_FILE } from "../maildir/mailbox-files.js";
import { splitBaseName } from "../maildir/message-name.js";
import type { FileOwner } from "../txn/message-state.js";
import type { Transaction } from "../txn/transaction.js";
import { isEmptyOfMail } from "./apply-messages.js";
import type { AppliedEffect, ExecuteOutcome } from "./apply-types.js";
import { type Divergence, divergence } from "./divergence.js";
import { exchangeWithOccupant, isOurs } from "./exchange.js";
import { listPlaces } from "./find-files.js";
import { type LimboBatch, moveWithin } from "./limbo.js";
import { closeBelow, type Located, openMailbox } from "./locate.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import {
  hasOtherDirectories,
  makeChild,
  moveParts,
  openHolder,
  openParent,
  ownParts,
  type PartMoves,
  placeDirectory,
  removeEmptied,
  removeEmptyParents,
} from "./mailbox-parts.js";
import { MailboxDirs, withDir } from "./mailbox-place.js";
import { guidAt, park, removeBox, syncPlaces, unpark } from "./parking.js";
import { PARKED } from "./scratch-areas.js";
import { type Busy, type StoreContext, underLock } from "./store-context.js";
import { type UndoLog, undoing } from "./undo-log.js";

type Found = Extract<Located, { kind: "found" }>;

export type RenameOutcome =
  | { readonly kind: "moved"; readonly limbo: readonly LimboRow[] }
  | { readonly kind: "diverged"; readonly divergence: Divergence }
  | { readonly kind: "busy"; readonly by: string; readonly ageMs: number };

const MOVED = { kind: "moved", limbo: [] } as const;

/** Moves the mailbox to the transaction's path, if it is not there. */
export function renameMailbox(
  context: StoreContext,
  root: Dir,
  { known, found, txn }: { readonly known: KnownMailbox; readonly found: Found; readonly txn: Transaction },
): RenameOutcome {
  if (found.path === txn.path) return MOVED;
  const target = openMailbox(root, txn);
  if (target.kind === "diverged") return target;
  if (target.kind === "absent" && found.path !== "" && !isInside(txn.path, found.path)) {
    if (!moveDirectory(context, root, found, txn))
      return { kind: "busy", by: "whoever has just made a directory in its place", ageMs: 0 };
    removeEmptyParents(root, found.path);
    return MOVED;
  }
  const dir = target.kind === "opened" ? target.dir : makeTarget(context, root, found, txn);
  try {
    if (target.kind === "opened" && found.hasCur && dir.stat(CUR) !== undefined) {
      const mover = { mailbox: txn.mailbox, path: found.path };
      const exchanged = exchangeWithOccupant(context, root, { mover, path: txn.path });
      if (exchanged !== undefined) return exchanged.kind === "settled" ? MOVED : exchanged;
    }
    context.life.reach("apply.target-made");
    const occupied = refuseTarget(context, root, { dir, found, txn });
    if (occupied !== undefined) return { kind: "diverged", divergence: occupied };
    const held = underLock(context, { known, dir: found.dir }, () =>
      undoing(context.life, (undo) => {
        const limbo = clearTarget(context, { dir, txn, undo });
        context.life.reach("apply.target-cleared");
        return moveAllParts(context, root, { found, dir, txn, undo }) === "done" ? limbo : "occupied";
      }),
    );
    if (held.kind === "busy") return held;
    removeBox(context, PARKED, txn.mailbox);
    if (held.value === "occupied") return { kind: "diverged", divergence: occupiedBy(txn) };
    removeEmptied(root, found.path);
    return { kind: "moved", limbo: held.value };
  } finally {
    closeBelow(root, dir);
  }
}

/** By way of a place where nobody looks, so that no name ever shows half of it. */
function moveAllParts(
  context: StoreContext,
  root: Dir,
  {
    found,
    dir,
    txn,
    undo,
  }: { readonly found: Found; readonly dir: Dir; readonly txn: Transaction; readonly undo: UndoLog },
): "done" | "occupied" {
  const { life } = context;
  if (isContinued(dir, found)) {
    moveParts(found.dir, dir, { undo, life });
    return "done";
  }
  const [from, to] = [found.path, txn.path].map((path) => ({ mailbox: txn.mailbox, path }) as const);
  assert(from !== undefined && to !== undefined, "two paths give two places");
  park(context, root, from, { isWhole: false, undo });
  life.reach("apply.parts-out");
  const outcome = unpark(context, root, to, undo);
  if (outcome === "occupied") unpark(context, root, from, undo);
  syncPlaces(context, root, [from.path, to.path]);
  life.reach("apply.parts-in");
  return outcome;
}

/**
 * A rename that is done already, maybe by a process that was killed right after: nothing of it is left at the old path, as Dovecot
 * leaves nothing there. "busy": a lock that the killed process had is too young to be overridden.
 */
export function finishRename(
  context: StoreContext,
  root: Dir,
  { known, from }: { readonly known: KnownMailbox; readonly from: RawPath },
): RenameOutcome {
  const busy = removeLeftLock(context, root, { known, path: from });
  if (busy !== undefined) return busy;
  if (siteOf(root, from) !== "mailbox") removeEmptied(root, from);
  return MOVED;
}

/** Where nothing of a mailbox is left but the lock of whoever was killed when all had gone. */
function removeLeftLock(
  context: StoreContext,
  root: Dir,
  { known, path }: { readonly known: KnownMailbox; readonly path: RawPath },
): Busy | undefined {
  const opened = siteOf(root, path) === "directory" ? openMailbox(root, { mailbox: known.guid, path }) : undefined;
  if (opened?.kind !== "opened") return undefined;
  const { dir } = opened;
  try {
    const isLeft = dir.stat(UIDLIST_LOCK_FILE) !== undefined && ownParts(dir).length === 0;
    const held = isLeft ? underLock(context, { known, dir }, () => undefined) : undefined;
    return held?.kind === "busy" ? held : undefined;
  } finally {
    closeBelow(root, dir);
  }
}

/** Whether `path` is below `above`: then the directory cannot move there as a whole. */
function isInside(path: RawPath, above: RawPath): boolean {
  return above === "" || path.startsWith(`${above}/`);
}

/** Owners of the directories above it, as at the source; none where that is not told (it gets an old name back). */
function parentsOf({ structure }: Transaction): readonly FileOwner[] {
  return structure?.kind === "rename" ? (structure.parents ?? []) : [];
}

/** False, and nothing is done, when somebody has made a directory there meanwhile: a client's login does. */
function moveDirectory(context: StoreContext, root: Dir, found: Found, txn: Transaction): boolean {
  const { life } = context;
  const { path } = txn;
  const [fromName, toName] = [splitRaw(found.path).at(-1), splitRaw(path).at(-1)];
  assert(fromName !== undefined && toName !== undefined, "the store's root does not move");
  const owners = parentsOf(txn);
  const to = openParent(context, root, path, owners.length === 0 ? [{ ...found.dir.statSelf() }] : owners);
  try {
    life.reach("apply.parents-made");
    const from = openHolder(root, found.path);
    try {
      moveWithin(from, fromName, to, toName);
      to.sync();
      from.sync();
      life.reach("apply.mailbox-renamed");
      return true;
    } catch (error) {
      if (!["ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "")) throw error;
      return false;
    } finally {
      closeBelow(root, from);
    }
  } finally {
    closeBelow(root, to);
  }
}

function makeTarget(context: StoreContext, root: Dir, found: Found, txn: Transaction): Dir {
  const { path } = txn;
  const name = splitRaw(path).at(-1);
  assert(name !== undefined, "the store's root is always there");
  const parent = openParent(context, root, path, parentsOf(txn));
  try {
    return placeDirectory(context, parent, name, { ...found.dir.statSelf() });
  } finally {
    closeBelow(root, parent);
  }
}

/** An interrupted move has left cur/ there and the uidlist here; anything else with mail is another's. */
function refuseTarget(
  context: StoreContext,
  root: Dir,
  { dir, found, txn }: { readonly dir: Dir; readonly found: Found; readonly txn: Transaction },
): Divergence | undefined {
  const other = guidAt(root, txn.path);
  // Not even an empty one of ours makes room by going away: it would be missing afterwards.
  if (other !== undefined && other !== txn.mailbox && isOurs(context, other)) return occupiedBy(txn);
  if (isContinued(dir, found) || dir.stat(CUR) === undefined) return undefined;
  using dirs = new MailboxDirs(dir);
  return isEmptyOfMail(dirs) ? undefined : occupiedBy(txn);
}

function isContinued(dir: Dir, { hasCur }: Found): boolean {
  return !hasCur && dir.stat(CUR) !== undefined && dir.stat(UIDLIST_FILE) === undefined;
}

function occupiedBy({ mailbox, path }: Transaction): Divergence {
  return divergence({ kind: "mailbox-occupied", mailbox, path });
}

/** An empty mailbox that the replica's Dovecot made in the target's place goes to the limbo. */
function clearTarget(
  context: StoreContext,
  { dir, txn, undo }: { readonly dir: Dir; readonly txn: Transaction; readonly undo: UndoLog },
): readonly LimboRow[] {
  if (dir.stat(UIDLIST_FILE) === undefined) return [];
  const moves = { undo, life: context.life };
  if (dir.stat(CUR) === undefined && continueToLimbo(context, dir, txn.mailbox, moves)) return [];
  const batch = context.limbo.open({ mailbox: txn.mailbox, path: txn.path }, undo);
  partsToLimbo(dir, batch, moves);
  return batch.rows;
}

function partsToLimbo(dir: Dir, batch: LimboBatch, moves: PartMoves): void {
  const name = batch.mailboxName();
  moveParts(dir, moves.undo.hold(batch.dir.openDir(name) ?? makeChild(batch.dir, name, undefined)), moves);
  batch.tookMailbox(name, "delete");
  batch.sync();
}

/** Removes the mailbox into the limbo. One that is not there is gone already. */
export function deleteMailbox(
  context: StoreContext,
  root: Dir,
  { known, found, txn }: { readonly known: KnownMailbox; readonly found: Found | undefined; readonly txn: Transaction },
): ExecuteOutcome {
  const { mailbox, path } = txn;
  if (found === undefined) {
    const busy = removeLeftLock(context, root, { known, path });
    return busy ?? { kind: "applied", effect: removal(context, known, []), notes: [], lockedMs: 0 };
  }
  const held = underLock(context, { known, dir: found.dir }, (): Divergence | readonly LimboRow[] => {
    const foreign = context.options.foreign === "limbo" ? 0 : countForeign(known, found);
    if (foreign > 0) return divergence({ kind: "foreign-mail", mailbox, path, messages: foreign });
    return undoing(context.life, (undo) => {
      const moves = { undo, life: context.life };
      const batch = context.limbo.open({ mailbox, path: found.path }, undo);
      if (!found.hasCur && continueToLimbo(context, found.dir, mailbox, moves)) batch.sync();
      else if (found.path === "" || hasOtherDirectories(found.dir)) partsToLimbo(found.dir, batch, moves);
      else directoryToLimbo(root, found.path, { batch, undo });
      context.life.reach("apply.mailbox-in-limbo");
      return batch.rows;
    });
  });
  if (held.kind === "busy") return held;
  const { value, lockedMs } = held;
  if ("kind" in value) return { kind: "diverged", divergence: value };
  return { kind: "applied", effect: removal(context, known, value), notes: [], lockedMs };
}

/** Whether `cur/` was taken there by a killed process: then the rest goes beside it. The row of it is among the lost ones. */
function continueToLimbo({ limbo }: StoreContext, dir: Dir, mailbox: MailboxGuid, moves: PartMoves): boolean {
  const box = limbo.unfinished(mailbox);
  if (box === undefined) return false;
  moveParts(dir, moves.undo.hold(box), moves);
  return true;
}

function directoryToLimbo(
  root: Dir,
  path: RawPath,
  { batch, undo }: { readonly batch: LimboBatch; readonly undo: UndoLog },
): void {
  const name = splitRaw(path).at(-1);
  assert(name !== undefined, "the store's root does not move");
  const limboName = batch.mailboxName();
  const parent = openHolder(root, path);
  if (parent !== root) undo.hold(parent);
  undo.pushRename(batch.dir, limboName, parent, name);
  moveWithin(parent, name, batch.dir, limboName);
  parent.sync();
  batch.tookMailbox(limboName, "delete");
  batch.sync();
}

/** Mail that was never applied here, so the source never had it. */
function countForeign({ baseline }: KnownMailbox, { dir, uidlist, hasCur }: Found): number {
  if (!hasCur) return 0;
  using dirs = new MailboxDirs(dir);
  let foreign = 0;
  for (const { name } of listPlaces(dirs, () => true).values()) {
    const base = splitBaseName(name);
    const index = uidlist.indexOfBase(base);
    if (index < 0 || baseline?.record(uidlist.uidAt(index))?.base !== base) foreign += 1;
  }
  return foreign;
}

function removal({ cache, limbo }: StoreContext, known: KnownMailbox, rows: readonly LimboRow[]): AppliedEffect {
  const id = known.baseline?.row.id;
  cache.remove(known.guid);
  limbo.remember(rows);
  return { mailboxes: [], removedMailboxIds: id === undefined ? [] : [id], chunks: [], limbo: rows };
}

/** Whether a directory stands at that path, and whether it is a mailbox. */
export function siteOf(root: Dir, path: RawPath): "absent" | "directory" | "mailbox" {
  return withDir(root, path, (dir) => {
    if (dir === undefined) return "absent";
    return dir.stat(CUR)?.kind === "directory" ? "mailbox" : "directory";
  });
}
