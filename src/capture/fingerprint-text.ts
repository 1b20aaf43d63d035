/**
 * A mailbox's fingerprint as the text that is stored with its baseline and compared as a whole.
 *
 * INVARIANT: "" equals nothing that is on disk: it stands where a change could hide behind equal numbers.
 */
import type { Dir } from "../base/disk.js";
import type { MessageListing } from "../maildir/listing.js";
import { isRacilyClean, readFingerprint } from "../maildir/mailbox-fingerprint.js";
import type { MailboxDirs } from "./open-mailbox.js";

/** `nowMs` is read after the fingerprint was, from the clock that file times come from. */
export function readFingerprintText(mailbox: Dir, nowMs: () => number): string {
  const fingerprint = readFingerprint(mailbox);
  if (fingerprint === undefined || isRacilyClean(fingerprint, nowMs())) return "";
  const { dirIno, curMtimeMs, newMtimeMs, uidlistIno, uidlistSize, uidlistMtimeMs, keywordsMtimeMs } = fingerprint;
  return [dirIno, curMtimeMs, newMtimeMs, uidlistIno, uidlistSize, uidlistMtimeMs, keywordsMtimeMs].join(" ");
}

/**
 * Whether messages may have come, gone or been renamed since a listing that began when the directories had these mtimes.
 * Ticks do not matter here if the listing is believable.
 */
export function changedSince(dirs: MailboxDirs, listing: Pick<MessageListing, "curMtimeMs" | "newMtimeMs">): boolean {
  return (
    dirs.cur.statSelf().mtimeMs !== listing.curMtimeMs || (dirs.fresh?.statSelf().mtimeMs ?? 0) !== listing.newMtimeMs
  );
}

/** The inode of dovecot-uidlist in a stored fingerprint. */
export function uidlistInoOf(fingerprint: string): number | undefined {
  const ino = fingerprint.split(" ")[3];
  return ino === undefined ? undefined : Number(ino);
}

/** Whether dovecot-keywords has that mtime in a stored fingerprint. */
export function hasKeywordsMtime(fingerprint: string, mtimeMs: number): boolean {
  return fingerprint.split(" ")[6] === String(mtimeMs);
}
