/**
 * Reaching a mailbox's directories: from the store's root, one component after the other, never through a link.
 *
 * INVARIANT: no path that came from another site is used before `refusePath` let it pass.
 */
import type { Dir, Disk } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { openBelow } from "../base/open-below.js";
import { displayRaw, type RawName, type RawPath, splitRaw } from "../base/raw-name.js";
import { whyItFailed } from "../base/system-error.js";
import { maildirError } from "../maildir/errors.js";
import { CUR, NEW, TMP } from "../maildir/mailbox-files.js";
import { isMailboxPath } from "../maildir/mailbox-name.js";
import { applyError } from "./errors.js";

/** Why no mailbox may stand at that path, or undefined. */
export function refusePath(path: RawPath): string | undefined {
  return isMailboxPath(path) ? undefined : "a part of its path cannot be the name of a mailbox";
}

/** The store's root. The caller closes it. Throws: destination-missing. */
export function openStore(disk: Disk, storeRoot: string): Dir {
  const what = `opening the store ${displayRaw(storeRoot)}`;
  let root: Dir | undefined;
  try {
    root = disk.openRoot(storeRoot);
  } catch (error) {
    if (errnoOf(error) !== "EACCES") throw error; // that would be taken for the matter of one mailbox.
    throw applyError("destination-missing", `${what}: ${whyItFailed(error)}`, {}, error);
  }
  if (root !== undefined) return root;
  throw applyError("destination-missing", `${what}: it is not there`);
}

/** Runs `use` with the directory at `path`, or with undefined, and closes it. */
export function withDir<T>(root: Dir, path: RawPath, use: (dir: Dir | undefined) => T): T {
  const dir = openBelow(root, splitRaw(path));
  try {
    return use(dir);
  } finally {
    if (dir !== root) dir?.close();
  }
}

/** Whether the error says that a link or a file stands where a directory must be. */
export function isWrongKind(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === "ELOOP" || errno === "ENOTDIR";
}

/** A mailbox's three directories, opened when they are first needed. */
export class MailboxDirs implements Disposable {
  readonly dir: Dir;
  readonly #opened = new Map<RawName, Dir | undefined>();

  /** `dir` stays the caller's. */
  constructor(dir: Dir) {
    this.dir = dir;
  }

  get cur(): Dir {
    return this.#must(CUR);
  }

  get new(): Dir | undefined {
    return this.#open(NEW);
  }

  /** Made if it is missing: Dovecot does so too. */
  get tmp(): Dir {
    const { mode, uid, gid } = this.dir.statSelf();
    const tmp = this.#open(TMP);
    if (tmp !== undefined && !this.#isUnfinished(tmp, uid)) return tmp;
    tmp?.close();
    this.#opened.delete(TMP);
    if (tmp !== undefined) this.dir.rmdir(TMP);
    this.dir.mkdir(TMP, mode, { uid, gid });
    return this.#must(TMP);
  }

  /**
   * A killed process had made it and came not to give it away, as only root does: whoever delivers here could not use it. Of a user
   * who may write in another's mailbox it is as he can make it.
   */
  #isUnfinished(tmp: Dir, uid: number): boolean {
    const isRoots = process.geteuid?.() === 0 && tmp.statSelf().uid === 0;
    return isRoots && uid !== 0 && tmp.list().length === 0;
  }

  of(dir: "cur" | "new"): Dir {
    return dir === "cur" ? this.cur : this.#must(NEW);
  }

  [Symbol.dispose](): void {
    for (const dir of this.#opened.values()) dir?.close();
    this.#opened.clear();
  }

  #must(name: RawName): Dir {
    const dir = this.#open(name);
    if (dir === undefined)
      throw maildirError("mailbox-vanished", `opening ${name}/ of ${displayRaw(this.dir.shownPath)}: it is not there`);
    return dir;
  }

  #open(name: RawName): Dir | undefined {
    if (this.#opened.has(name)) return this.#opened.get(name);
    const dir = this.dir.openDir(name);
    this.#opened.set(name, dir);
    return dir;
  }
}
