/**
 * One run for each destination, whatever its state and scratch directories: an exclusive flock(2) on the destination's own
 * directory. Nothing is left in it, any name of it is the same lock, and the kernel lets go of it when the process dies.
 *
 * Node cannot call flock; flock(1) can, on a descriptor that it inherits: the lock belongs to the open directory, which is
 * ours, and stays when flock(1) has ended. Where it cannot be had (no flock(1), a network file system without locks on
 * directories) the run goes on without: the locks on state and scratch stay.
 */
import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { daemonError } from "./errors.js";

/** What flock(1) ends with when somebody else holds the lock; its other failures are larger. */
const HELD = 1;
/** The place that the descriptor has in flock(1). */
const FD = "3";

/** Throws: destination-in-use. */
export function holdDestination(destination: string): Disposable {
  const fd = openQuietly(destination);
  if (fd === undefined) return { [Symbol.dispose]: () => undefined };
  const { status } = spawnSync("flock", ["-n", "-x", FD], { stdio: ["ignore", "ignore", "ignore", fd] });
  if (status !== HELD) return { [Symbol.dispose]: () => closeSync(fd) };
  closeSync(fd);
  throw daemonError(
    "destination-in-use",
    `taking the lock on the destination ${destination}: another process holds it`,
  );
}

/** One that may not be read is refused by whoever needs to, with better words. */
function openQuietly(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return undefined;
  }
}
