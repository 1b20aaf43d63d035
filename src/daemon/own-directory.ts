/**
 * Directories that are ours alone: state, scratch. Whoever else could write there would have root clear, build and deliver what he
 * put there, so they are taken only as they should be, and made where they are not there.
 *
 * INVARIANT: what is judged is an open directory, not a path, and its path is free of links: whoever may write above it can
 * exchange either at any moment. Its device and inode say later whether it is still that one.
 */
import { closeSync, constants, fchmodSync, fstatSync, lstatSync, openSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Dir, FileStat, Site } from "../base/disk.js";
import { openReal } from "../base/disk-node.js";
import { errnoOf } from "../base/errors.js";
import { siteOf } from "../base/pinned-roots.js";
import { isRawName, type RawName, rawFromText } from "../base/raw-name.js";
import { whyItFailed } from "../base/system-error.js";

const MODE_OURS = 0o700;
const WRITABLE_BY_OTHERS = 0o022;
const OPEN_TO_OTHERS = 0o077;
const WRITABLE_BY_GROUP = 0o020;
const STICKY = 0o1000;
const ROOT = 0;

/** What was wrong with a directory, as the end of a sentence. */
export type Refusal = (why: string, cause?: unknown) => Error;

/** Undefined when it is not there. The caller closes it. */
export function openStanding(path: string, refuse: Refusal): Dir | undefined {
  return guarded(refuse, () => openReal(rawFromText(path)));
}

/**
 * Makes a directory for somebody else, like `like`, unless it is there. It gets its owner while only we can enter it, and stays
 * empty until then.
 */
export function makeLike(
  path: string,
  like: Pick<FileStat, "mode" | "uid" | "gid">,
  { refuse, made }: Making & { readonly refuse: Refusal },
): Site {
  return guarded(refuse, () => {
    const standing = openReal(rawFromText(path)) ?? makeChildLike(path, like, made);
    standing.close();
    return siteOf(standing);
  });
}

/** Which directory stands there. Undefined when there is none. */
export function siteAt(path: string, refuse: Refusal): Site | undefined {
  const dir = openStanding(path, refuse);
  dir?.close();
  return dir === undefined ? undefined : siteOf(dir);
}

export interface Making {
  /** Gets the paths of directories that were not there before, the innermost last. */
  readonly made: string[];
}

export interface Privacy {
  /** Others may see what is in it. */
  readonly mayBeRead: boolean;
}

/** Refuses one that is there and that others can get at. Makes nothing. */
export function refuseForeign(path: string, refuse: Refusal, privacy: Privacy): void {
  const dir = openStanding(path, refuse);
  if (dir === undefined) return;
  const why = whyNotOurs(dir, privacy);
  dir.close();
  if (why !== undefined) throw refuse(why);
}

/** As `refuseForeign`, and makes it with mode 0700 if it is not there. Returns which directory it is. */
export function makeOurs(path: string, refuse: Refusal, how: Privacy & Making & { readonly levelsMax: number }): Site {
  const dir = guarded(refuse, () => openMade(path, how.levelsMax, how.made));
  const [site, why] = [siteOf(dir), whyNotOurs(dir, how)];
  dir.close();
  if (why !== undefined) throw refuse(why);
  return site;
}

/**
 * Refuses one whose path others can change: a directory above it is theirs, or they may write in it. For what is opened by its path
 * (SQLite follows whatever journal lies beside a database). `path` is real; what of it is not there yet is for us to make.
 */
export function refuseExposed(path: string, refuse: Refusal): void {
  const exposed = guarded(refuse, () => dirsAbove(path).find(isChangedByOthers));
  if (exposed === undefined) return;
  throw refuse(
    `others than root and the user mailtwin runs as may put something else in its place, by way of ${exposed}`,
  );
}

/** Outermost first: what the first ones hold stays what it is while the next is looked at. */
function dirsAbove(path: string): readonly string[] {
  const above = dirname(path);
  return above === path ? [] : [...dirsAbove(above), above];
}

