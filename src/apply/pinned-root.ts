/**
 * A disk on which the store's root stays the directory that it was when it was first opened. The path is opened anew for each
 * transaction; should another directory have come to stand there (a file system was unmounted or mounted over it, a link
 * replaced it), nothing may be written to that one.
 */
import type { Dir, Disk } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { displayRaw } from "../base/raw-name.js";
import { applyError } from "./errors.js";
import { isWrongKind } from "./mailbox-place.js";

/** `disk`, whose `openRoot(storeRoot)` throws destination-missing for another directory than the first one, or for none. */
export function pinRoot(disk: Disk, storeRoot: string): Disk {
  let first: Pick<Dir, "dev" | "ino"> | undefined;
  return {
    openRoot(path) {
      if (path !== storeRoot) return disk.openRoot(path);
      const root = openAnyRoot(disk, path);
      if (root === undefined) return undefined;
      first ??= { dev: root.dev, ino: root.ino };
      if (root.dev === first.dev && root.ino === first.ino) return root;
      root.close();
      throw applyError(
        "destination-missing",
        `opening the store ${displayRaw(path)}: another directory stands there than at the start`,
      );
    },
  };
}

/** A file in its place is no matter of one mailbox. */
function openAnyRoot(disk: Disk, path: string): Dir | undefined {
  try {
    return disk.openRoot(path);
  } catch (error) {
    if (!isWrongKind(error)) throw error;
    const why = errnoOf(error) ?? String(error);
    throw applyError("destination-missing", `opening the store ${displayRaw(path)}: ${why}`, {}, error);
  }
}
