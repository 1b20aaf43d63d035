/**
 * Names of files that a mailbox's uidlist does not explain: those without a record (a crash between file and record, a
 * copy made with other tools), and second names of a base name that has a file already (another program put them there).
 *
 * Only a listing shows them. It is made when this process first meets the mailbox, and again when `cur/` or `new/` was
 * changed by somebody else; a large mailbox is listed again only as often as costs little, and one that we left in order is
 * not listed at first: a crash of ours leaves an intent, and what others put there meanwhile shows with their next change.
 * What we change ourselves, under the lock, is accounted for instead (`accountForOwn`), so that a stream of deliveries lists
 * nothing.
 * Left open, by necessity: a program that writes names without the lock in the very moment in which we hold it. What it
 * wrote is seen at its next change, or ours fails: no file of another is ever replaced.
 */

import { visitMessages } from "../maildir/listing.js";
import { splitBaseName } from "../maildir/message-name.js";
import { type MessageTimes, sameMessageTimes } from "../maildir/message-times.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { isSettled, type Place, timesOf } from "./find-files.js";
import type { MailboxDirs } from "./mailbox-place.js";

/** When the names were listed last, and as what state of the directories. */
interface StrayListing extends MessageTimes {
  readonly listedAtMs: number;
  /** Nothing could hide from it. */
  readonly settled: boolean;
  readonly names: number;
}

/** What is remembered of a mailbox. */
export interface StrayMemory {
  /** All files of base names that had no record, or several files, when the mailbox was listed; undefined = not yet. */
  unrecorded: ReadonlyMap<string, readonly Place[]> | undefined;
  /** How old that is. */
  listed: StrayListing | undefined;
}

/** Up to here a listing takes about as long as a write of one file. */
const LISTED_ALWAYS_MAX = 500;
/** Above it: what is listed again and again takes about a fiftieth of the time. */
const NAMES_PER_MS_BETWEEN = 30;
/** A listing that may have missed something is made again after that time. */
const AGAIN_MS = 50;

/**
 * Lists the mailbox if it was changed since it was listed. Returns the times that what is remembered is as good for.
 * `inOrder`: everything that we did there before came to its end.
 */
export function refreshStrays(
  known: StrayMemory,
  dirs: MailboxDirs,
  uidlist: Uidlist | undefined,
  { nowMs, inOrder }: { readonly nowMs: number; readonly inOrder: boolean },
): MessageTimes {
  const times = timesOf(dirs);
  const names = uidlist?.count ?? 0;
  if (known.unrecorded === undefined && inOrder && names > LISTED_ALWAYS_MAX) {
    known.unrecorded = new Map();
    known.listed = { ...times, listedAtMs: nowMs, settled: true, names };
    return times;
  }
  if (known.unrecorded !== undefined && !isDue(known.listed, times, nowMs)) return times;
  const found = listUnexplained(dirs, uidlist);
  const { stable, ignored: _, ...listed } = found.facts;
  known.unrecorded = found.unrecorded;
  const settled = isSettled({ ...listed, listedAtMs: nowMs, stable });
  known.listed = { ...listed, listedAtMs: nowMs, settled, names: found.names };
  return listed;
}

/** All places of each base name that has no record, or more than one name. */
function listUnexplained(dirs: MailboxDirs, uidlist: Uidlist | undefined) {
  const unrecorded = new Map<string, Place[]>();
  const seen = new Uint8Array(uidlist?.count ?? 0);
  const again = new Set<string>();
  let names = 0;
  const facts = visitMessages(dirs.dir, (name, dir) => {
    names += 1;
    const base = splitBaseName(name);
    const index = uidlist?.indexOfBase(base) ?? -1;
    if (index < 0) note(unrecorded, base, { dir, name });
    else if (seen[index] === 1) again.add(base);
    else seen[index] = 1;
  });
  // Rare: where the first name of such a message was is not remembered, so it is looked for.
  if (again.size > 0) {
    visitMessages(dirs.dir, (name, dir) => {
      const base = splitBaseName(name);
      if (again.has(base)) note(unrecorded, base, { dir, name });
    });
  }
  return { unrecorded, names, facts };
}

function note(places: Map<string, Place[]>, base: string, place: Place): void {
  const known = places.get(base);
  if (known === undefined) places.set(base, [place]);
  else known.push(place);
}

function isDue(listed: StrayListing | undefined, times: MessageTimes, nowMs: number): boolean {
  if (listed === undefined) return true;
  const sinceMs = Math.abs(nowMs - listed.listedAtMs);
  const isDear = listed.names > LISTED_ALWAYS_MAX && sinceMs < listed.names / NAMES_PER_MS_BETWEEN;
  if (isDear) return false;
  return !sameMessageTimes(listed, times) || (!listed.settled && sinceMs >= AGAIN_MS);
}

/** After writes of our own, under the lock: `before` is how the directories were when it was taken. */
export function accountForOwn(known: StrayMemory, dirs: MailboxDirs, before: MessageTimes): void {
  if (known.listed === undefined || !sameMessageTimes(known.listed, before)) return;
  known.listed = { ...known.listed, ...timesOf(dirs) };
}
