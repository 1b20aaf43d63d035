/**
 * What stands in a mailbox directory, by name. The uidlist, its lock and the keywords move to the control directory
 * where Dovecot is configured with one (CONTROL=); messages never do.
 */
import { assert } from "../base/assert.js";
import type { Dir } from "../base/disk.js";
import { displayRaw, isRawName, type RawName } from "../base/raw-name.js";
import { maildirError } from "./errors.js";

function named(text: string): RawName {
  assert(isRawName(text), `not a file name: ${text}`);
  return text;
}

/** Messages that a Dovecot session has seen. */
export const CUR: RawName = named("cur");
/** Messages that nobody has seen yet; they move to `cur/` and never back. */
export const NEW: RawName = named("new");
/** Messages that are being written; nobody reads here. */
export const TMP: RawName = named("tmp");

export const UIDLIST_FILE: RawName = named("dovecot-uidlist");
export const UIDLIST_LOCK_FILE: RawName = named("dovecot-uidlist.lock");
/**
 * Ours, for a rewrite in progress, under the lock. Not Dovecot's own name (dovecot-uidlist.tmp): one of root's that a killed process
 * had not given away yet would keep Dovecot from rewriting the file.
 */
export const UIDLIST_TEMP_FILE: RawName = named("dovecot-uidlist.mailtwin");
export const KEYWORDS_FILE: RawName = named("dovecot-keywords");

/**
 * Ours, on both sides: dot files in `cur/` are never mail, and one that comes and goes wakes idle sessions. Made only under the
 * lock; one that is there was left by a killed process, and whoever has the lock next removes it.
 */
export const NUDGE_FILE: RawName = named(".mailtwin-nudge");

/** Opens `cur/`, `new/` or `tmp/`. Throws: mailbox-is-link for a link or a file there, mailbox-vanished when absent. */
export function openMessageDir(mailbox: Dir, name: RawName): Dir {
  const stat = mailbox.stat(name);
  if (stat !== undefined && stat.kind !== "directory") {
    throw maildirError("mailbox-is-link", `opening ${name}/ of ${displayRaw(mailbox.shownPath)}: it is no directory`, {
      kind: stat.kind,
    });
  }
  const dir = mailbox.openDir(name);
  if (dir === undefined) {
    throw maildirError("mailbox-vanished", `opening ${name}/ of ${displayRaw(mailbox.shownPath)}: it is not there`);
  }
  return dir;
}
