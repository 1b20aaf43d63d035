/**
 * A mailbox out of the store for a moment: scratch/parked/GUID, from where it goes to its next place.
 *
 * INVARIANT: where Dovecot looks there is never `cur/` without the uidlist that belongs to it: on the way out `cur/` goes
 * first and the uidlist last, on the way in the uidlist comes first and `cur/` last. So the uidlist also tells where a
 * mailbox is that is half out or half in. A directory that is nothing but the mailbox moves as one.
 * INVARIANT: no mailbox is put where another one of ours stands, or mail of others.
 */
import { assert } from "../base/assert.js";
import type { Dir } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { openBelow } from "../base/open-below.js";
import { displayRaw, isRawName, lastRaw, parentRaw, type RawName, type RawPath, splitRaw } from "../base/raw-name.js";
import { maildirError } from "../maildir/errors.js";
import { isMailboxGuid, type MailboxGuid } from "../maildir/ids.js";
import { CUR, NEW, TMP, UIDLIST_LOCK_FILE } from "../maildir/mailbox-files.js";
import { isEmptyOfMail } from "./apply-messages.js";
import { moveWithin, openMade, openScratch } from "./limbo.js";
import { hasOtherDirectories, moveNamed, openHolder, openParent, ownParts, placeDirectory } from "./mailbox-parts.js";
import { MailboxDirs, withDir } from "./mailbox-place.js";
import { HELD, PARKED } from "./scratch-areas.js";
import type { StoreContext } from "./store-context.js";
import { surveyMailbox } from "./survey.js";
import type { UndoLog } from "./undo-log.js";

/** Which mailbox, and where in the store. */
export interface Place {
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
}

/** Who stands at that path, as its uidlist says. */
export function guidAt(root: Dir, path: RawPath): MailboxGuid | undefined {
  return surveyMailbox(root, path).guid;
}

/** Whether the directory can move as a whole: nothing else lives in it, and it is not the store itself. */
export function isAlone(root: Dir, path: RawPath): boolean {
  return path !== "" && withDir(root, path, (dir) => dir !== undefined && !hasOtherDirectories(dir));
}

/** Takes a mailbox out of the store, or what an earlier attempt left there of it. */
export function park(
  context: StoreContext,
  root: Dir,
  { mailbox, path }: Place,
  { isWhole, undo }: { readonly isWhole: boolean; readonly undo: UndoLog },
): void {
  const { disk, options, life } = context;
  const name = rawNameOf(mailbox);
  const area = undo.hold(openMade(disk, options.scratchRoot, [PARKED]));
  if (isWhole) {
    takeDirectory(root, path, { area, name }, undo);
    return;
  }
  const dir = openBelow(root, splitRaw(path));
  if (dir === undefined) throw maildirError("mailbox-vanished", `moving ${displayRaw(path)}: it is not there any more`);
  held(root, dir, undo);
  // Like the one that it comes from: it is what moves in, if none stands where the mailbox goes.
  const box = undo.hold(area.openDir(name) ?? placeDirectory(context, area, name, dir.statSelf()));
  moveNamed(dir, box, ownParts(dir), { undo, life });
}

/** Takes a directory out of the store with all that is in it. */
export function takeDirectory(
  root: Dir,
  path: RawPath,
  { area, name }: { readonly area: Dir; readonly name: RawName },
  undo: UndoLog,
): void {
  const parent = held(root, openHolder(root, path), undo);
  undo.pushRename(area, name, parent, nameOf(path));
  moveWithin(parent, nameOf(path), area, name);
}

/** Which mailboxes are out of the store. */
export function parkedMailboxes(context: Pick<StoreContext, "disk" | "options">): MailboxGuid[] {
  return guidsIn(context, PARKED);
}

function guidsIn({ disk, options }: Pick<StoreContext, "disk" | "options">, area: string): MailboxGuid[] {
  const dir = openScratch(disk, options.scratchRoot, [area]);
  try {
    return (dir?.list() ?? []).filter(isMailboxGuid);
  } finally {
    dir?.close();
  }
}

/** Whether the mailbox may be out of the store. */
export function isAway(context: Pick<StoreContext, "disk" | "options">, mailbox: MailboxGuid): boolean {
  return parkedMailboxes(context).includes(mailbox) || guidsIn(context, HELD).length > 0;
}

/** Whether any mailbox may be out of the store. */
export function isAnyAway(context: Pick<StoreContext, "disk" | "options">): boolean {
  return [PARKED, HELD].some((area) => guidsIn(context, area).length > 0);
}

/** Brings a parked mailbox, or the rest of it, into the store. "occupied": nothing was done, something else is there. */
export function unpark(context: StoreContext, root: Dir, { mailbox, path }: Place, undo: UndoLog): "done" | "occupied" {
  const area = undo.hold(openMade(context.disk, context.options.scratchRoot, [PARKED]));
  return moveIn(context, root, { area, name: rawNameOf(mailbox), mailbox, path }, undo);
}

