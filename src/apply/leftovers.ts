/**
 * Files that only we make and that only a kill leaves behind: a uidlist or keywords file that was not renamed into its place yet, the
 * dot file that wakes sessions, a lock that was not linked yet, a stale one that was moved aside. Dovecot minds none of them. They go
 * when this process first holds the mailbox's lock, since whoever holds it knows that nobody is at work on them; but for a lock
 * that another process of ours is just making, which makes it anew then.
 */
import type { Dir } from "../base/disk.js";
import { isLockLeftover, removeLockLeftovers } from "../maildir/dotlock.js";
import { CUR, NUDGE_FILE, UIDLIST_TEMP_FILE } from "../maildir/mailbox-files.js";

/** Dovecot writes dovecot-keywords.lock instead. */
export const KEYWORDS_TEMP_FILE = "dovecot-keywords.tmp";

/** Whether there is something of it beside the mailbox's own files. */
export function hasLeftovers(mailbox: Dir): boolean {
  return mailbox.list().some(isLeftover);
}

/** Only under the lock. Returns whether some may be left: there is a limit to what one hold removes. */
export function removeLeftovers(mailbox: Dir): boolean {
  for (const name of [UIDLIST_TEMP_FILE, KEYWORDS_TEMP_FILE]) removeUnlessDirectory(mailbox, name);
  const mayHaveMore = removeLockLeftovers(mailbox);
  const cur = mailbox.stat(CUR)?.kind === "directory" ? mailbox.openDir(CUR) : undefined;
  try {
    if (cur !== undefined) removeUnlessDirectory(cur, NUDGE_FILE);
  } finally {
    cur?.close();
  }
  return mayHaveMore;
}

/** A directory of such a name is its owner's, and none of what a kill leaves. It is named where it stands in the way of a file. */
export function removeUnlessDirectory(dir: Dir, name: string): void {
  try {
    dir.unlink(name);
  } catch (error) {
    if (dir.stat(name)?.kind !== "directory") throw error;
  }
}

function isLeftover(name: string): boolean {
  return name === UIDLIST_TEMP_FILE || name === KEYWORDS_TEMP_FILE || isLockLeftover(name);
}
