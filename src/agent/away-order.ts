/**
 * In which order a replica gets what it lacks that was away and asks for its mail: mailbox by mailbox, INBOXes first.
 *
 * Two large mailboxes take turns, so that all others have theirs meanwhile.
 *
 * Within a mailbox the oldest comes first, whatever its size: UIDs are given in ascending order, and one that lies below what the
 * replica's Dovecot has seen is never inserted.
 */
import { type RawPath, splitRaw } from "../base/raw-name.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxGuid } from "../maildir/ids.js";

export interface AwayMailbox {
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
}

/** With fewer transactions to go, the order of the log is as good. */
const ENTRIES_MIN = 20;
const READ_BYTES_MAX = 256 * 1024;

/** Mailboxes that the log has something of after `lsn` and that are still there; none where that is little. */
export function mailboxesAway(reader: StateReader, lsn: number): readonly AwayMailbox[] {
  const last = reader.lastLsn();
  if (last - lsn < ENTRIES_MIN) return [];
  const found = new Map<MailboxGuid, AwayMailbox>();
  for (let at = lsn; at < last; ) {
    const entries = reader.entriesAfter(at, READ_BYTES_MAX);
    for (const { mailbox } of entries) {
      const path = found.has(mailbox) ? undefined : reader.mailboxByGuid(mailbox)?.path;
      if (path !== undefined) found.set(mailbox, { mailbox, path });
    }
    const next = entries.at(-1)?.lsn;
    if (next === undefined) break;
    at = next;
  }
  return [...found.values()].sort((a, b) => inboxFirst(a.path, b.path));
}

/** Of messages: to compare that many takes long where they differ. */
const LARGE_MIN = 50_000;

/** Whether others would wait for it. */
export function isLarge({ messages }: { readonly messages: number }): boolean {
  return messages >= LARGE_MIN;
}

/** INBOXes before folders; else by path, so that the outer one of two comes first. */
export function inboxFirst(a: RawPath, b: RawPath): number {
  const byKind = Number(isFolder(a)) - Number(isFolder(b));
  if (byKind !== 0) return byKind;
  return a < b ? -1 : Number(a > b);
}

function isFolder(path: RawPath): boolean {
  return splitRaw(path).some((name) => name.startsWith("."));
}
