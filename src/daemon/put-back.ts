/**
 * Mailboxes that somebody renamed on the destination get the source's name back: by a rename in the log, like any other change,
 * so that nothing of them is sent again and a crash repeats it.
 *
 * Those that somebody removed there are made anew: the log says that they go, the source's half of the state forgets them, and the
 * capture finds them as it finds new ones. The replica's half follows by the log. No other mailbox is compared or touched.
 * INVARIANT: that is one database transaction of one database. What was in the log of such a mailbox finds nothing there any more,
 * so it becomes a removal as well: one of nothing, which can be repeated.
 */
import type { RawPath } from "../base/raw-name.js";
import { structureTransaction } from "../capture/mailbox-structure.js";
import type { StateReader, StateWriter } from "../log/state-ports.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { encodeTransaction } from "../txn/transaction-codec.js";
import { countOf, mailboxName } from "./words.js";

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

/** One sentence without a full stop. `gone`: as it was written. */
export function describeGone({ path, messages }: Pick<MailboxRow, "path" | "messages">): string {
  return `${mailboxName(path)} is gone in DST, and is made anew (${countOf(messages, "message")})`;
}

/** Call it before the source is captured, whose worker reads what the log covers. `gone`: as they were written. */
export async function logMadeAnew(
  { reader, writer }: { readonly reader: StateReader; readonly writer: StateWriter },
  gone: readonly MailboxRow[],
  nowMs: number,
): Promise<void> {
  if (gone.length === 0) return;
  const removals = gone.map((row) => {
    const bytes = encodeTransaction(structureTransaction(row, { kind: "delete" }, nowMs));
    return { mailbox: row.guid, capturedMs: nowMs, bytes };
  });
  const removedMailboxIds = gone.flatMap(({ guid }) => reader.mailboxByGuid(guid)?.id ?? []);
  await writer.appendCaptured({
    ...{ mailboxes: [], chunks: [], removedMailboxIds },
    ...{ begunAnew: removals, transactions: removals },
  });
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
