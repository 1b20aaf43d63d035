/**
 * From a mailbox path to open directories, component by component, so that no link below the store's root is followed.
 *
 * Directories are opened for one call and closed after it: a renamed mailbox would else be read under its old name.
 */
import type { Dir, Disk, Site } from "../base/disk.js";
import { errnoOf, MailtwinError } from "../base/errors.js";
import { pinRoots } from "../base/pinned-roots.js";
import { displayRaw, lastRaw, parentRaw, type RawPath, splitRaw } from "../base/raw-name.js";
import { CUR, NEW, openMessageDir } from "../maildir/mailbox-files.js";
import { captureError } from "./errors.js";

export interface StorePlace {
  readonly disk: Disk;
  /** Absolute, bytes-in-a-string. */
  readonly storeRoot: string;
  /** A file in it without which it is not the store. */
  readonly sentinel?: RawPath | undefined;
}

/**
 * `disk`, for which the store stays the directory that it is (`site`), or that it was when it was opened first: whoever may write in
 * the directory above could put a link to the mail of others there, and would have it sent to his twin. Throws: store-missing.
 */
export function pinStore(disk: Disk, storeRoot: string, site?: Site): Disk {
  const refuse = (why: string, cause?: unknown) =>
    captureError("store-missing", `opening the store ${displayRaw(storeRoot)}: ${why}`, {}, cause);
  return pinRoots(disk, [{ path: storeRoot, site, refuse }]);
}

/** The three directories of an open mailbox. The caller closes them with `closeMailbox`. */
export interface MailboxDirs {
  readonly mailbox: Dir;
  readonly cur: Dir;
  /** `new/`; a mailbox without one is as good as one with an empty one. */
  readonly fresh: Dir | undefined;
}

/** Throws: store-missing, store-unreadable. */
export function openStoreRoot({ disk, storeRoot }: StorePlace): Dir {
  const root = askingStore(storeRoot, () => disk.openRoot(storeRoot));
  if (root !== undefined) return root;
  throw captureError("store-missing", `opening the store ${displayRaw(storeRoot)}: there is no such directory`);
}

/** Throws: store-missing, store-unreadable; also where the root can be listed, and nothing in it be looked at. */
export function refuseUnreadableStore(place: StorePlace): void {
  const root = openStoreRoot(place);
  try {
    askingStore(place.storeRoot, () => root.stat(CUR));
  } finally {
    root.close();
  }
}

/** Throws: store-missing, also where the sentinel is no regular file, or cannot be looked at. */
export function refuseWithoutSentinel(place: StorePlace): void {
  const { sentinel, storeRoot } = place;
  const name = sentinel === undefined ? undefined : lastRaw(sentinel);
  if (sentinel === undefined || name === undefined) return;
  let dir: Dir | undefined;
  try {
    dir = openStoreDir(place, parentRaw(sentinel));
    if (dir?.stat(name)?.kind === "file") return;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  } finally {
    dir?.close();
  }
  const words = `opening the store ${displayRaw(storeRoot)}: its sentinel ${displayRaw(sentinel)} is not there`;
  throw captureError("store-missing", words);
}

/** What the system says of the root is no matter of one mailbox. */
function askingStore<T>(storeRoot: string, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    const errno = errnoOf(error) ?? "";
    const code = REFUSED.has(errno) ? "store-unreadable" : GONE.has(errno) ? "store-missing" : undefined;
    if (code === undefined) throw error;
    throw captureError(code, `opening the store ${displayRaw(storeRoot)}: ${errno}`, {}, error);
  }
}

const REFUSED: ReadonlySet<string> = new Set(["EACCES", "EPERM"]);
/** Something else stands there, or the server of a file system that is mounted there has gone. */
const GONE: ReadonlySet<string> = new Set(["ENOTDIR", "ELOOP", "ESTALE", "ENOTCONN"]);

/** Whether an error concerns the whole store, and no mailbox of it. */
export function isOfStore(error: unknown): boolean {
  return error instanceof MailtwinError && (error.code === "store-missing" || error.code === "store-unreadable");
}

/** Undefined when some component is absent. Throws: store-missing, store-unreadable, ELOOP and ENOTDIR for what is no directory. */
export function openStoreDir(place: StorePlace, path: RawPath): Dir | undefined {
  let dir = openStoreRoot(place);
  for (const name of splitRaw(path)) {
    const parent = dir;
    try {
      const child = parent.openDir(name);
      if (child === undefined) return undefined;
      dir = child;
    } finally {
      parent.close();
    }
  }
  return dir;
}

/**
 * Undefined when the directory is absent or is no mailbox (no `cur/`), also if it goes at this moment. Throws: store-missing, store-unreadable,
 * mailbox-is-link.
 */
export function openMailbox(place: StorePlace, path: RawPath): MailboxDirs | undefined {
  const mailbox = openStoreDir(place, path);
  if (mailbox === undefined) return undefined;
  const opened: Dir[] = [mailbox];
  try {
    if (mailbox.stat(CUR) === undefined) return undefined;
    const cur = openMessageDir(mailbox, CUR);
    opened.push(cur);
    const fresh = mailbox.stat(NEW) === undefined ? undefined : openMessageDir(mailbox, NEW);
    opened.length = 0;
    return { mailbox, cur, fresh };
  } catch (error) {
    if (hasVanished(error)) return undefined;
    throw error;
  } finally {
    for (const dir of opened) dir.close();
  }
}

/** Whether an error says that a directory went, or was emptied, while it was open: its mailbox was deleted, or another one took its place. */
export function hasVanished(error: unknown): boolean {
  return errnoOf(error) === "ENOENT" || (error instanceof MailtwinError && error.code === "mailbox-vanished");
}

export function closeMailbox(dirs: MailboxDirs): void {
  dirs.cur.close();
  dirs.fresh?.close();
  dirs.mailbox.close();
}
