/**
 * A mailbox's fingerprint as the text that is stored with its baseline and compared as a whole.
 *
 * INVARIANT: "" equals nothing that is on disk: it stands where a change could hide behind equal numbers.
 */
import type { Dir } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { MailboxRow } from "../log/state-types.js";
import { KEYWORDS_FILE } from "../maildir/mailbox-files.js";
import { isRacilyClean, readFingerprint } from "../maildir/mailbox-fingerprint.js";
import { type MessageTimes, readMessageTimes, sameMessageTimes } from "../maildir/message-times.js";
import { type DirectoryMark, parseMark } from "../maildir/whose-tree.js";
import type { MailboxDirs } from "./open-mailbox.js";

/** In the place of a number. */
const UNKNOWN = "-";

/** `nowMs` is read after the fingerprint was, from the clock that file times come from. */
export function readFingerprintText(mailbox: Dir, nowMs: () => number): string {
  const fingerprint = readFingerprint(mailbox);
  if (fingerprint === undefined || isRacilyClean(fingerprint, nowMs())) return "";
  const { dirIno, curMtimeMs, newMtimeMs, uidlistIno, uidlistSize, uidlistMtimeMs, keywordsMtimeMs } = fingerprint;
  const { curCtimeMs, newCtimeMs, uidlistCtimeMs, keywordsCtimeMs, dirUid, dirBirthtimeMs } = fingerprint;
  const mtimes = [uidlistMtimeMs, keywordsMtimeMs];
  const ctimes = [curCtimeMs, newCtimeMs, uidlistCtimeMs, keywordsCtimeMs];
  // Others find their numbers by their place: new ones go to the end.
  const numbers = [
    dirIno,
    curMtimeMs,
    newMtimeMs,
    uidlistIno,
    uidlistSize,
    ...mtimes,
    ...ctimes,
    dirUid,
    dirBirthtimeMs,
  ];
  return numbers.join(" ");
}

/** Of a mailbox that no listing has covered: it equals nothing that is on disk, and says which directory the mailbox has. */
export function fingerprintOfUnlisted({ ino, uid, birthtimeMs }: DirectoryMark): string {
  return [ino, ...Array.from({ length: 10 }, () => UNKNOWN), uid, birthtimeMs].join(" ");
}

/**
 * Whether messages may have come, gone or been renamed since a listing that began when the directories had these times.
 * Ticks do not matter here if the listing is believable.
 */
export function changedSince(dirs: MailboxDirs, listing: MessageTimes): boolean {
  return !sameMessageTimes(readMessageTimes(dirs.cur, dirs.fresh), listing);
}

/** Which directory the mailbox had, in a stored fingerprint. */
export function directoryOf(fingerprint: string): DirectoryMark | undefined {
  const numbers = fingerprint.split(" ");
  return parseMark([numbers[0], numbers[11], numbers[12]].filter((number) => number !== undefined));
}

/** The inode of dovecot-uidlist in a stored fingerprint. */
export function uidlistInoOf(fingerprint: string): number | undefined {
  const ino = fingerprint.split(" ")[3];
  return ino === undefined ? undefined : Number(ino);
}

/**
 * Whether dovecot-keywords, which was read just now with that mtime, is the one of a stored fingerprint. An old fingerprint
 * has no ctime: then it is not.
 */
export function hasKeywordsOf(fingerprint: string, mtimeMs: number, control: Dir): boolean {
  const numbers = fingerprint.split(" ");
  if (numbers[6] !== String(mtimeMs)) return false;
  return numbers[10] === String(control.stat(KEYWORDS_FILE)?.ctimeMs ?? 0);
}

/** Paths of the mailboxes, the one that changed last first, as far as the stored fingerprints tell. */
export function latestFirst(rows: Iterable<Pick<MailboxRow, "path" | "fingerprint">>): RawPath[] {
  const dated = [...rows].map(({ path, fingerprint }) => ({ path, changedMs: changedMsOf(fingerprint) }));
  return dated.sort((a, b) => b.changedMs - a.changedMs).map(({ path }) => path);
}

/** Infinite where none is trusted: it changed a moment ago. */
function changedMsOf(fingerprint: string): number {
  const numbers = fingerprint.split(" ").map(Number);
  const times = [1, 2, 5, 6, 7, 8, 9, 10].map((field) => numbers[field] ?? Number.NaN).filter(Number.isFinite);
  return times.length === 0 ? Number.MAX_VALUE : Math.max(...times);
}
