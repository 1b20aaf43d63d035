/**
 * A disk on which certain roots stay the directories that they were. A root's path is opened anew for each piece of work; should
 * another directory have come to stand there (a file system was unmounted or mounted over it, somebody who may write in the
 * directory above put another one or a link in its place), nothing may be read there or written to it.
 *
 * INVARIANT: nothing below a pinned root is opened by a path of its own: that would pass by the comparison.
 */
import { assert } from "./assert.js";
import type { Dir, Disk, Site } from "./disk.js";
import { errnoOf } from "./errors.js";

export interface PinnedRoot {
  /** Absolute, bytes-in-a-string. */
  readonly path: string;
  /** Which directory it must be. Without it: the one that is opened first. */
  readonly site?: Site | undefined;
  /** The error for what stands there instead; `why` ends the sentence. */
  readonly refuse: (why: string, cause?: unknown) => Error;
}

const ANOTHER = "another directory stands there than at the start";

export function pinRoots(disk: Disk, roots: readonly PinnedRoot[]): Disk {
  const siteByPath = new Map(roots.flatMap(({ path, site }) => (site === undefined ? [] : [[path, site] as const])));
  return {
    openRoot(path) {
      const root = roots.find((each) => each.path === path);
      if (root === undefined) {
        assert(
          !roots.some((each) => path.startsWith(`${each.path}/`)),
          "what is below a pinned root is reached from it",
        );
        return disk.openRoot(path);
      }
      const dir = openAny(disk, root);
      if (dir === undefined) return undefined;
      const site = siteByPath.get(path) ?? siteOf(dir);
      siteByPath.set(path, site);
      if (isSite(dir, site)) return dir;
      dir.close();
      throw root.refuse(ANOTHER);
    },
  };
}

export function siteOf({ dev, ino }: Site): Site {
  return { dev, ino };
}

export function isSite(dir: Site, { dev, ino }: Site): boolean {
  return dir.dev === dev && dir.ino === ino;
}

/** A file in its place is no matter of one mailbox. */
function openAny(disk: Disk, { path, refuse }: PinnedRoot): Dir | undefined {
  try {
    return disk.openRoot(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== "ELOOP" && errno !== "ENOTDIR") throw error;
    throw refuse(errno, error);
  }
}
