/**
 * Whether a chunk of a mailbox stands as it was written: then what was kept of it counts for its messages, and none of them has to be
 * made anew of its file and summed up.
 */
import type { BaselineRecord } from "../log/state-types.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { CHUNK_UIDS } from "../txn/chunks.js";
import type { Digest } from "../txn/digest.js";
import { sameRecordFields } from "../txn/message-state.js";
import { fileAt } from "./find-files.js";
import type { Sources } from "./held-messages.js";
import type { MailboxDirs } from "./mailbox-place.js";
import type { Reading } from "./reading.js";

/**
 * Undefined: it does not, or nobody knows the digest. Each of its files was looked at, and has the name, size and date of its record,
 * its line in the uidlist the same fields, its letters the same names, and no other file has its base name.
 */
export function digestAsWritten(
  { dirs, reading, baseline }: Sources,
  chunk: number,
): { readonly count: number; readonly digest: Digest } | undefined {
  const digest = baseline?.digest(chunk);
  const { uidlist } = reading;
  if (baseline === undefined || digest === undefined || uidlist === undefined) return undefined;
  const records = baseline.records(chunk);
  const below = (chunk + 1) * CHUNK_UIDS;
  let matched = 0;
  for (let index = uidlist.firstIndexFrom(chunk * CHUNK_UIDS); index < uidlist.count; index++) {
    const uid = uidlist.uidAt(index);
    if (uid >= below) break;
    if (reading.tailOf(index) === undefined) continue;
    const record = records[matched];
    if (record?.uid !== uid || !standsAsWritten(dirs, reading, uidlist, index, record)) return undefined;
    matched += 1;
  }
  return matched === records.length ? { count: matched, digest } : undefined;
}

function standsAsWritten(
  dirs: MailboxDirs,
  reading: Reading,
  uidlist: Uidlist,
  index: number,
  { base, info, size, mtimeS, fields, keywords }: BaselineRecord,
): boolean {
  const tail = reading.tailOf(index);
  if (tail === undefined || tail.info !== info || uidlist.baseAt(index) !== base) return false;
  if (reading.mayHaveSecond(index) || !sameRecordFields(uidlist.fieldsAt(index), fields)) return false;
  const { letters } = tail;
  if (letters === 0 ? keywords.length > 0 : !sameTexts(reading.namesOf(letters), keywords)) return false;
  const file = fileAt(dirs, { dir: tail.dir, name: base + info });
  return file?.size === size && file.mtimeS === mtimeS;
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, at) => text === b[at]);
}
