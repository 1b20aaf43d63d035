/**
 * A mailbox that is gone from the source is made anew, empty, with the identity that it had: GUID and UIDVALIDITY. So a client that knew it
 * goes on with it, and the log has what was in it as expunged messages of a mailbox that stands.
 *
 * INVARIANT: no UID is given again: what it gives out begins far above all that the log knows, as clients may have seen more than that.
 * INVARIANT: Dovecot, which makes a mailbox of a directory that it meets, never finds a cur/ of ours without its uidlist; where it was faster,
 * that is another mailbox, and is left as it is.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Dir } from "../../base/disk.js";
import { replaceDurably } from "../../base/durable-file.js";
import { errnoOf } from "../../base/errors.js";
import { parseMounts } from "../../base/mount-table.js";
import { joinRaw, type RawName, type RawPath, ROOT_PATH, rawFromText, splitRaw } from "../../base/raw-name.js";
import type { MailboxRow } from "../../log/state-types.js";
import { UID_MAX } from "../../maildir/ids.js";
import { CUR, NEW, TMP, UIDLIST_FILE, UIDLIST_TEMP_FILE } from "../../maildir/mailbox-files.js";
import { readUidlistHeader } from "../../maildir/uidlist-ends.js";
import { formatUidlistHeader } from "../../maildir/uidlist-header.js";
import type { FileOwner } from "../../txn/message-state.js";
import { isInside } from "../mounts.js";
import type { StoreCopy } from "./copies.js";
import { directoryIn, unlessThere } from "./directories.js";
import { underLock } from "./under-lock.js";

const MAILDIR_FOLDER = "maildirfolder";
/** More than any mailbox gets while nobody looks. */
const UID_GAP = 100_000;

interface ToMake {
  readonly row: MailboxRow;
  readonly source: string;
  readonly copies: Pick<StoreCopy, "whyOwnerless">;
}

/** In words; undefined: it can be made. */
export function whyNotMade({ row, source, copies }: ToMake): string | undefined {
  if (row.uidNext + UID_GAP > UID_MAX)
    return "its UIDs are nearly used up, and it cannot be made anew with higher ones";
  const mount = lackingMount(source, row.path);
  if (mount !== undefined) return `${mount} is to be mounted there (/etc/fstab), and is not`;
  return copies.whyOwnerless(row.path);
}

/** The caller closes it, unless it is `root`; it may be another one that was made meanwhile. Throws: lock-held, lock-lost, system errors. */
export async function makeAnew(root: Dir, row: MailboxRow, copies: StoreCopy): Promise<Dir> {
  const mailbox = makeDirectories(root, row.path, copies);
  try {
    const isFolder = copies.has(row.path, MAILDIR_FOLDER) || (splitRaw(row.path).at(-1) ?? "").startsWith(".");
    await underLock(mailbox, (lock) => {
      const isAnothers = mailbox.stat(CUR) !== undefined || mailbox.stat(UIDLIST_FILE) !== undefined;
      if (isAnothers && readUidlistHeader(mailbox)?.guid !== row.guid) return;
      const { uid, gid, mode } = mailbox.statSelf();
      const file = { mode: mode & 0o666, owner: { uid, gid } };
      if (mailbox.stat(UIDLIST_FILE) === undefined) {
        lock.assertOurs();
        const options = { ...file, tempName: UIDLIST_TEMP_FILE, syncDir: true };
        replaceDurably(mailbox, UIDLIST_FILE, [headerOf(row)], options);
      }
      if (mailbox.stat(MAILDIR_FOLDER)?.uid !== uid) mailbox.unlink(MAILDIR_FOLDER); // what a kill left of it.
      if (isFolder) unlessThere(() => mailbox.createFile(MAILDIR_FOLDER, [], { ...file, sync: true }));
      for (const part of [TMP, NEW, CUR]) directoryIn(mailbox, part, () => ({ uid, gid, mode })).close();
      mailbox.sync();
    });
    return mailbox;
  } catch (error) {
    if (mailbox !== root) mailbox.close();
    throw error;
  }
}

function headerOf({ guid, uidValidity, uidNext, headerExtra }: MailboxRow): Buffer {
  const header = { guid, uidValidity, nextUid: uidNext + UID_GAP, extra: headerExtra };
  return Buffer.from(formatUidlistHeader(header), "latin1");
}

/** Durable, one after the other. */
function makeDirectories(root: Dir, path: RawPath, copies: StoreCopy): Dir {
  let dir = root;
  let at: RawPath = ROOT_PATH;
  for (const name of splitRaw(path)) {
    const above = dir;
    try {
      dir = directoryIn(above, name, () => ownerIn({ dir: above, at, name }, copies));
    } finally {
      if (above !== root) above.close();
    }
    at = joinRaw(at, name);
  }
  return dir;
}

/**
 * As in the copy, if that has the owners of the source: which is so where the directory above has. Else as the directory above; and directly
 * below the store, whose owner no mail has, as in the copy.
 */
function ownerIn(
  { dir, at, name }: { readonly dir: Dir; readonly at: RawPath; readonly name: RawName },
  copies: StoreCopy,
): FileOwner {
  const above = dir.statSelf();
  const [copied, copiedAbove] = [copies.stat(joinRaw(at, name)), copies.stat(at)];
  const isAlike = at === "" || (copiedAbove?.uid === above.uid && copiedAbove.gid === above.gid);
  const { uid, gid, mode } = copied !== undefined && isAlike ? copied : above;
  return { uid, gid, mode };
}

/** A mount point of /etc/fstab on the way to that mailbox, below the store, at which nothing is mounted. */
function lackingMount(source: string, path: RawPath): string | undefined {
  const store = rawFromText(source);
  const target = join(store, path);
  const mounted = new Set(parseMounts(read("/proc/self/mountinfo")).map(({ mountPoint }) => mountPoint));
  return mountPointsOf(read("/etc/fstab")).find(
    (point) => point !== store && isInside(point, store) && isInside(target, point) && !mounted.has(point),
  );
}

/** See fstab(5); bytes as latin1. */
export function mountPointsOf(fstab: string): readonly string[] {
  return fstab.split("\n").flatMap((line) => {
    const [device = "#", point = ""] = line.trim().split(/[ \t]+/);
    if (device.startsWith("#") || !point.startsWith("/")) return [];
    const path = point.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
    return [path.length > 1 ? path.replace(/\/+$/, "") : path];
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return "";
  }
}
