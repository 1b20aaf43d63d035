/**
 * One run for each destination, whatever its state and scratch directories: an exclusive flock(2) on the destination's own
 * directory, and shared ones on all directories above it, so that a run to a directory and one to a part of it exclude each
 * other in either order, and runs to neighbours do not. Nothing is left in them, any name is the same lock, and the kernel lets
 * go of it when the process dies.
 *
 * Where it cannot be had (a directory that may not be read, a network file system without locks on directories) the run goes on
 * without: the locks on state and scratch stay.
 */
import { closeSync, constants, openSync } from "node:fs";
import { dirname } from "node:path";
import { daemonError } from "./errors.js";
import { lockDescriptor } from "./flock.js";

/**
 * `destination`: absolute and real. `takeBack` is called before a refusal because of what holds the destination, while that itself
 * is ours: what was made for this run lies in another run's destination. Throws: destination-in-use.
 */
export function holdDestination(destination: string, takeBack: () => void = () => undefined): Disposable {
  const fds: number[] = [];
  const release = () => {
    for (const fd of fds) closeSync(fd);
  };
  try {
    if (!lock(destination, "exclusive", fds)) {
      const who =
        "another process holds it with flock(2): a mailtwin that writes there or to a directory in it, or perhaps no mailtwin";
      throw daemonError("destination-in-use", `taking the lock on the destination ${destination}: ${who}`);
    }
    for (const above of directoriesAbove(destination)) {
      if (lock(above, "shared", fds)) continue;
      takeBack();
      const who =
        "another process holds it alone with flock(2): a mailtwin that writes to all of it, or perhaps no mailtwin";
      throw daemonError("destination-in-use", `taking the lock on ${above}, which holds ${destination}: ${who}`);
    }
  } catch (error) {
    release();
    throw error;
  }
  return { [Symbol.dispose]: release };
}

/** Returns false where somebody else's lock is in the way. What was opened is added to `fds`. */
function lock(path: string, how: "exclusive" | "shared", fds: number[]): boolean {
  const fd = openQuietly(path);
  if (fd === undefined) return true;
  fds.push(fd);
  return lockDescriptor(fd, how) !== "held";
}

/** Nearest first, without the root: nobody's destination. */
function directoriesAbove(path: string): readonly string[] {
  const above: string[] = [];
  for (let dir = dirname(path); dir !== dirname(dir); dir = dirname(dir)) above.push(dir);
  return above;
}

/** One that may not be read is refused by whoever needs to, with better words. */
function openQuietly(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return undefined;
  }
}
