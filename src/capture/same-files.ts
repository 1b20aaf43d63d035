/**
 * Whether a directory is the one that a mailbox was known in, by what lasts while mailboxes are renamed: inodes.
 */
import { parentRaw, type RawPath } from "../base/raw-name.js";
import type { MailboxBaseline } from "../log/baseline.js";
import type { BaselineRecord } from "../log/state-types.js";
import { listMessages } from "../maildir/listing.js";
import { splitBaseName } from "../maildir/message-name.js";
import { type DirectoryMark, markOf } from "../maildir/whose-tree.js";
import { problemOf } from "./errors.js";
import {
  closeMailbox,
  isOfStore,
  type MailboxDirs,
  openMailbox,
  openStoreDir,
  type StorePlace,
} from "./open-mailbox.js";

/** Files with the right name and another inode: then it is a copy, and more of them say no more. */
const OTHERS_MAX = 32;

export function directoryAt(place: StorePlace, path: RawPath): DirectoryMark | undefined {
  return orNothing(path, () => {
    const dir = openStoreDir(place, path);
    try {
      return dir === undefined ? undefined : markOf(dir.statSelf());
    } finally {
      dir?.close();
    }
  });
}

/** Whose the nearest directory above that path is that still stands. */
export function ownerAbove(place: StorePlace, path: RawPath): number | undefined {
  let above = path;
  while (above !== "") {
    above = parentRaw(above);
    const found = directoryAt(place, above);
    if (found !== undefined) return found.uid;
  }
  return undefined;
}

/** A message of that baseline is in the mailbox at `path`, as the very same file. */
export function hasFileOf(place: StorePlace, path: RawPath, baseline: MailboxBaseline): boolean {
  const found = orNothing(path, () => {
    const dirs = openMailbox(place, path);
    if (dirs === undefined) return false;
    try {
      return hasOneOf(dirs, baseline);
    } finally {
      closeMailbox(dirs);
    }
  });
  return found ?? false;
}

function hasOneOf(dirs: MailboxDirs, baseline: MailboxBaseline): boolean {
  const { names, inNew } = listMessages(dirs.mailbox);
  const placeByBase = new Map<string, number>(names.map((name, index) => [splitBaseName(name), index]));
  let others = 0;
  for (const { base, ino } of recordsOf(baseline)) {
    const index = placeByBase.get(base);
    const name = index === undefined ? undefined : names[index];
    if (index === undefined || name === undefined || ino === 0) continue;
    const stat = (index < inNew ? dirs.fresh : dirs.cur)?.stat(name);
    if (stat?.ino === ino) return true;
    others += 1;
    if (others >= OTHERS_MAX) return false;
  }
  return false;
}

function* recordsOf(baseline: MailboxBaseline): Iterable<BaselineRecord> {
  for (const { chunk } of baseline.looks()) yield* baseline.records(chunk);
}

/** What cannot be looked into tells nothing; a defect, and what concerns the whole store, is thrown on. */
function orNothing<T>(path: RawPath, look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isOfStore(error)) throw error;
    problemOf(path, error);
    return undefined;
  }
}
