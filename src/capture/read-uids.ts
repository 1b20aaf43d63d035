/**
 * Which of some messages the log gives their UIDs to, read from the database that the log is read from. The capture worker would not
 * do: it believes in a commit before it is made, and one that fails (a full disk) would have been acted on.
 */
import { decodeChunk } from "../log/baseline-chunk.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import { chunkOf } from "../txn/chunks.js";

/** More are told by the next question: one conflict is about few, and what is renumbered now is not asked for again. */
const UIDS_MAX = 10_000;

type BaselineReader = Pick<StateReader, "mailboxByGuid" | "chunk" | "looks">;

/** Of `uids`, and of those in [from, below), the ones that the baseline gives to messages; of the latter the first `UIDS_MAX`. Ascending. */
export function readUids(
  reader: BaselineReader,
  {
    guid,
    uids,
    from,
    below,
  }: { readonly guid: MailboxGuid; readonly uids: readonly Uid[]; readonly from: Uid; readonly below: number },
): readonly Uid[] {
  const wanted = new Set(uids);
  const found = new Set<Uid>();
  for (const chunk of new Set(uids.map(chunkOf)))
    for (const uid of uidsOfChunk(reader, guid, chunk)) if (wanted.has(uid)) found.add(uid);
  if (from < below) for (const uid of range(reader, guid, from, below)) found.add(uid);
  return [...found].sort((a, b) => a - b);
}

function range(reader: BaselineReader, guid: MailboxGuid, from: Uid, below: number): readonly Uid[] {
  const row = reader.mailboxByGuid(guid);
  const found: Uid[] = [];
  for (const { chunk } of row === undefined ? [] : reader.looks(row.id)) {
    if (chunk < chunkOf(from) || chunk > chunkOf(below)) continue;
    for (const uid of uidsOfChunk(reader, guid, chunk)) {
      if (found.length === UIDS_MAX) return found;
      if (uid >= from && uid < below) found.push(uid);
    }
  }
  return found;
}

/**
 * Commits come between the reads. The row is read after the chunk too: a mailbox's keywords only become more, so that it knows those of
 * the chunk; where another mailbox has that GUID by then, its chunk is read.
 */
function uidsOfChunk(reader: BaselineReader, guid: MailboxGuid, chunk: number): readonly Uid[] {
  let row = reader.mailboxByGuid(guid);
  while (row !== undefined) {
    const bytes = reader.chunk(row.id, chunk);
    const after = reader.mailboxByGuid(guid);
    if (after?.id === row.id)
      return bytes === undefined ? [] : decodeChunk(bytes, after.keywords).map(({ uid }) => uid);
    row = after;
  }
  return [];
}
