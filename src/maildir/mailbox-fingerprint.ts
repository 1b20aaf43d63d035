/**
 * A few numbers that differ whenever a mailbox was changed: what a restart compares in place of listing messages.
 *
 * Programs put mtimes back (rsync -a, tar, touch -d); a ctime cannot be set, so both are compared.
 *
 * File times move in ticks. A change in the tick in which the fingerprint was taken may leave it as it is, so a time
 * that is as young as a tick is not trusted (git calls such an entry "racily clean"): look again later.
 */

import type { Dir, FileStat } from "../base/disk.js";
import { tickOf } from "./clock-tick.js";
import { CUR, KEYWORDS_FILE, NEW, UIDLIST_FILE } from "./mailbox-files.js";

/** Zeros stand for what is not there. */
export interface MailboxFingerprint {
  readonly curMtimeMs: number;
  readonly newMtimeMs: number;
  readonly uidlistIno: number;
  readonly uidlistSize: number;
  readonly uidlistMtimeMs: number;
  readonly keywordsMtimeMs: number;
  readonly dirIno: number;
  readonly curCtimeMs: number;
  readonly newCtimeMs: number;
  readonly uidlistCtimeMs: number;
  readonly keywordsCtimeMs: number;
  readonly dirUid: number;
  readonly dirBirthtimeMs: number;
}

/** Undefined when the directory has no `cur/`. `control` is where the uidlist and the keywords are. */
export function readFingerprint(mailbox: Dir, control: Dir = mailbox): MailboxFingerprint | undefined {
  const cur = mailbox.stat(CUR);
  if (cur?.kind !== "directory") return undefined;
  const fresh = mailbox.stat(NEW);
  const uidlist = control.stat(UIDLIST_FILE);
  const keywords = control.stat(KEYWORDS_FILE);
  const self = mailbox.statSelf();
  return {
    curMtimeMs: cur.mtimeMs,
    newMtimeMs: mtimeOf(fresh),
    uidlistIno: uidlist?.ino ?? 0,
    uidlistSize: uidlist?.size ?? 0,
    uidlistMtimeMs: mtimeOf(uidlist),
    keywordsMtimeMs: mtimeOf(keywords),
    dirIno: mailbox.ino,
    curCtimeMs: cur.ctimeMs,
    newCtimeMs: ctimeOf(fresh),
    uidlistCtimeMs: ctimeOf(uidlist),
    keywordsCtimeMs: ctimeOf(keywords),
    dirUid: self.uid,
    dirBirthtimeMs: self.birthtimeMs,
  };
}

function mtimeOf(stat: FileStat | undefined): number {
  return stat?.mtimeMs ?? 0;
}

function ctimeOf(stat: FileStat | undefined): number {
  return stat?.ctimeMs ?? 0;
}

export function sameFingerprint(a: MailboxFingerprint, b: MailboxFingerprint): boolean {
  return (
    a.curMtimeMs === b.curMtimeMs &&
    a.newMtimeMs === b.newMtimeMs &&
    a.uidlistIno === b.uidlistIno &&
    a.uidlistSize === b.uidlistSize &&
    a.uidlistMtimeMs === b.uidlistMtimeMs &&
    a.keywordsMtimeMs === b.keywordsMtimeMs &&
    a.dirIno === b.dirIno &&
    a.curCtimeMs === b.curCtimeMs &&
    a.newCtimeMs === b.newCtimeMs &&
    a.uidlistCtimeMs === b.uidlistCtimeMs &&
    a.keywordsCtimeMs === b.keywordsCtimeMs &&
    a.dirUid === b.dirUid &&
    a.dirBirthtimeMs === b.dirBirthtimeMs
  );
}

/**
 * True when a change may hide behind this fingerprint: one of its times is within a tick of `readAtMs`, the wall clock
 * when it was read. One that is further ahead (a clock was set back, a date was set by hand) hides nothing: a change sets the time of
 * its moment, which is another one until the clock gets there.
 */
export function isRacilyClean(fingerprint: MailboxFingerprint, readAtMs: number): boolean {
  const { curMtimeMs, newMtimeMs, uidlistMtimeMs, keywordsMtimeMs } = fingerprint;
  const { curCtimeMs, newCtimeMs, uidlistCtimeMs, keywordsCtimeMs } = fingerprint;
  const mtimes = [curMtimeMs, newMtimeMs, uidlistMtimeMs, keywordsMtimeMs];
  return [...mtimes, curCtimeMs, newCtimeMs, uidlistCtimeMs, keywordsCtimeMs].some(
    (timeMs) => Math.abs(readAtMs - timeMs) < tickOf(timeMs),
  );
}
