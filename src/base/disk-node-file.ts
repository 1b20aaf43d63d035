/**
 * What the node disk does with an open file descriptor: facts, filling a new file, appending, reading.
 *
 * Nothing here knows a path. The caller opens, closes and puts names into messages; that keeps each rule about
 * partial writes and ownership in one place.
 */
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fdatasyncSync,
  constants as fsConstants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  readSync,
  type Stats,
  writeSync,
} from "node:fs";
import { assert } from "./assert.js";
import { baseError } from "./base-errors.js";
import type { CreateOptions, FileStat, ReadFile } from "./disk.js";
import { errnoOf } from "./errors.js";
import { type Attempt, describeAttempt, explainSystemError } from "./system-error.js";

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK } = fsConstants;
const PERMISSION_BITS = 0o7777;
/** Of a file: what runs as its owner for everybody is no mail, and no file of ours. */
const FILE_BITS = 0o777;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export function fileStatOf(stats: Stats): FileStat {
  const { dev, ino, size, nlink, mode, uid, gid, mtimeMs, ctimeMs, birthtimeMs } = stats;
  const bits = mode & PERMISSION_BITS;
  return { kind: kindOfMode(mode), dev, ino, size, nlink, mode: bits, uid, gid, mtimeMs, ctimeMs, birthtimeMs };
}

function kindOfMode(mode: number): FileStat["kind"] {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    default:
      return "other";
  }
}

/** Node turns a negative number into "now", but takes a negative string as it is (mail from before 1970). */
export function nodeTime(seconds: number): number | string {
  assert(Number.isSafeInteger(seconds), "file times are whole seconds");
  return seconds < 0 ? String(seconds) : seconds;
}

/** The process never changes its user. */
const IS_ROOT = process.geteuid?.() === 0;

/** Leaves the uid as it is. */
const SAME_UID = -1;
const GROUP_BITS = 0o070;
const SET_GID = 0o2000;

/**
 * Gives a new file or directory to its owner as far as this process may, and returns the mode that it may have then. Only root
 * may give it away; anybody may give it to a group that he is in. Where he is not, it stays with his own group, for which
 * what the mode says of the group was not meant.
 */
export function giveTo(fd: number, owner: Owner | undefined, mode: number): number {
  if (owner === undefined) return mode;
  try {
    fchownSync(fd, IS_ROOT ? owner.uid : SAME_UID, owner.gid);
    return mode;
  } catch (error) {
    if (IS_ROOT || !["EPERM", "EINVAL"].includes(errnoOf(error) ?? "")) throw error;
    return withoutGroup(mode);
  }
}

/** The group may then do what everybody may: also the mode with which a file is opened, before it has its group. */
export function withoutGroup(mode: number): number {
  return (mode & ~(GROUP_BITS | SET_GID)) | (mode & GROUP_BITS & ((mode & 0o007) << 3));
}

/**
 * Owner, bytes, mode, time, fsync: in this order. The owner first, so that quota is charged to the right user; the
 * mode after the owner, since chown clears set-id bits; both it and the time before the fsync that covers them.
 */
export function fillFile(fd: number, parts: readonly Uint8Array[], options: CreateOptions): FileStat {
  const mode = giveTo(fd, options.owner, options.mode & FILE_BITS);
  for (const part of parts) writeWhole(fd, part);
  if (options.mtimeS !== undefined) futimesSync(fd, nodeTime(options.mtimeS), nodeTime(options.mtimeS));
  let stats = fstatSync(fd);
  if ((stats.mode & PERMISSION_BITS) !== mode) {
    fchmodSync(fd, mode); // it was opened with fewer, or the umask took bits away that were asked for.
    stats = fstatSync(fd);
  }
  if (options.sync === true) fsyncSync(fd);
  return fileStatOf(stats);
}

/** A short write on a full disk is followed by one that fails with the reason. */
function writeWhole(fd: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done);
}

/**
 * One write at the end of a file opened with O_APPEND, then fdatasync; on any failure the file is cut back.
 *
 * One write, because readers without a lock may look at any moment and must see whole records or none.
 * Throws: file-changed, short-write, append-torn, system errors.
 */
export function appendWhole(fd: number, bytes: Uint8Array, sizeBefore: number, attempt: Attempt): void {
  const size = fstatSync(fd).size;
  if (size !== sizeBefore) {
    throw baseError("file-changed", {
      message: `${describeAttempt(attempt)}: it has ${size} bytes where ${sizeBefore} were expected`,
      detail: { sizeBytes: size, expectedBytes: sizeBefore },
    });
  }
  try {
    const written = writeSync(fd, bytes, 0, bytes.length);
    if (written !== bytes.length) throw shortWrite(written, bytes.length, attempt);
    fdatasyncSync(fd);
  } catch (error) {
    cutBack(fd, sizeBefore, attempt, error);
    throw error;
  }
}

function shortWrite(written: number, wanted: number, attempt: Attempt): Error {
  return baseError("short-write", {
    message: `${describeAttempt(attempt)}: only ${written} of ${wanted} bytes could be written`,
    detail: { writtenBytes: written, wantedBytes: wanted },
  });
}

function cutBack(fd: number, sizeBefore: number, attempt: Attempt, cause: unknown): void {
  try {
    ftruncateSync(fd, sizeBefore);
    fdatasyncSync(fd);
  } catch (error) {
    const why = explainSystemError(error, { doing: "cutting back", path: attempt.path });
    throw baseError("append-torn", {
      message: `${describeAttempt(attempt)}: it failed and could not be undone`,
      detail: { sizeBytes: sizeBefore },
      cause: new AggregateError([cause, why], "the append and its undoing failed"),
    });
  }
}

/** The file as long as it was when asked; shorter if it was cut meanwhile. Never shares memory with another buffer. */
export function readWhole(fd: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size); // may be transferred to another thread, so never from the pool.
  let done = 0;
  while (done < size) {
    const count = readSync(fd, bytes, done, size - done, done);
    if (count === 0) return bytes.subarray(0, done);
    done += count;
  }
  return bytes;
}

/** An open regular file. Owns the descriptor. */
export class NodeReadFile implements ReadFile {
  readonly stat: FileStat;
  #fd: number;
  readonly #shownPath: string;

  constructor(fd: number, stat: FileStat, shownPath: string) {
    this.#fd = fd;
    this.stat = stat;
    this.#shownPath = shownPath;
  }

  statNow(): FileStat {
    try {
      return fileStatOf(fstatSync(this.#open()));
    } catch (error) {
      throw explainSystemError(error, { doing: "looking at", path: this.#shownPath });
    }
  }

  read(into: Uint8Array, position: number): number {
    const fd = this.#open();
    if (into.length === 0) return 0;
    try {
      return readSync(fd, into, 0, into.length, position);
    } catch (error) {
      throw explainSystemError(error, { doing: "reading", path: this.#shownPath });
    }
  }

  close(): void {
    const fd = this.#open();
    this.#fd = -1;
    closeSync(fd);
  }

  #open(): number {
    assert(this.#fd >= 0, "the file is closed");
    return this.#fd;
  }
}
