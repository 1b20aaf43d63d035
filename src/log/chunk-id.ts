/**
 * The key of a baseline chunk in the state database: mailbox and chunk in one integer, ascending within a mailbox.
 */
import { assert } from "../base/assert.js";

/** More than the largest UID has chunks. */
const CHUNKS_PER_MAILBOX = 2 ** 26;
const MAILBOX_ID_MAX = 2 ** 26;

export function chunkId(mailboxId: number, chunk: number): number {
  assert(mailboxId >= 1 && mailboxId < MAILBOX_ID_MAX, `mailbox id ${mailboxId} is out of range`);
  assert(chunk >= 0 && chunk < CHUNKS_PER_MAILBOX, `chunk ${chunk} is out of range`);
  return mailboxId * CHUNKS_PER_MAILBOX + chunk;
}

export function chunkOfId(id: number): number {
  return id % CHUNKS_PER_MAILBOX;
}

/** First and last possible key of a mailbox. */
export function chunkIdRange(mailboxId: number): readonly [number, number] {
  return [chunkId(mailboxId, 0), chunkId(mailboxId, CHUNKS_PER_MAILBOX - 1)];
}
