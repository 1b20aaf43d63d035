/**
 * What followed the base name of a message when the baseline was last moved: its present file name, mostly, so that a body
 * is opened at the first try and no mailbox is listed for it.
 */
import { MailtwinError } from "../base/errors.js";
import { decodeChunk } from "../log/baseline-chunk.js";
import type { StateReader } from "../log/state-ports.js";
import type { BaselineRecord, MailboxRow } from "../log/state-types.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import { chunkOf } from "../txn/chunks.js";

export type InfoHint = (uid: Uid) => string | undefined;

/** Hints for one call; nothing is kept between calls, since the capture moves on meanwhile. */
export function infoHintsOf(
  reader: Pick<StateReader, "mailboxByGuid" | "chunk"> | undefined,
  mailbox: MailboxGuid,
): InfoHint {
  if (reader === undefined) return () => undefined;
  const recordsByChunk = new Map<number, readonly BaselineRecord[]>();
  let asked: { readonly row: MailboxRow | undefined } | undefined;
  return (uid) => {
    asked ??= { row: reader.mailboxByGuid(mailbox) }; // not before somebody wants to know.
    const { row } = asked;
    if (row === undefined) return undefined;
    const chunk = chunkOf(uid);
    let records = recordsByChunk.get(chunk);
    if (records === undefined) {
      records = recordsOf(reader, row, chunk);
      recordsByChunk.set(chunk, records);
    }
    return records.find((record) => record.uid === uid)?.info;
  };
}

/** A hint never fails: a commit between the two reads may have given the chunk a keyword that the row does not know yet. */
function recordsOf(reader: Pick<StateReader, "chunk">, row: MailboxRow, chunk: number): readonly BaselineRecord[] {
  const bytes = reader.chunk(row.id, chunk);
  if (bytes === undefined) return [];
  try {
    return decodeChunk(bytes, row.keywords);
  } catch (error) {
    if (error instanceof MailtwinError && error.code === "state-corrupt") return [];
    throw error;
  }
}
