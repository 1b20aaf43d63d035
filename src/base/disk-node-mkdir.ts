/**
 * Making a directory that gets an owner and a mode, in a place where others may write too.
 *
 * INVARIANT: what is given away is what was made here: opened without following a link, still ours, still empty. Whoever may write
 * in the parent can exchange the new name for something of ours between two calls, and would be given that.
 */
import { closeSync, constants, fchmodSync, fstatSync, lstatSync, mkdirSync, openSync, readdirSync } from "node:fs";
import { giveTo, type Owner } from "./disk-node-file.js";
import { type Attempt, makeSystemError } from "./system-error.js";

const OPEN_DIR = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** Nobody else comes in before it is settled. */
const MODE_UNSETTLED = 0o700;
/** Mail stores use the set-group-id and the sticky bit of directories; set-user-id means nothing there. */
const DIRECTORY_BITS = 0o3777;

export function makeUnsettled(path: string | Buffer): void {
  mkdirSync(path, { mode: MODE_UNSETTLED });
}

/** Owner before mode, through a descriptor. Throws EEXIST when something else has come to stand there. */
export function settleDirectory(
  path: string | Buffer,
  { mode, owner }: { readonly mode: number; readonly owner: Owner | undefined },
  attempt: Attempt,
): void {
  const standing = lstatSync(path);
  const fd = openSync(path, OPEN_DIR);
  try {
    const { dev, ino, uid } = fstatSync(fd);
    const isOurs = uid === 0 || process.geteuid?.() !== 0; // who is not root has nothing to give away.
    const isMade = isOurs && dev === standing.dev && ino === standing.ino;
    if (!isMade || readdirSync(`/proc/self/fd/${fd}`).length > 0) throw makeSystemError("EEXIST", attempt);
    fchmodSync(fd, giveTo(fd, owner, mode & DIRECTORY_BITS));
  } finally {
    closeSync(fd);
  }
}
