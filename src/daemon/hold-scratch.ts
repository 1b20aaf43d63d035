/**
 * One run for each scratch directory, whatever its state directory: an exclusive flock(2) on a file in it.
 *
 * INVARIANT: the file is reached from the open directory, which is judged once more, and nothing here is opened by a path that others
 * could change: whoever owns the directory above may exchange the scratch directory at any moment for one of his own.
 * With a file of ours in it, it also cannot be removed and made anew by others with the same inode number.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { SCRATCH_LOCK } from "../apply/scratch-areas.js";
import type { Site } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { isSite } from "../base/pinned-roots.js";
import { whyItFailed } from "../base/system-error.js";
import { daemonError } from "./errors.js";
import { lockDescriptor } from "./flock.js";
import type { Refusal } from "./own-directory.js";

const OTHERS = 0o077;
const { O_RDONLY, O_RDWR, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
const OPEN_DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
/** For writing, since network file systems give no exclusive lock otherwise. */
const OPEN_LOCK = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK;

/** Another destination may have been given the same one. Throws: scratch-unusable, destination-in-use. */
export function holdScratch(scratch: string, site: Site, refuse: Refusal): Disposable {
  const fd = openLockFile(scratch, site, refuse);
  try {
    const lock = lockDescriptor(fd, "exclusive");
    if (lock === "held") {
      const words = `taking the lock of the scratch directory ${scratch}: another mailtwin works with it`;
      throw daemonError("destination-in-use", words);
    }
    if (lock === "unavailable") throw refuse(`${SCRATCH_LOCK} in it cannot be locked by flock(1)`);
    return { [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openLockFile(scratch: string, site: Site, refuse: Refusal): number {
  const opened: number[] = [];
  try {
    const dir = openSync(scratch, OPEN_DIRECTORY);
    opened.push(dir);
    const standing = fstatSync(dir);
    const isOurs = standing.uid === process.geteuid?.() && (standing.mode & OTHERS) === 0;
    if (!isSite(standing, site) || !isOurs) throw refuse("another directory stands there than at the start");
    const fd = openLock(`/proc/self/fd/${dir}/${SCRATCH_LOCK}`);
    if (fstatSync(fd).isFile()) return fd;
    opened.push(fd);
    throw refuse(`${SCRATCH_LOCK} in it is not a file`);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    const isOther = ["ELOOP", "EISDIR", "ENXIO"].includes(errno);
    throw refuse(isOther ? `${SCRATCH_LOCK} in it is not a file` : whyItFailed(error), error);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** Also on a file system that is read-only, if the file stands there: whether there is anything to do is yet to be found out. */
function openLock(path: string): number {
  try {
    return openSync(path, OPEN_LOCK, 0o600);
  } catch (error) {
    if (errnoOf(error) !== "EROFS") throw error;
    return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }
}
