/** From a mailbox path to open directories, for as long as they are looked at, and no longer: a renamed mailbox would else be read on. */
import type { Dir, Disk } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { openBelow } from "../base/open-below.js";
import { displayRaw, type RawPath, splitRaw } from "../base/raw-name.js";
import { whyItFailed } from "../base/system-error.js";
import { CUR, NEW, openMessageDir } from "../maildir/mailbox-files.js";
import { resyncError } from "./errors.js";
import type { MailboxDirs } from "./mailbox-reading.js";

/** Calls `use` with undefined where there is no mailbox. Throws: compared-missing; mailbox-is-link, ELOOP, ENOTDIR and others of the mailbox. */
export async function withMailbox<T>(
  disk: Disk,
  storeRoot: string,
  path: RawPath,
  use: (dirs: MailboxDirs | undefined) => Promise<T>,
): Promise<T> {
  const root = openStore(disk, storeRoot);
  const opened: Dir[] = [root];
  try {
    const mailbox = openBelow(root, splitRaw(path));
    if (mailbox === undefined) return await use(undefined);
    if (mailbox !== root) opened.push(mailbox);
    if (mailbox.stat(CUR) === undefined) return await use(undefined);
    const cur = openMessageDir(mailbox, CUR);
    opened.push(cur);
    const fresh = mailbox.stat(NEW) === undefined ? undefined : openMessageDir(mailbox, NEW);
    if (fresh !== undefined) opened.push(fresh);
    return await use({ mailbox, cur, fresh });
  } finally {
    for (const dir of opened) dir.close();
  }
}

/** The caller closes it. Throws: compared-missing. */
export function openStore(disk: Disk, storeRoot: string): Dir {
  const what = `comparing the store ${displayRaw(storeRoot)}`;
  let root: Dir | undefined;
  try {
    root = disk.openRoot(storeRoot);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw resyncError("compared-missing", `${what}: ${whyItFailed(error)}`, error);
  }
  if (root === undefined) throw resyncError("compared-missing", `${what}: it is not there`);
  return root;
}
