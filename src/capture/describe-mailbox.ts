/** How a mailbox stands at the source as a whole: what a replica needs to make it, beside what the log's baseline has. */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { DescribeOutcome } from "./capture-types.js";
import { guidAt } from "./discover-store.js";
import { problemOf } from "./errors.js";
import { readCreation } from "./mailbox-structure.js";
import { isOfStore, openStoreDir, type StorePlace } from "./open-mailbox.js";

/** "absent": it is not there, or not there any more. Throws: store-missing, store-unreadable. */
export function describeMailbox(
  place: StorePlace,
  { guid, path }: { readonly guid: MailboxGuid; readonly path: RawPath },
): DescribeOutcome {
  try {
    if (guidAt(place, path) !== guid) return { kind: "absent" };
    const mailbox = openStoreDir(place, path);
    if (mailbox === undefined) return { kind: "absent" };
    try {
      const { uid, gid, mode } = mailbox.statSelf();
      // What Dovecot gives a file there.
      const fileOwner = { uid, gid, mode: mode & 0o666 };
      return { kind: "described", creation: readCreation(place, path, { mailbox }), fileOwner };
    } finally {
      mailbox.close();
    }
  } catch (error) {
    if (isOfStore(error)) throw error;
    return { kind: "problem", problem: problemOf(path, error) };
  }
}
