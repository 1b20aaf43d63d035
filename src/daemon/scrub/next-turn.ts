/**
 * Which bodies are read next. Mailboxes follow each other by GUID, so that a rename moves none; messages by UID. Reads the source's log only.
 *
 * INVARIANT: from one place on, turn after turn, each message that stays is in one turn, whatever comes and goes meanwhile.
 */
import { decodeChunk } from "../../log/baseline-chunk.js";
import type { StateReader } from "../../log/state-ports.js";
import type { MailboxRow } from "../../log/state-types.js";
import { type MailboxGuid, parseUid, UID_MAX, type Uid } from "../../maildir/ids.js";
import { chunkOf } from "../../txn/chunks.js";
import type { ScrubPlace } from "./scrub-state.js";

export interface Turn {
  readonly row: MailboxRow;
  /** Ascending, at least one. */
  readonly messages: readonly { readonly uid: Uid; readonly size: number }[];
}

export interface TurnLimits {
  readonly messagesMax: number;
  /** One message is read, however large. */
  readonly bytesMax: number;
}

type LogReader = Pick<StateReader, "mailboxByGuid" | "looks" | "chunk">;

/** The first after `at`, of `guids`, which ascend. Undefined: there are no more. Throws: state-corrupt. */
export function nextTurn(
  reader: LogReader,
  guids: readonly MailboxGuid[],
  at: ScrubPlace | undefined,
  limits: TurnLimits,
): Turn | undefined {
  for (const guid of guids) {
    if (at !== undefined && guid < at.guid) continue;
    const row = reader.mailboxByGuid(guid);
    if (row === undefined) continue;
    const messages = messagesAfter(reader, row, at?.guid === guid ? at.uid : 0, limits);
    if (messages.length > 0) return { row, messages };
  }
  return undefined;
}

/** Of those of these messages that the log has. Throws: state-corrupt. */
export function bytesOf(reader: Pick<LogReader, "chunk">, row: MailboxRow, uids: readonly Uid[]): number {
  const wanted = new Set(uids);
  let bytes = 0;
  for (const chunk of new Set(uids.map(chunkOf))) {
    const stored = reader.chunk(row.id, chunk);
    for (const { uid, size } of stored === undefined ? [] : decodeChunk(stored, row.keywords))
      if (wanted.has(uid)) bytes += size;
  }
  return bytes;
}

/** After all messages of that mailbox. */
export function endOf(guid: MailboxGuid): ScrubPlace {
  return { guid, uid: parseUid(UID_MAX) };
}

function messagesAfter(reader: LogReader, row: MailboxRow, afterUid: number, limits: TurnLimits) {
  const { messagesMax, bytesMax } = limits;
  const found: { uid: Uid; size: number }[] = [];
  let bytes = 0;
  for (const { chunk } of reader.looks(row.id)) {
    if (chunk < chunkOf(afterUid)) continue;
    const stored = reader.chunk(row.id, chunk);
    for (const { uid, size } of stored === undefined ? [] : decodeChunk(stored, row.keywords)) {
      if (uid <= afterUid) continue;
      bytes += size;
      if (found.length > 0 && (bytes > bytesMax || found.length >= messagesMax)) return found;
      found.push({ uid, size });
    }
  }
  return found;
}