/** A sticky directory lets nobody rename or remove what is not his. Our own group is as good as we are. */
function isChangedByOthers(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  if (stats.uid !== ROOT && stats.uid !== process.geteuid?.()) return true;
  const trusted = stats.gid === process.getegid?.() ? WRITABLE_BY_GROUP : 0;
  return (stats.mode & STICKY) === 0 && (stats.mode & WRITABLE_BY_OTHERS & ~trusted) !== 0;
}

/**
 * Takes a file of ours from everybody else, in a directory that others may look into: one that was made with another umask. Call it
 * before it is opened as a database: to close it takes away the locks that this process has on it.
 */
export function protectFile(path: string): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return; // not there yet; or not to be opened, which whoever needs it says.
  }
  try {
    const stat = fstatSync(fd);
    const isOpen = stat.isFile() && stat.uid === process.geteuid?.() && (stat.mode & OPEN_TO_OTHERS) !== 0;
    if (isOpen) fchmodSync(fd, stat.mode & MODE_OURS);
  } finally {
    closeSync(fd);
  }
}

function whyNotOurs(dir: Dir, { mayBeRead }: Privacy): string | undefined {
  const { uid, mode } = dir.statSelf();
  const us = process.geteuid?.();
  const shown = (mode & 0o777).toString(8).padStart(4, "0");
  if (uid !== us) return `it belongs to user ${uid}, and mailtwin runs as user ${us}`;
  if ((mode & WRITABLE_BY_OTHERS) !== 0) return `others than its owner may write in it (its mode is ${shown})`;
  if (!mayBeRead && (mode & OPEN_TO_OTHERS) !== 0) return `it is open to others than its owner (its mode is ${shown})`;
  return undefined;
}

function openMade(path: string, levelsMax: number, made: string[]): Dir {
  const raw = rawFromText(path);
  const known = openReal(raw);
  if (known !== undefined) return known;
  const above = dirname(path);
  const parent = levelsMax > 1 && above !== path ? openMade(above, levelsMax - 1, made) : openParent(above);
  try {
    parent.mkdir(nameOf(path), MODE_OURS);
    made.push(path);
    parent.sync();
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error; // another run has just made it, or a link stands there.
  } finally {
    parent.close();
  }
  const opened = openReal(raw);
  if (opened !== undefined) return opened;
  throw Object.assign(new Error("it is a symbolic link that leads nowhere"), { code: "ENOENT" });
}

function makeChildLike(path: string, { mode, uid, gid }: Pick<FileStat, "mode" | "uid" | "gid">, made: string[]): Dir {
  const parent = openParent(dirname(path));
  try {
    parent.mkdir(nameOf(path), mode, { uid, gid });
    made.push(path);
    parent.sync();
  } finally {
    parent.close();
  }
  const opened = openReal(rawFromText(path));
  if (opened !== undefined) return opened;
  throw Object.assign(new Error("it vanished as it was made"), { code: "ENOENT" });
}

function openParent(path: string): Dir {
  const parent = openReal(rawFromText(path));
  if (parent !== undefined) return parent;
  throw Object.assign(new Error("the directory above is not there"), { code: "ENOENT" });
}

function nameOf(path: string): RawName {
  const name = rawFromText(basename(path));
  if (isRawName(name)) return name;
  throw new TypeError("a directory that is to be made has a name");
}

/** System errors become the refusal. */
function guarded<T>(refuse: Refusal, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw refuse(wordsOf(errno, error), error);
  }
}

function wordsOf(errno: string, error: unknown): string {
  if (errno === "ELOOP") return "a symbolic link stands in its place, or in its path";
  if (errno === "ENOTDIR") return "it is not a directory";
  if (errno === "EEXIST") return "something else has come to stand in its place";
  return whyItFailed(error);
}
