/**
 * File-system calls in the form that fast-glob asks for, with names as bytes-in-a-string: a directory whose name is
 * not UTF-8 is walked like any other.
 *
 * The owner of the walk sees each directory's entries before the glob does, and decides what the glob may see. An
 * error is told to the owner and looks like an empty directory to the glob, so that one bad directory does not end it.
 * Synchronous, read-only, names nothing but directories that the glob reached.
 */
import { type Dirent, lstatSync, readdirSync, type Stats, statSync } from "node:fs";
import { nodePath } from "./raw-name.js";

/** One entry of a directory; its name is bytes-in-a-string. */
export type GlobEntry = Dirent;

export interface GlobWalk {
  /** `path` is absolute. Returns the entries that the glob may see (and descend into). */
  readonly onDirectory: (path: string, entries: readonly GlobEntry[]) => readonly GlobEntry[];
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
  function readEntries(path: string, options: { withFileTypes: true }): GlobEntry[];
  function readEntries(path: string): string[];
  function readEntries(path: string, options?: { withFileTypes: true }): GlobEntry[] | string[] {
    const shown = shownEntries(path, walk);
    return options === undefined ? shown.map((entry) => entry.name) : shown;
  }
  return {
    lstatSync: (path) => lstatSync(nodePath(path)),
    statSync: (path) => statSync(nodePath(path)),
    readdirSync: readEntries,
  };
}

function shownEntries(path: string, { onDirectory, onError }: GlobWalk): GlobEntry[] {
  let entries: GlobEntry[];
  try {
    entries = readdirSync(nodePath(path), { withFileTypes: true, encoding: "latin1" });
  } catch (error) {
    onError(path, error);
    return [];
  }
  return [...onDirectory(path, entries)];
}

/** What a link points to, followed to its end; undefined when there is nothing. Throws system errors. */
export function statThroughLink(path: string): Stats | undefined {
  return statSync(nodePath(path), { throwIfNoEntry: false });
}
