/**
 * The first line of dovecot-uidlist.
 *
 *   v3: "3" {" " KEY VALUE}    V UIDVALIDITY, N next UID, G mailbox GUID, P format of POP3 UIDLs; a key is one character
 *   v1: "1" " " UIDVALIDITY " " NEXTUID
 *
 * Values hold no space and there is no escaping. Keys that we do not know are kept in their order.
 * SOURCE: Dovecot's maildir-uidlist.c: without V or N, with either 0, or with a bad G the file counts as broken.
 */
import { assert } from "../base/assert.js";
import { isMailboxGuid, isUidValidity, type MailboxGuid, parseMailboxGuid, UID_MAX, type UidValidity } from "./ids.js";

export interface UidlistHeader {
  readonly version: 1 | 3;
  readonly uidValidity: UidValidity;
  /** N as written. Stale after appends: the mailbox's next UID is `Uidlist.nextUid`. */
  readonly nextUid: number;
  /** Absent in version 1 and in files that Dovecot has not completed yet. */
  readonly guid?: MailboxGuid;
  /** All other keys with their values, separated by one space ("P%08Xu%08Xv"). */
  readonly extra: string;
}

export type HeaderParse =
  | { readonly kind: "ok"; readonly header: UidlistHeader }
  | { readonly kind: "damaged"; readonly why: string }
  | { readonly kind: "unsupported"; readonly version: number };

/** N may be one more than the highest UID: then the mailbox is full. */
const NEXT_UID_MAX = UID_MAX + 1;

/** `line` as bytes-in-a-string, without its line end. */
export function parseUidlistHeader(line: string): HeaderParse {
  if (hasLineBreak(line)) return damaged("the header has a stray CR or NUL byte");
  const version = /^(\d{1,9}) /.exec(line)?.[1];
  if (version === undefined) return damaged("the header does not begin with a version number");
  const rest = line.slice(version.length + 1);
  if (version === "3") return parseVersion3(rest);
  if (version === "1") return parseVersion1(rest);
  return { kind: "unsupported", version: Number(version) };
}

function parseVersion3(rest: string): HeaderParse {
  if (rest.startsWith(" ")) return damaged("the header has two spaces after the version");
  let validity: string | undefined;
  let next: string | undefined;
  let guid: MailboxGuid | undefined;
  const extra: string[] = [];
  for (const item of rest.split(/ +/)) {
    const value = item.slice(1);
    if (item === "") continue;
    if (item[0] === "V") validity = value;
    else if (item[0] === "N") next = value;
    else if (item[0] === "G") {
      if (!/^[0-9a-fA-F]{32}$/.test(value)) return damaged("the mailbox GUID (G) is not 32 hexadecimal digits");
      guid = parseMailboxGuid(value);
    } else extra.push(item);
  }
  return checked({ version: 3, validity, next, guid, extra: extra.join(" ") });
}

function parseVersion1(rest: string): HeaderParse {
  const match = /^\s*(\d+)\s+(\d+)/.exec(rest);
  return checked({ version: 1, validity: match?.[1], next: match?.[2], guid: undefined, extra: "" });
}

interface RawHeader {
  readonly version: 1 | 3;
  readonly validity: string | undefined;
  readonly next: string | undefined;
  readonly guid: MailboxGuid | undefined;
  readonly extra: string;
}

function checked({ version, validity, next, guid, extra }: RawHeader): HeaderParse {
  const uidValidity = parseDecimal(validity);
  const nextUid = parseDecimal(next);
  if (!isUidValidity(uidValidity)) return damaged("the header has no valid UIDVALIDITY (V)");
  if (nextUid === undefined || nextUid < 1) return damaged("the header has no valid next UID (N)");
  if (nextUid > NEXT_UID_MAX)
    return damaged(`the next UID (N) is ${nextUid}, above ${NEXT_UID_MAX}, where Dovecot is about to fail`);
  const header = { version, uidValidity, nextUid, extra };
  return { kind: "ok", header: guid === undefined ? header : { ...header, guid } };
}

function parseDecimal(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function damaged(why: string): HeaderParse {
  return { kind: "damaged", why };
}

/** Whether `text` can stand in `UidlistHeader.extra`: values with one space between, none of them V, N or G. */
export function isHeaderExtra(text: string): boolean {
  return !hasLineBreak(text) && text.split(" ").every((item) => /^[^VNG]/.test(item));
}

function hasLineBreak(text: string): boolean {
  return text.includes("\n") || text.includes("\r") || text.includes("\0");
}

/** The header line of a version 3 file, with its "\n", in Dovecot's order of keys. */
export function formatUidlistHeader(header: Omit<UidlistHeader, "version">): string {
  const { uidValidity, nextUid, guid, extra } = header;
  assert(isUidValidity(uidValidity), "UIDVALIDITY out of range");
  assert(Number.isInteger(nextUid) && nextUid >= 1 && nextUid <= NEXT_UID_MAX, "next UID out of range");
  assert(guid === undefined || isMailboxGuid(guid), "not a mailbox GUID");
  assert(extra === "" || isHeaderExtra(extra), "not a list of other header keys");
  const parts = [`3 V${uidValidity} N${nextUid}`];
  if (guid !== undefined) parts.push(`G${guid}`);
  if (extra !== "") parts.push(extra);
  return `${parts.join(" ")}\n`;
}
