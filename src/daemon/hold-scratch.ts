/**
 * One run for each scratch directory, whatever its state directory. The lock file is made here, in the directory that was judged:
 * SQLite opens it by its path, and there it may make nothing.
 */
import { join } from "node:path";
import { SCRATCH_LOCK } from "../apply/scratch-areas.js";
import type { Site } from "../base/disk.js";
import { errnoOf, MailtwinError } from "../base/errors.js";
import { isSite } from "../base/pinned-roots.js";
import { holdState } from "../log/state-lock.js";
import { daemonError } from "./errors.js";
import { openStanding, type Refusal } from "./own-directory.js";

/** Another destination may have been given the same one. Throws: scratch-unusable, destination-in-use. */
export function holdScratch(scratch: string, site: Site, refuse: Refusal): Disposable {
  makeLockFile(scratch, site, refuse);
  const held = hold(scratch);
  try {
    makeLockFile(scratch, site, refuse); // the path still leads where it led: that file is the one that was locked.
    return held;
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

function hold(scratch: string): Disposable {
  try {
    return holdState(join(scratch, SCRATCH_LOCK), "write");
  } catch (error) {
    if (!(error instanceof MailtwinError) || error.code !== "state-in-use") throw error;
    const words = `taking the lock of the scratch directory ${scratch}: another mailtwin works with it`;
    throw daemonError("destination-in-use", words, error);
  }
}

function makeLockFile(scratch: string, site: Site, refuse: Refusal): void {
  const dir = openStanding(scratch, refuse);
  try {
    if (dir === undefined || !isSite(dir, site)) throw refuse("another directory stands there than at the start");
    const standing = dir.stat(SCRATCH_LOCK);
    if (standing !== undefined && standing.kind !== "file") throw refuse(`${SCRATCH_LOCK} in it is not a file`);
    if (standing === undefined) dir.createFile(SCRATCH_LOCK, [], { mode: 0o600 });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error; // another run has just made it.
  } finally {
    dir?.close();
  }
}
