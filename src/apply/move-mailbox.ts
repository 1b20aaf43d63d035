/**
 * A mailbox gets another path, or goes. A whole directory moves by one rename; where other things stand in it or in its
 * target, the mailbox's own parts move, the uidlist last, so that a move that broke off is recognised and continued.
 */

import { assert } from "../base/assert.js";
import type { Dir } from "../base/disk.js";
import { isRawName, isRawPath, type RawPath, splitRaw } from "../base/raw-name.js";
import type { LimboRow } from "../log/state-types.js";
import { CUR, UIDLIST_FILE } from "../maildir/mailbox-files.js";
import { splitBaseName } from "../maildir/message-name.js";
import type { Transaction } from "../txn/transaction.js";
import { isEmptyOfMail } from "./apply-messages.js";
import type { AppliedEffect, ExecuteOutcome } from "./apply-types.js";
import { type Divergence, divergence } from "./divergence.js";
import { listPlaces } from "./find-files.js";
import { type LimboBatch, moveWithin } from "./limbo.js";
import { closeBelow, type Located, openMailbox } from "./locate.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import { hasOtherDirectories, makeChild, moveParts, openParent, removeEmptyParents } from "./mailbox-parts.js";
import { MailboxDirs, withDir } from "./mailbox-place.js";
import { type StoreContext, underLock } from "./store-context.js";
import { type UndoLog, undoing } from "./undo-log.js";

type Found = Extract<Located, { kind: "found" }>;

export type RenameOutcome =
  | { readonly kind: "moved"; readonly limbo: readonly LimboRow[] }
  | { readonly kind: "diverged"; readonly divergence: Divergence }
  | { readonly kind: "busy"; readonly by: string; readonly ageMs: number };

/** Moves the mailbox to the transaction's path, if it is not there. */
export function renameMailbox(
  context: StoreContext,
  root: Dir,
  { known, found, txn }: { readonly known: KnownMailbox; readonly found: Found; readonly txn: Transaction },
): RenameOutcome {
  if (found.path === txn.path) return { kind: "moved", limbo: [] };
  const target = openMailbox(root, txn);
  if (target.kind === "diverged") return target;
  if (target.kind === "absent" && found.path !== "" && !isInside(txn.path, found.path)) {
    moveDirectory(root, found, txn.path);
    removeEmptyParents(root, found.path);
    return { kind: "moved", limbo: [] };
  }
  const dir = target.kind === "opened" ? target.dir : makeTarget(root, txn.path);
  try {
    const occupied = refuseTarget(dir, found, txn);
    if (occupied !== undefined) return { kind: "diverged", divergence: occupied };
    const held = underLock(context, { known, dir: found.dir }, () => {
      return undoing(context.life, (undo) => {
        const limbo = clearTarget(context, { dir, txn, undo });
        moveParts(found.dir, dir, undo);
        return limbo;
      });
    });
    if (held.kind === "busy") return held;
    removeEmptied(root, found.path);
    return { kind: "moved", limbo: held.value };
  } finally {
    closeBelow(root, dir);
  }
}

/** The directory that a mailbox's parts have left, unless something else is in it, and those around it. */
function removeEmptied(root: Dir, path: RawPath): void {
  const inside = `${path}/${CUR}`;
  if (path !== "" && isRawPath(inside)) removeEmptyParents(root, inside);
}

/** Whether `path` is below `above`: then the directory cannot move there as a whole. */
function isInside(path: RawPath, above: RawPath): boolean {
  return above === "" || path.startsWith(`${above}/`);
}

function moveDirectory(root: Dir, found: Found, path: RawPath): void {
  const [fromName, toName] = [splitRaw(found.path).at(-1), splitRaw(path).at(-1)];
  assert(fromName !== undefined && toName !== undefined, "the store's root does not move");
  const to = openParent(root, path, [{ ...found.dir.statSelf() }]);
  try {
    const from = openParent(root, found.path, []);
    try {
      moveWithin(from, fromName, to, toName);
      to.sync();
      from.sync();
    } finally {
      closeBelow(root, from);
    }
  } finally {
    closeBelow(root, to);
  }
}

function makeTarget(root: Dir, path: RawPath): Dir {
  const name = splitRaw(path).at(-1);
  assert(name !== undefined, "the store's root is always there");
  const parent = openParent(root, path, []);
  try {
    return makeChild(parent, name, undefined);
  } finally {
    closeBelow(root, parent);
  }
}

/** An interrupted move has left cur/ there and the uidlist here; anything else with mail is another's. */
function refuseTarget(dir: Dir, found: Found, { mailbox, path }: Transaction): Divergence | undefined {
  const isContinued = !found.hasCur && dir.stat(UIDLIST_FILE) === undefined;
  if (isContinued || dir.stat(CUR) === undefined) return undefined;
  using dirs = new MailboxDirs(dir);
  return isEmptyOfMail(dirs) ? undefined : divergence({ kind: "mailbox-occupied", mailbox, path });
}

/** An empty mailbox that the replica's Dovecot made in the target's place goes to the limbo. */
function clearTarget(
  { limbo }: StoreContext,
  { dir, txn, undo }: { readonly dir: Dir; readonly txn: Transaction; readonly undo: UndoLog },
): readonly LimboRow[] {
  if (dir.stat(UIDLIST_FILE) === undefined) return [];
  const batch = limbo.open({ mailbox: txn.mailbox, path: txn.path }, undo);
  partsToLimbo(dir, batch, undo);
  return batch.rows;
}

function partsToLimbo(dir: Dir, batch: LimboBatch, undo: UndoLog): void {
  const name = batch.mailboxName();
  assert(isRawName(name), "a limbo name is a file name");
  moveParts(dir, undo.hold(makeChild(batch.dir, name, undefined)), undo);
  batch.tookMailbox(name, "delete");
  batch.sync();
}

/** Removes the mailbox into the limbo. One that is not there is gone already. */
export function deleteMailbox(
  context: StoreContext,
  root: Dir,
  { known, found, txn }: { readonly known: KnownMailbox; readonly found: Found | undefined; readonly txn: Transaction },
): ExecuteOutcome {
  if (found === undefined) return { kind: "applied", effect: removal(context, known, []), notes: [], lockedMs: 0 };
  const held = underLock(context, { known, dir: found.dir }, (): Divergence | readonly LimboRow[] => {
    const foreign = context.options.foreign === "limbo" ? 0 : countForeign(known, found);
    const { mailbox, path } = txn;
    if (foreign > 0) return divergence({ kind: "foreign-mail", mailbox, path, messages: foreign });
    return undoing(context.life, (undo) => {
      const batch = context.limbo.open({ mailbox, path: found.path }, undo);
      if (found.path === "" || hasOtherDirectories(found.dir)) partsToLimbo(found.dir, batch, undo);
      else directoryToLimbo(root, found.path, batch, undo);
      return batch.rows;
    });
  });
  if (held.kind === "busy") return held;
  const { value, lockedMs } = held;
  if ("kind" in value) return { kind: "diverged", divergence: value };
  return { kind: "applied", effect: removal(context, known, value), notes: [], lockedMs };
}

function directoryToLimbo(root: Dir, path: RawPath, batch: LimboBatch, undo: UndoLog): void {
  const name = splitRaw(path).at(-1);
  assert(name !== undefined, "the store's root does not move");
  const limboName = batch.mailboxName();
  const parent = openParent(root, path, []);
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
