/** Directories at the source, made as somebody else's. */
import type { Dir } from "../../base/disk.js";
import { errnoOf } from "../../base/errors.js";
import type { RawName } from "../../base/raw-name.js";
import { makeSystemError } from "../../base/system-error.js";
import type { FileOwner } from "../../txn/message-state.js";

/**
 * The one that stands, or one that is made; the caller closes it. An empty one of ours that was to be somebody else's is what a kill left in
 * the middle of that, and is made anew. Throws: system errors; ELOOP for a link there.
 */
export function directoryIn(above: Dir, name: RawName, ownerOf: () => FileOwner): Dir {
  const standing = above.openDir(name);
  if (standing !== undefined) {
    if (!isHalfMade(standing, ownerOf)) return standing;
    standing.close();
    above.rmdir(name);
  }
  const { mode, ...owner } = ownerOf();
  unlessThere(() => above.mkdir(name, mode, owner));
  above.sync();
  const dir = above.openDir(name);
  if (dir === undefined) throw makeSystemError("ENOENT", { doing: "opening", path: name });
  return dir;
}

function isHalfMade(dir: Dir, ownerOf: () => FileOwner): boolean {
  const { uid, mode } = dir.statSelf();
  if (uid !== process.geteuid?.() || mode !== 0o700) return false;
  const owner = ownerOf();
  return (owner.uid !== uid || owner.mode !== mode) && dir.list().length === 0;
}

/** Somebody else may have been faster. */
export function unlessThere(make: () => void): void {
  try {
    make();
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}
