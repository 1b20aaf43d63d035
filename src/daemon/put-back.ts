/**
 * Mailboxes that somebody renamed on the destination get the source's name back: by a rename in the log, like any other change,
 * so that nothing of them is sent again and a crash repeats it.
 */
import type { RawPath } from "../base/raw-name.js";
import { structureTransaction } from "../capture/mailbox-structure.js";
import type { StateReader, StateWriter } from "../log/state-ports.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { encodeTransaction } from "../txn/transaction-codec.js";
import { mailboxName } from "./words.js";

export interface MovedMailbox {
  readonly guid: MailboxGuid;
  /** Where it was written. */
  readonly path: RawPath;
  /** Where it stands. */
  readonly standsAt: RawPath;
}

/** One sentence without a full stop. */
export function describeMoved({ path, standsAt }: MovedMailbox): string {
  return `${mailboxName(path)} was renamed to ${mailboxName(standsAt)} in DST, and gets its name back`;
}

/** Call it before anything else is logged: what comes later is for the mailbox under its own name. */
export async function logPutBack(
  { reader, writer }: { readonly reader: StateReader; readonly writer: StateWriter },
  moved: readonly MovedMailbox[],
  nowMs: number,
): Promise<void> {
  const transactions = moved.flatMap(({ guid, path, standsAt }) => {
    const row = reader.mailboxByGuid(guid);
    if (row === undefined || row.path !== path) return [];
    const bytes = encodeTransaction(structureTransaction(row, { kind: "rename", from: standsAt }, nowMs));
    return [{ mailbox: guid, capturedMs: nowMs, bytes }];
  });
  if (transactions.length === 0) return;
  await writer.appendCaptured({ mailboxes: [], removedMailboxIds: [], chunks: [], transactions });
}
