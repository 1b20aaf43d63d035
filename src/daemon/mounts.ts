/**
 * Which directory it is, by whatever path. A bind mount gives a directory a second real path: neither realpath(3) nor the device
 * tells that two paths are one directory, that one lies in the other, or that nothing can be renamed between them.
 */
import { closeSync, constants, openSync, readFileSync, type Stats, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { type Mount, parseMounts } from "../base/mount-table.js";

/** By their paths. */
export function isInside(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}

/** Whether `inner` is `outer`, or in it. Both: absolute and real; what does not exist yet counts as in what does. */
export function liesIn(inner: string, outer: string): boolean {
  if (isInside(inner, outer)) return true;
  const standing = standingAt(inner);
  const ids = [mountIdAt(standing), mountIdAt(standingAt(outer))] as const;
  if (ids[0] !== undefined && ids[0] === ids[1]) return false; // in one mount paths say it all.
  const wanted = identityOf(outer);
  const levels = [inner];
  for (let dir = inner; dir !== dirname(dir); dir = dirname(dir)) levels.push(dirname(dir));
  return levels.some((dir) => identityOf(dir) === wanted) || isPartMounted(standing, outer, ids);
}

export function isSameDirectory(one: string, other: string): boolean {
  return identityOf(one) === identityOf(other);
}

/** Whether nothing can be renamed from one to the other, though it may be one file system. Both exist. */
export function areApart(one: string, other: string): boolean {
  const [oneId, otherId] = [mountIdAt(one), mountIdAt(other)];
  const inTwoMounts = oneId !== undefined && otherId !== undefined && oneId !== otherId; // not known where we may not read.
  return inTwoMounts || look(one)?.dev !== look(other)?.dev;
}

/** A part of `outer` may be mounted where `dir` is. Both exist, or the answer is no. */
function isPartMounted(dir: string, outer: string, [id, outerId]: readonly (string | undefined)[]): boolean {
  if (id === undefined || outerId === undefined) return false;
  const mounts = parseMounts(readQuietly("/proc/self/mountinfo"));
  const [at, outerAt] = [originOf(dir, mounts, id), originOf(outer, mounts, outerId)];
  if (at === undefined || outerAt?.dev !== at.dev || !isInside(at.path, outerAt.path)) return false;
  // Some network file systems call every export "/": it has to be the same directory too.
  return isSameDirectory(dir, join(outer, relative(outerAt.path, at.path)));
}

/** Where in its file system a directory is. */
function originOf(
  path: string,
  mounts: readonly Mount[],
  id: string,
): (Pick<Mount, "dev"> & { path: string }) | undefined {
  const mount = mounts.find((each) => each.id === id);
  if (mount === undefined || !isInside(path, mount.mountPoint)) return undefined;
  return { dev: mount.dev, path: join(mount.root, relative(mount.mountPoint, path)) };
}

/** Undefined for what does not exist or may not be read. */
function mountIdAt(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return undefined;
  }
  try {
    return /^mnt_id:\s*(\d+)$/m.exec(readQuietly(`/proc/self/fdinfo/${fd}`))?.[1];
  } finally {
    closeSync(fd);
  }
}

/** The nearest directory that is there. */
function standingAt(path: string): string {
  let dir = path;
  while (look(dir) === undefined && dir !== dirname(dir)) dir = dirname(dir);
  return dir;
}

function identityOf(path: string): string {
  const standing = standingAt(path);
  const stat = look(standing);
  const { dev, ino } = stat ?? { dev: "", ino: "" };
  return join(`${dev}:${ino}`, relative(standing, path));
}

function look(path: string): (Pick<Stats, "dev"> & { readonly ino: number }) | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
