/**
 * Whether a chunk of a mailbox stands as it was written: then what was kept of it counts for its messages, and none of them has to be
 * made anew of its file and summed up.
 */
import type { BaselineRecord } from "../log/state-types.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { CHUNK_UIDS } from "../txn/chunks.js";
import type { Digest } from "../txn/digest.js";
import { sameNames, sameRecordFields } from "../txn/message-state.js";
import { fileAt } from "./find-files.js";
import type { Sources } from "./held-messages.js";
import type { MailboxDirs } from "./mailbox-place.js";
import type { Reading, Tail } from "./reading.js";

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
    const tail = reading.tailOf(index);
    if (tail === undefined) continue;
    const record = records[matched];
    if (record?.uid !== uid || !isInUidlist(uidlist, index, record)) return undefined;
    if (reading.mayHaveSecond(index) || !standsAsWritten(dirs, reading, tail, record)) return undefined;
    matched += 1;
  }
  return matched === records.length ? { count: matched, digest } : undefined;
}

function isInUidlist(uidlist: Uidlist, index: number, { base, fields }: BaselineRecord): boolean {
  return uidlist.baseAt(index) === base && sameRecordFields(uidlist.fieldsAt(index), fields);
}

function standsAsWritten(
  dirs: MailboxDirs,
  { namesOf }: Reading,
  { dir, info, letters }: Tail,
  record: BaselineRecord,
): boolean {
  const { base, keywords, size, mtimeS } = record;
  if (info !== record.info) return false;
  if (letters === 0 ? keywords.length > 0 : !sameNames(namesOf(letters), keywords)) return false;
  const file = fileAt(dirs, { dir, name: base + info });
  return file?.size === size && file.mtimeS === mtimeS;
}
