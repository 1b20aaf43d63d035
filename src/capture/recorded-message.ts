/**
 * A record of the uidlist as capture sees it: only where it can name a message, only with what lasts.
 */
import { type BaseName, isBaseName, type Uid } from "../maildir/ids.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { isRecordFields } from "../maildir/uidlist-write.js";
import { FIELDS_BYTES_MAX } from "../txn/transaction-rules.js";

/** One record of the uidlist whose name can be that of a message. */
export interface RecordedMessage {
  readonly index: number;
  readonly uid: Uid;
  readonly base: BaseName;
}

/** Undefined for a record that names no message: a later one has the same base name, or the name is impossible. */
export function recordAt(uidlist: Uidlist, index: number): RecordedMessage | undefined {
  const base = uidlist.baseAt(index);
  if (!isBaseName(base) || uidlist.isShadowed(index)) return undefined;
  return { index, uid: uidlist.uidAt(index), base };
}

/** The record's fields without words that Dovecot itself would drop (keys are capital letters), or that are too long to be its own. */
export function recordFields(uidlist: Uidlist, index: number): string {
  const fields = uidlist.fieldsAt(index);
  if (fields.length <= FIELDS_BYTES_MAX && isRecordFields(fields)) return fields;
  let kept = "";
  for (const word of fields.split(/[^!-~]+/)) {
    const longer = kept === "" ? word : `${kept} ${word}`;
    if (isRecordFields(word) && longer.length <= FIELDS_BYTES_MAX) kept = longer;
  }
  return kept;
}
