/**
 * What followed the base name of a message when the baseline was last moved: its present file name, mostly, so that a body
 * is opened at the first try and no mailbox is listed for it.
 */
import { chunkOf, decodeChunk } from "../log/baseline-chunk.js";
import type { StateReader } from "../log/state-ports.js";
import type { BaselineRecord } from "../log/state-types.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";

export type InfoHint = (uid: Uid) => string | undefined;

/** Hints for one call; nothing is kept between calls, since the capture moves on meanwhile. */
export function infoHintsOf(
  reader: Pick<StateReader, "mailboxByGuid" | "chunk"> | undefined,
  mailbox: MailboxGuid,
): InfoHint {
  const row = reader?.mailboxByGuid(mailbox);
  if (reader === undefined || row === undefined) return () => undefined;
  const recordsByChunk = new Map<number, readonly BaselineRecord[]>();
  return (uid) => {
    const chunk = chunkOf(uid);
    let records = recordsByChunk.get(chunk);
    if (records === undefined) {
      const bytes = reader.chunk(row.id, chunk);
      records = bytes === undefined ? [] : decodeChunk(bytes, row.keywords);
      recordsByChunk.set(chunk, records);
    }
    return records.find((record) => record.uid === uid)?.info;
  };
}
