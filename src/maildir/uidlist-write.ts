/**
 * What is written to dovecot-uidlist: a header, a record, or a whole new file spliced from the old one's bytes.
 *
 * INVARIANT: UIDs ascend, every line ends in "\n" (one bad line makes Dovecot delete the file).
 * INVARIANT: N never falls, and covers records that are dropped: a UID is never given twice. UIDVALIDITY and GUID
 * change only with an explicit `reset`.
 * Everything here is bytes; the caller writes them to a temporary file, syncs it and renames it, under the lock.
 */
import { assert } from "../base/assert.js";
import { type BaseName, isBaseName, isUid, type MailboxGuid, type Uid, type UidValidity } from "./ids.js";
import type { Uidlist } from "./uidlist.js";
import { formatUidlistHeader } from "./uidlist-header.js";

export interface UidlistRecord {
  readonly uid: Uid;
  /** Capital keys with values, one space between ("S309 W323"), or "". */
  readonly fields: string;
  readonly base: BaseName;
}

export interface UidlistRewrite {
  readonly header?: {
    /** Raises N. */
    readonly nextUid?: number;
    /** Only for a uidlist that has none yet. */
    readonly guid?: MailboxGuid;
    readonly extra?: string;
    /** Begins another numbering: an empty mailbox that Dovecot made by itself takes its twin's identity. */
    readonly reset?: { readonly uidValidity: UidValidity; readonly guid: MailboxGuid; readonly nextUid: number };
  };
  /** UIDs whose records go; unknown ones are ignored. */
  readonly drop: ReadonlySet<number>;
  /** Ascending, above every UID of the uidlist (those dropped included, except with `reset`). */
  readonly add: readonly UidlistRecord[];
}

const FIELDS_BYTES_MAX = 4096;

/** Whether `text` can stand in a record before " :": capital keys, no control characters. */
export function isRecordFields(text: string): boolean {
  if (text === "") return true;
  if (text.length > FIELDS_BYTES_MAX || text.includes("\0")) return false;
  return text.split(" ").every((field) => /^[A-Z][^\r\n]*$/.test(field));
}

/** The value of the first field with that key ("G": the message's GUID), or undefined. */
export function fieldOf(fields: string, key: string): string | undefined {
  return fields
    .split(" ")
    .find((field) => field.startsWith(key))
    ?.slice(key.length);
}

/** One line, as bytes-in-a-string, with its "\n". */
export function formatRecord({ uid, fields, base }: UidlistRecord): string {
  assert(isUid(uid) && isBaseName(base) && isRecordFields(fields), "not a record that Dovecot could read");
  return fields === "" ? `${uid} :${base}\n` : `${uid} ${fields} :${base}\n`;
}

/** Several lines as bytes, for one append or the end of a rewrite. Asserts that the UIDs ascend from above `after`. */
export function encodeRecords(records: readonly UidlistRecord[], after: number): Buffer {
  let previous = after;
  let text = "";
  for (const record of records) {
    assert(record.uid > previous, `record ${record.uid} would follow ${previous}`);
    previous = record.uid;
    text += formatRecord(record);
  }
  return Buffer.from(text, "latin1");
}

/**
 * The new file, in parts. Records that stay are views into the uidlist's own bytes, byte for byte: write the parts
 * before the uidlist is extended.
 */
export function planUidlistRewrite(uidlist: Uidlist, rewrite: UidlistRewrite): Uint8Array[] {
  const { drop, add } = rewrite;
  const keptRanges = keptRecords(uidlist, drop);
  const lastKept = keptRanges.at(-1)?.to ?? 0;
  const lastKeptUid = lastKept === 0 ? 0 : uidlist.uidAt(lastKept - 1);
  const after = rewrite.header?.reset === undefined ? uidlist.lastUid : lastKeptUid;
  const added = encodeRecords(add, after);
  const lastUid = add.at(-1)?.uid ?? lastKeptUid;
  const parts: Uint8Array[] = [Buffer.from(planHeader(uidlist, rewrite.header, lastUid), "latin1")];
  for (const { from, to } of keptRanges) {
    parts.push(uidlist.header.version === 3 ? uidlist.rawRecords(from, to) : upgradedRecords(uidlist, from, to));
  }
  if (added.length > 0) parts.push(added);
  return parts;
}

function planHeader(uidlist: Uidlist, changes: UidlistRewrite["header"], lastUid: number): string {
  const { header } = uidlist;
  const extra = changes?.extra ?? header.extra;
  if (changes?.reset !== undefined) {
    const { uidValidity, guid, nextUid } = changes.reset;
    assert(nextUid > lastUid, "the next UID of a reset must be above every record");
    return formatUidlistHeader({ uidValidity, guid, nextUid, extra });
  }
  const wanted = changes?.nextUid;
  assert(wanted === undefined || wanted >= header.nextUid, "the next UID (N) must never be lowered");
  const guid = changes?.guid ?? header.guid;
  assert(header.guid === undefined || guid === header.guid, "the mailbox GUID must never change");
  const nextUid = Math.max(wanted ?? 0, uidlist.nextUid, lastUid + 1);
  const kept = { uidValidity: header.uidValidity, nextUid, extra };
  return formatUidlistHeader(guid === undefined ? kept : { ...kept, guid });
}

interface RecordRange {
  readonly from: number;
  readonly to: number;
}

/** Runs of records between the dropped ones. */
function keptRecords(uidlist: Uidlist, drop: ReadonlySet<number>): RecordRange[] {
  const dropped = Float64Array.from(drop, (uid) => uidlist.indexOfUid(uid)).sort();
  const ranges: RecordRange[] = [];
  let from = 0;
  for (const index of dropped) {
    if (index > from) ranges.push({ from, to: index });
    if (index >= 0) from = index + 1;
  }
  if (from < uidlist.count) ranges.push({ from, to: uidlist.count });
  return ranges;
}

/** Version 1 lines have no ":" before the name; a rewritten file is always version 3. */
function upgradedRecords(uidlist: Uidlist, from: number, to: number): Buffer {
  let text = "";
  for (let index = from; index < to; index++) text += `${uidlist.uidAt(index)} :${uidlist.baseAt(index)}\n`;
  return Buffer.from(text, "latin1");
}
