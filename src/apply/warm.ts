/**
 * Reads large uidlists before the first mail comes: into a mailbox of half a million it would wait a quarter of a second for
 * that. Changes nothing; what cannot be read is left to whoever needs it and can say so.
 */
import { AssertionError } from "node:assert";
import type { Dir } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { closeBelow, openMailbox } from "./locate.js";
import type { StoreContext } from "./store-context.js";

/** A smaller mailbox's uidlist is read in a few milliseconds when it is needed. */
const MESSAGES_MIN = 5_000;
/** Half of what the cache holds. */
const BYTES_MAX = 32 * 1024 * 1024;

/** The largest first: they would keep their first mail waiting longest. */
export function warmMailboxes(context: StoreContext, root: Dir): void {
  const rows = context.reader.mailboxes().filter(({ messages }) => messages >= MESSAGES_MIN);
  let bytes = 0;
  for (const { guid, path } of [...rows].sort((a, b) => b.messages - a.messages)) {
    if (bytes >= BYTES_MAX) return;
    bytes += warmMailbox(context, root, { mailbox: guid, path });
  }
}

/** Returns the bytes of its uidlist. */
function warmMailbox(
  { cache }: StoreContext,
  root: Dir,
  where: { readonly mailbox: MailboxGuid; readonly path: RawPath },
): number {
  try {
    const opened = openMailbox(root, where);
    if (opened.kind !== "opened") return 0;
    try {
      const known = cache.get(where.mailbox);
      const read = known.uidlist.read(opened.dir);
      if (!("uidlist" in read)) return 0;
      read.uidlist.indexOfBase(""); // any name: the first search builds the index.
      return read.uidlist.heldBytes;
    } finally {
      closeBelow(root, opened.dir);
    }
  } catch (error) {
    if (error instanceof AssertionError) throw error;
    return 0;
  }
}
