/**
 * Replacing a small file so that a reader sees the old one or the new one, and a power cut leaves one of the two.
 *
 * INVARIANT: the temporary file is in the same directory (rename is atomic only there), and its bytes are on stable
 * storage before the rename: otherwise a crash could leave the new name with nothing in it.
 */
import type { CreateOptions, Dir, FileStat } from "./disk.js";

export interface ReplaceOptions extends Omit<CreateOptions, "sync"> {
  /** Must belong to this writer alone: a file of that name is taken for a leftover of a crash and removed. */
  readonly tempName: string;
  /** Also fsync the directory, so that the new one is what a power cut leaves. Default: left to the caller's batch. */
  readonly syncDir?: boolean;
}

/**
 * Puts a file with these bytes in the place of `name`, if there is one. Returns the facts of the new file (the rename
 * may still move its ctime). Throws system errors; then the old file is in place and the temporary one is gone, except
 * where only the last fsync of the directory failed: then the new one is in place, perhaps not durably.
 */
export function replaceDurably(
  dir: Dir,
  name: string,
  parts: readonly Uint8Array[],
  { tempName, syncDir, ...create }: ReplaceOptions,
): FileStat {
  dir.unlink(tempName);
  const stat = dir.createFile(tempName, parts, { ...create, sync: true });
  try {
    dir.rename(tempName, dir, name);
  } catch (error) {
    throw afterCleanUp(error, () => dir.unlink(tempName));
  }
  if (syncDir === true) dir.sync();
  return stat;
}

function afterCleanUp(error: unknown, cleanUp: () => void): unknown {
  try {
    cleanUp();
  } catch (cleanUpError) {
    return new AggregateError([error, cleanUpError], error instanceof Error ? error.message : String(error));
  }
  return error;
}
