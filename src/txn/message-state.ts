/**
 * What a message is, seen from outside: the things that must be equal on both sides. Pure values.
 *
 * Keywords are names here, never letters: a letter means something only beside one mailbox's dovecot-keywords.
 */
import type { BaseName, Uid } from "../maildir/ids.js";

/** The marks on a message that a client can change. */
export interface MessageMarks {
  /** Bit set of maildir FLAG_BITS (D, F, P, R, S, T). */
  readonly flags: number;
  /** Keyword names (bytes-in-strings), ascending, unique. */
  readonly keywords: readonly string[];
  /** Flag characters of the file name that have no meaning for Dovecot, kept in order. */
  readonly odd: string;
  /** What follows the flags after a comma in the file name, with the comma; "" mostly. */
  readonly tail: string;
}

export interface MessageState extends MessageMarks {
  readonly uid: Uid;
  readonly base: BaseName;
  /** File size in bytes. */
  readonly size: number;
  /** INTERNALDATE: the file's mtime in whole seconds. */
  readonly mtimeS: number;
  /** The record's fields of dovecot-uidlist as written ("S309 W323 Gabc"), "" if none. */
  readonly fields: string;
}

/** Ownership of what gets created. Without root only the group is, where the user is in it. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
}

export const NO_MARKS: MessageMarks = { flags: 0, keywords: [], odd: "", tail: "" };

export function sameMarks(a: MessageMarks, b: MessageMarks): boolean {
  return a.flags === b.flags && a.odd === b.odd && a.tail === b.tail && sameNames(a.keywords, b.keywords);
}

/** Of two lists of keyword names, in their order. */
export function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}

/** What two uidlist records of a message may differ in without being different: sizes, which Dovecot caches there. */
export function sameRecordFields(a: string, b: string): boolean {
  return a === b || lastingFields(a) === lastingFields(b);
}

/** Of nearly every record. */
const SIZES_ALONE = /^[SW]\d+(?: [SW]\d+)*$/;

/** Of these fields what is no cache: GUID (G), POP3 UIDL (P) and order (O), and what other versions may write. */
export function lastingFields(fields: string): string {
  if (fields === "" || SIZES_ALONE.test(fields)) return "";
  return fields
    .split(" ")
    .filter((field) => field !== "" && !field.startsWith("S") && !field.startsWith("W"))
    .join(" ");
}

export function sameOwner(a: FileOwner, b: FileOwner): boolean {
  return a.uid === b.uid && a.gid === b.gid && a.mode === b.mode;
}
