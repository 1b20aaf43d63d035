/**
 * A mailbox's fingerprint as the text that is stored with its baseline and compared as a whole.
 *
 * INVARIANT: "" equals nothing that is on disk: it stands where a change could hide behind equal numbers.
 */
import type { Dir } from "../base/disk.js";
import { isRacilyClean, readFingerprint } from "../maildir/mailbox-fingerprint.js";

/** `nowMs` is read after the fingerprint was, from the clock that file times come from. */
export function readFingerprintText(mailbox: Dir, nowMs: () => number): string {
  const fingerprint = readFingerprint(mailbox);
  if (fingerprint === undefined || isRacilyClean(fingerprint, nowMs())) return "";
  const { dirIno, curMtimeMs, newMtimeMs, uidlistIno, uidlistSize, uidlistMtimeMs, keywordsMtimeMs } = fingerprint;
  return [dirIno, curMtimeMs, newMtimeMs, uidlistIno, uidlistSize, uidlistMtimeMs, keywordsMtimeMs].join(" ");
}
