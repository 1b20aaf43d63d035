/**
 * Rows for what lies in the limbo without one: a batch that was killed, or failed and could not be taken back, had moved it there
 * and came to record nothing. They are made of the name in the limbo and of what the baseline and the uidlist say of that UID.
 *
 * Called before the transaction comes again, while the baseline still has what was removed.
 */
import type { Dir } from "../base/disk.js";
import { openBelow } from "../base/open-below.js";
import type { RawPath } from "../base/raw-name.js";
import { splitRaw } from "../base/raw-name.js";
import type { LimboRow } from "../log/state-types.js";
import { isUid, type MailboxGuid } from "../maildir/ids.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { type LimboEntry, rowOfEntry } from "./limbo.js";
import { closeBelow } from "./locate.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import { isOfMailbox } from "./refusing.js";
import type { StoreContext } from "./store-context.js";

/** `path`: where the mailbox is, or was. */
export function lostRows(
  { limbo, cache }: StoreContext,
  root: Dir,
  { mailbox, path }: { readonly mailbox: MailboxGuid; readonly path: RawPath },
): LimboRow[] {
  const lost = limbo.unrecorded(mailbox);
  if (lost.length === 0) return [];
  for (const { name } of lost.filter(({ uid }) => uid === undefined)) limbo.unlock(name);
  const known = cache.get(mailbox);
  const uidlist = lost.some(({ uid }) => uid !== undefined) ? uidlistAt(root, known, path) : undefined;
  return lost.map((entry) => rowOfEntry(entry, { path, ...subjectOf(entry, known, uidlist) }));
}

/**
 * What was applied here was expunged. All else counts as foreign mail, which never serves as a body: its name and size are
 * somebody else's word. Without a record of its base name it has none in its row, and still its UID.
 */
function subjectOf(
  entry: LimboEntry,
  { baseline }: KnownMailbox,
  uidlist: Uidlist | undefined,
): Pick<LimboRow, "base" | "cause"> {
  const { uid, size } = entry;
  if (uid === undefined) return { base: "", cause: "delete" };
  const applied = isUid(uid) ? baseline?.record(uid) : undefined;
  if (applied !== undefined && entry.isOf(applied.base)) {
    return { base: applied.base, cause: applied.size === size ? "expunge" : "foreign" };
  }
  return { base: recordedBase(entry, uid, uidlist) ?? "", cause: "foreign" };
}

/** A second file of a message has the UID 0 here, and the base name of the first one. */
function recordedBase(entry: LimboEntry, uid: number, uidlist: Uidlist | undefined): string | undefined {
  if (uidlist === undefined) return undefined;
  const at = uidlist.indexOfUid(uid);
  const indexes = uid > 0 ? [at] : Array.from({ length: uidlist.count }, (_, index) => index);
  const index = indexes.find((each) => each >= 0 && entry.isOf(uidlist.baseAt(each)));
  return index === undefined ? undefined : uidlist.baseAt(index);
}

function uidlistAt(root: Dir, known: KnownMailbox, path: RawPath): Uidlist | undefined {
  let dir: Dir | undefined;
  try {
    dir = openBelow(root, splitRaw(path));
    const read = dir === undefined ? undefined : known.uidlist.read(dir);
    return read !== undefined && "uidlist" in read && read.uidlist.header.guid === known.guid
      ? read.uidlist
      : undefined;
  } catch (error) {
    if (isOfMailbox(error)) return undefined; // the transaction itself will say so.
    throw error;
  } finally {
    if (dir !== undefined) closeBelow(root, dir);
  }
}
