/**
 * Records whose message is gone. They are harmless, and an expunge leaves them (as Dovecot does), but where no session
 * ever looks nobody drops them; so the next rewrite does, once they are a quarter of the uidlist.
 *
 * INVARIANT: called under the lock, and believed only from a listing during which nothing changed: a live message that
 * loses its record gets another UID.
 */

import { visitMessages } from "../maildir/listing.js";
import { splitBaseName } from "../maildir/message-name.js";
import type { Uidlist } from "../maildir/uidlist.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import type { MailboxDirs } from "./mailbox-place.js";

const DEAD_MIN = 256;
const DEAD_SHARE = 4;
/** Between two listings the uidlist must have grown by this, so that they cost a constant per record. */
const GROWTH = 1.25;

const NONE: ReadonlySet<number> = new Set();

/** UIDs; empty where few are likely, or where it was looked at lately. */
export function findDeadRecords(known: KnownMailbox, dirs: MailboxDirs, uidlist: Uidlist): ReadonlySet<number> {
  const live = known.baseline?.row.messages ?? uidlist.count;
  const isWorthIt = uidlist.count - live > Math.max(DEAD_MIN, uidlist.count / DEAD_SHARE);
  if (!isWorthIt || uidlist.count < known.deadCheckedCount * GROWTH) return NONE;
  const isListed = new Uint8Array(uidlist.count);
  const { stable } = visitMessages(dirs.dir, (name) => {
    const index = uidlist.indexOfBase(splitBaseName(name)); // the last record of that name; the others are void.
    if (index >= 0) isListed[index] = 1;
  });
  if (!stable) return NONE;
  const dead = new Set<number>();
  for (const [index, listed] of isListed.entries()) if (listed === 0) dead.add(uidlist.uidAt(index));
  known.deadCheckedCount = uidlist.count - dead.size;
  return dead;
}
