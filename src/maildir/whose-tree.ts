/**
 * Whose a mailbox is, in a tree of many users: a GUID stands in a file that its user can write, so that two mailboxes with one GUID
 * need not be one mailbox. What a user cannot write is where his Maildir lies, and which directory a directory is.
 *
 * INVARIANT: of two users nothing goes from one to the other on the word of a uidlist.
 */
import type { Dir, FileStat } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import { CUR, KEYWORDS_FILE, UIDLIST_FILE } from "./mailbox-files.js";

/** Equal for two paths of one user. */
export type TreeOf = (path: RawPath) => string;

/**
 * By the outermost mailbox that a path is in: that is its user's INBOX. `has`: whether a mailbox stands at a path, or is known there. One
 * that is in no other is its own tree.
 */
export function treesOf(has: (path: string) => boolean): TreeOf {
  return (path) => {
    if (has("")) return "";
    for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
      const above = path.slice(0, end);
      if (has(above)) return above;
    }
    return path;
  };
}

/** All of the store is one user's. */
export const oneTree: TreeOf = () => "";

/** Whether a store is one user's Maildir (it is a mailbox, or has Dovecot's per-user files) rather than a tree of users. */
export function isOneUsers(root: Pick<Dir, "stat">): boolean {
  const own = [CUR, "subscriptions", "dovecot.list.index.log", UIDLIST_FILE, KEYWORDS_FILE];
  return own.some((name) => root.stat(name) !== undefined);
}

/** What tells a mailbox's directory from every other one, also after it was renamed. A number alone is given out again. */
export interface DirectoryMark {
  readonly ino: number;
  readonly uid: number;
  /** 0 where the file system does not say. */
  readonly birthtimeMs: number;
}

export function markOf({ ino, uid, birthtimeMs }: FileStat): DirectoryMark {
  return { ino, uid, birthtimeMs };
}

/** That they are not the same can mean that the file system does not tell. */
export function isSameDirectory(a: DirectoryMark, b: DirectoryMark): boolean {
  return a.ino === b.ino && a.uid === b.uid && a.birthtimeMs === b.birthtimeMs && a.birthtimeMs !== 0;
}

export function encodeMark({ ino, uid, birthtimeMs }: DirectoryMark): string {
  return `${ino} ${uid} ${birthtimeMs}`;
}

/** Undefined for what is not complete: a text of an older version. */
export function parseMark(numbers: readonly string[]): DirectoryMark | undefined {
  const [ino, uid, birthtimeMs] = numbers.map(Number);
  if (ino === undefined || uid === undefined || birthtimeMs === undefined) return undefined;
  return [ino, uid, birthtimeMs].every(Number.isFinite) ? { ino, uid, birthtimeMs } : undefined;
}
