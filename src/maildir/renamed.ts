/**
 * Whether a mailbox that stands elsewhere in a twin's store is the one that was written there, which somebody has renamed: its GUID and
 * all that is in it are files of its user, who can write what he likes. Pure but for reading a mailbox.
 *
 * INVARIANT: it is the same directory (whose place only he can change whose it is), or in the same user's tree, of the same owner, with
 * every message that was written.
 */
import type { Dir } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import { listMessages } from "./listing.js";
import { splitBaseName } from "./message-name.js";
import { UidlistReader } from "./uidlist-reader.js";
import { type DirectoryMark, isSameDirectory, type TreeOf } from "./whose-tree.js";

export interface Written {
  readonly path: RawPath;
  /** Undefined where that was never noted. */
  readonly directory: DirectoryMark | undefined;
  readonly messages: () => Iterable<{ readonly uid: number; readonly base: string }>;
}

export interface Elsewhere {
  readonly path: RawPath;
  readonly directory: DirectoryMark;
}

/** `ownerOf`: whose the directory at a path is, if there is one. `holds`: every one of these messages is in the mailbox at that path. */
export function isRenamed(
  written: Written,
  found: Elsewhere,
  {
    treeOf,
    ownerOf,
    holds,
  }: {
    readonly treeOf: TreeOf;
    readonly ownerOf: (path: string) => number | undefined;
    readonly holds: (path: RawPath, messages: ReturnType<Written["messages"]>) => boolean;
  },
): boolean {
  const { path, directory, messages } = written;
  if (directory !== undefined && isSameDirectory(directory, found.directory)) return true;
  const tree = treeOf(path);
  if (treeOf(found.path) !== tree) return false;
  const owner = directory?.uid ?? ownerOf(tree);
  return (owner === undefined || owner === found.directory.uid) && holds(found.path, messages());
}

/** Records and files. Throws what cannot be read. */
export function holdsAll(mailbox: Dir, messages: ReturnType<Written["messages"]>): boolean {
  const read = new UidlistReader().read(mailbox);
  if (!("uidlist" in read)) return false;
  const { uidlist } = read;
  let bases: Set<string> | undefined;
  for (const { uid, base } of messages) {
    const index = uidlist.indexOfBase(base);
    if (index < 0 || uidlist.uidAt(index) !== uid) return false;
    bases ??= new Set(listMessages(mailbox).names.map(splitBaseName));
    if (!bases.has(base)) return false;
  }
  return true;
}