export interface Arrival {
  /** The directory `name` in `area` has the mailbox, and maybe other things. */
  readonly area: Dir;
  readonly name: RawName;
  readonly mailbox: MailboxGuid | undefined;
  readonly path: RawPath;
}

/** Moves the directory to its path in the store; where one stands already, what is in it. */
export function moveIn(context: StoreContext, root: Dir, arrival: Arrival, undo: UndoLog): "done" | "occupied" {
  const { area, name, path } = arrival;
  if (withDir(root, path, (dir) => dir === undefined)) {
    const parent = held(root, openParent(context, root, path, []), undo);
    if (tryRename(area, name, { to: parent, toName: nameOf(path) }, undo)) return "done";
  }
  const dir = openBelow(root, splitRaw(path));
  if (dir === undefined) return "occupied"; // it comes and goes.
  held(root, dir, undo);
  if (!isFor(context, root, arrival, dir)) return "occupied";
  const box = area.openDir(name);
  if (box === undefined) return "done";
  undo.hold(box);
  const parts = ownParts(box).reverse(); // the uidlist first and cur/ last: the other way round than they went.
  const moves = { undo, life: context.life };
  moveNamed(box, dir, parts, moves);
  for (const part of [TMP, NEW, CUR] as const) mergeFiles(box, dir, part, undo);
  const others = box.list().filter((other) => other !== UIDLIST_LOCK_FILE && dir.stat(other) === undefined);
  moveNamed(box, dir, others, moves);
  return "done"; // what is empty now goes later (`removeBox`): taking back needs it.
}

/** Mail that came to a mailbox while it was half away has made a directory there, which stays. */
function mergeFiles(box: Dir, dir: Dir, name: RawName, undo: UndoLog): void {
  const [from, to] = [box.openDir(name), dir.openDir(name)];
  for (const opened of [from, to]) if (opened !== undefined) undo.hold(opened);
  if (from === undefined || to === undefined) return;
  for (const file of from.list()) {
    if (to.stat(file) !== undefined) continue;
    undo.pushRename(to, file, from, file);
    moveWithin(from, file, to, file);
  }
  to.sync();
}

/** Removes what is left where a mailbox was out of the store, if that is nothing but empty directories and a dead lock. */
export function removeBox(
  { disk, options }: StoreContext,
  area: typeof PARKED | typeof HELD,
  mailbox: MailboxGuid,
): void {
  const dir = openScratch(disk, options.scratchRoot, [area]);
  let box: Dir | undefined;
  try {
    box = dir?.openDir(rawNameOf(mailbox));
    if (dir === undefined || box === undefined) return;
    for (const name of [TMP, NEW, CUR]) removeEmpty(box, name);
    box.unlink(UIDLIST_LOCK_FILE);
    removeEmpty(dir, mailbox);
  } finally {
    box?.close();
    dir?.close();
  }
}

/** Makes durable that mailboxes came to those paths. */
export function syncPlaces({ disk, options }: StoreContext, root: Dir, paths: readonly RawPath[]): void {
  for (const path of paths.flatMap((each) => [each, parentRaw(each)])) withDir(root, path, (dir) => dir?.sync());
  const parked = openMade(disk, options.scratchRoot, [PARKED]);
  try {
    parked.sync();
  } finally {
    parked.close();
  }
}

/** False when somebody has made something in its place meanwhile. */
function tryRename(
  from: Dir,
  name: RawName,
  { to, toName }: { readonly to: Dir; readonly toName: RawName },
  undo: UndoLog,
): boolean {
  undo.pushRename(to, toName, from, name);
  try {
    moveWithin(from, name, to, toName);
    return true;
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(errnoOf(error) ?? "")) throw error;
    undo.dropLast();
    return false;
  }
}

/** Nothing stands there, or parts of this mailbox, or an empty one that the replica's Dovecot made. */
function isFor({ reader }: StoreContext, root: Dir, { mailbox, path }: Arrival, dir: Dir): boolean {
  const guid = guidAt(root, path);
  if (guid !== undefined && guid === mailbox) return true;
  if (guid !== undefined && reader.mailboxByGuid(guid) !== undefined) return false;
  if (dir.stat(CUR) === undefined) return true;
  using dirs = new MailboxDirs(dir);
  return isEmptyOfMail(dirs);
}

function removeEmpty(dir: Dir, name: string): void {
  try {
    dir.rmdir(name);
  } catch (error) {
    if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
  }
}

export function rawNameOf(mailbox: MailboxGuid): RawName {
  const name: string = mailbox;
  assert(isRawName(name), "a GUID is a file name");
  return name;
}

function nameOf(path: RawPath): RawName {
  const name = lastRaw(path);
  assert(name !== undefined, "the store's root does not move");
  return name;
}

/** Keeps it open for `undo`, unless it is the root. */
function held(root: Dir, dir: Dir, undo: UndoLog): Dir {
  return dir === root ? dir : undo.hold(dir);
}
