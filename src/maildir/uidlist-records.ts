/**
 * The lines of dovecot-uidlist after the header, as offsets into the file's bytes: no strings, no objects, so that a
 * mailbox of a million messages is read in tens of milliseconds.
 *
 *   v3: UID {" " KEY VALUE} " :" BASENAME "\n"    v1: UID " " BASENAME "\n"
 *
 * What counts as broken is what Dovecot counts as broken, because it then deletes the file: a line without a UID or a
 * name (a blank one too), UIDs that do not ascend, a "/" in a name. Beyond that we refuse NUL bytes (a disk that lost
 * a write) and UIDs that would make Dovecot fail. It tolerates, and so do we: several spaces, keys that are no capital
 * letter, ":2,S" after the base name, CRLF.
 * SOURCE: Dovecot's maildir-uidlist.c.
 */
import { UID_MAX } from "./ids.js";

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const SLASH = 0x2f;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;

const BASE_BYTES_MAX = 0xffff;

/** Columns of all records read so far. Only `scanRecords` writes them. */
export interface RecordColumns {
  count: number;
  uids: Uint32Array;
  lineStarts: Uint32Array;
  baseStarts: Uint32Array;
  baseLengths: Uint16Array;
}

export function emptyColumns(capacity: number): RecordColumns {
  return {
    count: 0,
    uids: new Uint32Array(capacity),
    lineStarts: new Uint32Array(capacity),
    baseStarts: new Uint32Array(capacity),
    baseLengths: new Uint16Array(capacity),
  };
}

function growColumns(columns: RecordColumns): void {
  const capacity = Math.max(64, columns.uids.length * 2);
  const larger = emptyColumns(capacity);
  larger.uids.set(columns.uids);
  larger.lineStarts.set(columns.lineStarts);
  larger.baseStarts.set(columns.baseStarts);
  larger.baseLengths.set(columns.baseLengths);
  columns.uids = larger.uids;
  columns.lineStarts = larger.lineStarts;
  columns.baseStarts = larger.baseStarts;
  columns.baseLengths = larger.baseLengths;
}

export interface ScanRange {
  readonly from: number;
  /** Just after a "\n", or equal to `from`. */
  readonly to: number;
  readonly version: 1 | 3;
  /** N of the header: version 1 may not have a UID at or above it. */
  readonly headerNextUid: number;
}

/**
 * Adds the records of whole lines. Returns undefined, or why the line after the last record that was added is broken
 * (the records before it stay).
 */
export function scanRecords(bytes: Uint8Array, range: ScanRange, columns: RecordColumns): string | undefined {
  const { to, version } = range;
  const nextZero = nextOf(bytes, 0, range.from);
  const uidMax = version === 1 ? Math.min(UID_MAX, range.headerNextUid - 1) : UID_MAX;
  let previous = columns.count === 0 ? 0 : (columns.uids[columns.count - 1] as number);
  let nextColon = -1;
  let nextSlash = -1;
  let at = range.from;
  // INVARIANT: bytes[to - 1] is a "\n", so every inner loop that stops at one stays in range.
  while (at < to) {
    const lineStart = at;
    let byte = bytes[at] as number;
    let uid = 0;
    while (byte >= DIGIT_0 && byte <= DIGIT_9 && uid <= UID_MAX) {
      uid = uid * 10 + byte - DIGIT_0;
      byte = bytes[++at] as number;
    }
    if (uid > uidMax) return `the UID is above ${uidMax}`;
    if (uid === 0 || byte !== SPACE) return "it does not begin with a UID and a space";
    if (uid <= previous) return `UIDs do not ascend (${uid} after ${previous})`;
    while (byte === SPACE) byte = bytes[++at] as number;
    if (version === 3) {
      at = skipFields(bytes, at);
      if (at < 0) return 'it has no " :" before a name';
    }
    const baseStart = at;
    // Native searches. The next ":" of the file is normally that of the next line, the next "/" is nowhere: what was
    // found stays valid until the scan has passed it, so that all searches together pass the bytes once.
    const lineEnd = bytes.indexOf(LF, at);
    if (nextColon < at) nextColon = nextOf(bytes, COLON, at);
    if (nextSlash < at) nextSlash = nextOf(bytes, SLASH, at);
    const hasSuffix = nextColon < lineEnd;
    let baseEnd = hasSuffix ? nextColon : lineEnd;
    // All of them: one that stayed would be gone after the next rewrite, with Dovecot too.
    while (!hasSuffix && bytes[baseEnd - 1] === CR) baseEnd--;
    if (baseEnd <= baseStart) return "its name is empty";
    if (baseEnd - baseStart > BASE_BYTES_MAX) return "its name is too long";
    if (nextSlash < lineEnd) return "its name has a slash";
    if (nextZero < lineEnd) return "it has a NUL byte";
    addRecord(columns, uid, lineStart, baseStart, baseEnd - baseStart);
    previous = uid;
    at = lineEnd + 1;
  }
  return undefined;
}

/** From the first key (or the ":") to the byte after the ":"; -1 where the line ends before one. */
function skipFields(bytes: Uint8Array, start: number): number {
  let at = start;
  let byte = bytes[at] as number;
  while (byte !== COLON) {
    while (byte !== SPACE && byte !== LF) byte = bytes[++at] as number;
    if (byte === LF) return -1;
    while (byte === SPACE) byte = bytes[++at] as number;
  }
  return at + 1;
}

function addRecord(
  columns: RecordColumns,
  uid: number,
  lineStart: number,
  baseStart: number,
  baseLength: number,
): void {
  if (columns.count === columns.uids.length) growColumns(columns);
  const index = columns.count++;
  columns.uids[index] = uid;
  columns.lineStarts[index] = lineStart;
  columns.baseStarts[index] = baseStart;
  columns.baseLengths[index] = baseLength;
}

/** Where `byte` stands next, or the length of `bytes`. */
function nextOf(bytes: Uint8Array, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 ? bytes.length : at;
}
