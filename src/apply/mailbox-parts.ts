/**
 * Which entries of a directory are one mailbox's own, and moving them; whatever else stands there (child mailboxes of
 * either layout, a user's sieve scripts and subscriptions beside the INBOX) stays.
 */
import { assert } from "../base/assert.js";
import type { CrashPoint } from "../base/crash-points.js";
import type { Dir } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { openBelow } from "../base/open-below.js";
import {
  displayRaw,
  isRawName,
  isRawPath,
  lastRaw,
  parentRaw,
  type RawName,
  type RawPath,
  splitRaw,
} from "../base/raw-name.js";
import { maildirError } from "../maildir/errors.js";
import { CUR, UIDLIST_FILE, UIDLIST_LOCK_FILE } from "../maildir/mailbox-files.js";
import type { FileOwner } from "../txn/message-state.js";
import { moveWithin, openMade } from "./limbo.js";
import { withDir } from "./mailbox-place.js";
import { BUILD } from "./scratch-areas.js";
import { type Places, removeTree } from "./stage-place.js";
import type { UndoLog } from "./undo-log.js";

const OWN_NAMES: ReadonlySet<string> = new Set([
  "cur",
  "new",
  "tmp",
  "maildirfolder",
  "dovecot-uidlist",
  "dovecot-keywords",
  "dovecot-acl",
  "dovecot-attributes",
]);
const MESSAGE_DIRS: ReadonlySet<string> = new Set(["cur", "new", "tmp"]);
/** Indexes go along: they are of this host. */
const OWN_INDEX = /^dovecot\.index(?:\.|$)/;

/**
 * Own parts in the order in which they go: `cur/` first, so that nobody opens what is left, and the uidlist, by which the mailbox
 * is recognised, last.
 */
export function ownParts(dir: Dir): string[] {
  const own = dir.list().filter((name) => OWN_NAMES.has(name) || OWN_INDEX.test(name));
  const rank = (name: string): number => (name === UIDLIST_FILE ? 2 : name === CUR ? 0 : 1);
  return own.sort((a, b) => rank(a) - rank(b));
}

/** Whether directories stand in it that are no part of the mailbox: then it must not be moved as a whole. */
export function hasOtherDirectories(dir: Dir): boolean {
  return dir.list().some((name) => !MESSAGE_DIRS.has(name) && dir.stat(name)?.kind === "directory");
}

/** Where a part has moved, for a crash point; and how it is taken back. */
export interface PartMoves {
  readonly undo: UndoLog;
  readonly life: { readonly reach: CrashPoint };
}

/** Moves own parts one by one. A part that is there already (a move that broke off) is left where it is. */
export function moveParts(from: Dir, to: Dir, moves: PartMoves): void {
  moveNamed(from, to, ownParts(from), moves);
  to.sync();
  from.sync();
}

/** The same for parts in that order, without making it durable. */
export function moveNamed(from: Dir, to: Dir, parts: readonly string[], { undo, life }: PartMoves): void {
  for (const name of parts) {
    if (name === UIDLIST_LOCK_FILE || (to.stat(name) !== undefined && !isReplaceable(to, name))) continue;
    undo.pushRename(to, name, from, name);
    moveWithin(from, name, to, name);
    life.reach("apply.part-moved");
  }
}

/** Files are replaced by a rename; of directories only empty ones are. */
function isReplaceable(to: Dir, name: string): boolean {
  if (to.stat(name)?.kind === "file") return true;
  const dir = MESSAGE_DIRS.has(name) && isRawName(name) ? to.openDir(name) : undefined;
  try {
    return dir !== undefined && dir.list().length === 0;
  } finally {
    dir?.close();
  }
}

/**
 * Opens the directory that holds the last component of `path`, making what is missing above it. `owners`: outermost
 * first; the last one serves for levels that are not given. The caller closes it, unless it is `root`.
 */
export function openParent(places: Places, root: Dir, path: RawPath, owners: readonly FileOwner[]): Dir {
  let dir = root;
  for (const [level, name] of splitRaw(path).slice(0, -1).entries()) {
    const above = dir;
    try {
      dir = above.openDir(name) ?? placeDirectory(places, above, name, owners[level] ?? owners.at(-1));
    } finally {
      if (above !== root) above.close();
    }
  }
  return dir;
}

/** Opens the directory that holds what is to be taken from `path`. The caller closes it, unless it is `root`. Throws: mailbox-vanished. */
export function openHolder(root: Dir, path: RawPath): Dir {
  const holder = openBelow(root, splitRaw(path).slice(0, -1));
  if (holder !== undefined) return holder;
  throw maildirError(
    "mailbox-vanished",
    `moving ${displayRaw(path)}: the directory that it was in is not there any more`,
  );
}

/**
 * Removes the directories above a mailbox that was renamed as far as they are empty now, as Dovecot does (not after DELETE):
 * an empty directory is listed as a folder (LAYOUT=fs). In a tree of users a user's directory stays.
 */
export function removeEmptyParents(root: Dir, path: RawPath): void {
  const depthMin = root.stat(CUR) === undefined ? 1 : 0;
  for (let above = parentRaw(path); splitRaw(above).length > depthMin; above = parentRaw(above)) {
    const name = lastRaw(above);
    assert(name !== undefined, "the store's root is not removed");
    const isGone = withDir(root, parentRaw(above), (dir) => dir === undefined || removeIfEmpty(dir, name));
    if (!isGone) return;
  }
}

/** Removes the directory that a mailbox's parts have left, unless something else is in it, and those above as far as they are empty. */
export function removeEmptied(root: Dir, path: RawPath): void {
  const inside = `${path}/${CUR}`;
  if (path !== "" && isRawPath(inside)) removeEmptyParents(root, inside);
}

function removeIfEmpty(dir: Dir, name: RawName): boolean {
  try {
    dir.rmdir(name);
    dir.sync();
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOTEMPTY" || errnoOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** What a directory of the store is called until it has its owner and mode: no GUID, so no mailbox that is being built. */
const UNPLACED = "directory";

/**
 * A directory of the store, like its parent if no owner is given: made in the scratch directory and moved in, since one that a
 * process killed in between has left would be root's for ever. If another stands there by then, it is that one.
 */
export function placeDirectory(
  { disk, options }: Places,
  parent: Dir,
  name: RawName,
  owner: FileOwner | undefined,
): Dir {
  const builds = openMade(disk, options.scratchRoot, [BUILD]);
  assert(isRawName(UNPLACED), "it is a file name");
  try {
    removeTree(builds, UNPLACED);
    makeChild(builds, UNPLACED, owner ?? parent.statSelf()).close();
    moveWithin(builds, UNPLACED, parent, name);
  } catch (error) {
    removeTree(builds, UNPLACED);
    if (!["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(errnoOf(error) ?? "")) throw error;
  } finally {
    builds.close();
  }
  parent.sync();
  const placed = parent.openDir(name);
  if (placed === undefined)
    throw maildirError("mailbox-vanished", `making ${displayRaw(parent.shownPath)}/${displayRaw(name)}: it vanished`);
  return placed;
}

/** Made durable at once, where nobody looks. Throws system errors. */
export function makeChild(dir: Dir, name: RawName, owner: FileOwner | undefined): Dir {
  const { mode, uid, gid } = owner ?? dir.statSelf();
  dir.mkdir(name, mode, { uid, gid });
  dir.sync();
  const made = dir.openDir(name);
  if (made === undefined) throw new TypeError("a directory vanished as it was made");
  return made;
}
