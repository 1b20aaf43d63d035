/**
 * File-system calls in the form that fast-glob asks for, with names as bytes-in-a-string: a directory whose name is
 * not UTF-8 is walked like any other.
 *
 * The owner of the walk sees each directory's entries before the glob does, and decides what the glob may see. An
 * error is told to the owner and looks like an empty directory to the glob, so that one bad directory does not end it.
 * Synchronous, read-only, names nothing but directories that the glob reached.
 *
 * INVARIANT: a directory is listed only if it stands, as an open one, where its path says: whoever may write above it can exchange
 * it, or a directory above, for a link at any moment. One that does not counts as gone.
 */
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
  statSync,
} from "node:fs";
import { nodePath } from "./raw-name.js";
import { makeSystemError } from "./system-error.js";

const OPEN_ROOT = constants.O_RDONLY | constants.O_DIRECTORY;
const OPEN_DIR = OPEN_ROOT | constants.O_NOFOLLOW;

/** One entry of a directory; its name is bytes-in-a-string. */
export type GlobEntry = Dirent;

export interface GlobWalk {
  /** Where it begins: absolute, without a "/" at its end, but for "/" itself. Links in it are followed, once. */
  readonly root: string;
  /** `path` is absolute, `ino` its inode. Returns the entries that the glob may see (and descend into). */
  readonly onDirectory: (path: string, entries: readonly GlobEntry[], ino: number) => readonly GlobEntry[];
  readonly onError: (path: string, error: unknown) => void;
}

/** The part of fast-glob's `fs` option that its synchronous walk uses. Paths and names are bytes-in-a-string. */
export interface GlobFs {
  readonly lstatSync: (path: string) => Stats;
  readonly statSync: (path: string) => Stats;
  readonly readdirSync: ReadNames & ReadEntries;
}
type ReadEntries = (path: string, options: { withFileTypes: true }) => GlobEntry[];
type ReadNames = (path: string) => string[];

export function openGlobFs(walk: GlobWalk): GlobFs {
  let rootStandsAt: string | undefined;
  const list = (path: string): Listed => {
    const fd = openSync(nodePath(path), path === walk.root ? OPEN_ROOT : OPEN_DIR);
    try {
      const standsAt = readlinkSync(`/proc/self/fd/${fd}`, { encoding: "latin1" });
      if (path === walk.root) rootStandsAt ??= standsAt;
      if (standsAt !== expectedPlace(path, walk.root, rootStandsAt)) {
        throw makeSystemError("ENOENT", { doing: "listing", path });
      }
      const { ino } = fstatSync(fd);
      return { ino, entries: readdirSync(`/proc/self/fd/${fd}`, { withFileTypes: true, encoding: "latin1" }) };
    } finally {
      closeSync(fd);
    }
  };
  function readEntries(path: string, options: { withFileTypes: true }): GlobEntry[];
  function readEntries(path: string): string[];
  function readEntries(path: string, options?: { withFileTypes: true }): GlobEntry[] | string[] {
    const shown = shownEntries(path, list, walk);
    return options === undefined ? shown.map((entry) => entry.name) : shown;
  }
  return {
    lstatSync: (path) => lstatSync(nodePath(path)),
    statSync: (path) => statSync(nodePath(path)),
    readdirSync: readEntries,
  };
}

/** `rootStandsAt`: what the root's path leads to. */
function expectedPlace(path: string, root: string, rootStandsAt = root): string {
  if (rootStandsAt === root || path === root) return path === root ? rootStandsAt : path;
  const below = root === "/" ? path : path.slice(root.length);
  return rootStandsAt === "/" ? below : rootStandsAt + below;
}

interface Listed {
  readonly ino: number;
  readonly entries: GlobEntry[];
}

function shownEntries(path: string, list: (path: string) => Listed, { onDirectory, onError }: GlobWalk): GlobEntry[] {
  let listed: Listed;
  try {
    listed = list(path);
  } catch (error) {
    onError(path, error);
    return [];
  }
  return [...onDirectory(path, listed.entries, listed.ino)];
}

/** What a link points to, followed to its end; undefined when there is nothing. Throws system errors. */
export function statThroughLink(path: string): Stats | undefined {
  return statSync(nodePath(path), { throwIfNoEntry: false });
}
