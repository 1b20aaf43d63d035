/**
 * A uidlist's header and its last record, without reading what is between: who the mailbox is and which UID comes next.
 *
 * SOURCE: Dovecot 2.3 maildir-uidlist.c. N in the header is not touched when records are appended, so the next UID is the
 * larger one of N and the last record's UID + 1.
 */
import type { Dir, ReadFile } from "../base/disk.js";
import { UIDLIST_FILE } from "./mailbox-files.js";
import { parseUidlistHeader, type UidlistHeader } from "./uidlist-header.js";

const HEAD_BYTES = 4096;
const TAIL_BYTES = 4096;

export interface UidlistEnds {
  readonly header: UidlistHeader;
  readonly uidNext: number;
}

/** Undefined where there is no uidlist, or one whose first or last whole line says nothing. Throws: system errors. */
export function readUidlistEnds(mailbox: Dir): UidlistEnds | undefined {
  const file = mailbox.openFile(UIDLIST_FILE);
  if (file === undefined) return undefined;
  try {
    const header = headerOf(file);
    if (header === undefined) return undefined;
    const tail = Buffer.alloc(TAIL_BYTES);
    const start = Math.max(0, file.stat.size - TAIL_BYTES);
    const lines = tail.toString("latin1", 0, file.read(tail, start)).split("\n");
    lines.pop(); // what follows the last line end: nothing, or a line that is being written.
    lines.shift(); // the header, or the rest of a line.
    const last = lines.at(-1);
    if (last === undefined) return start === 0 ? { header, uidNext: header.nextUid } : undefined;
    const lastUid = /^(\d+) /.exec(last)?.[1];
    if (lastUid === undefined) return undefined;
    return { header, uidNext: Math.max(header.nextUid, Number(lastUid) + 1) };
  } finally {
    file.close();
  }
}

/** Undefined where there is no whole header line that can be read. Throws: system errors. */
export function readUidlistHeader(mailbox: Dir): UidlistHeader | undefined {
  const file = mailbox.openFile(UIDLIST_FILE);
  if (file === undefined) return undefined;
  try {
    return headerOf(file);
  } finally {
    file.close();
  }
}

function headerOf(file: ReadFile): UidlistHeader | undefined {
  const bytes = Buffer.alloc(HEAD_BYTES);
  const text = bytes.toString("latin1", 0, file.read(bytes, 0));
  const end = text.indexOf("\n");
  const parse = end < 0 ? undefined : parseUidlistHeader(text.slice(0, end).replace(/\r$/, ""));
  return parse?.kind === "ok" ? parse.header : undefined;
}
