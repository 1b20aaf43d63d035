/** A file that only its owner may read, whatever the umask, for a library that would make it otherwise. */
import { closeSync, constants, openSync, rmSync } from "node:fs";

const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;

/** Makes it, empty, if nothing stands there. Fails silently: whoever opens the file next says why it cannot. */
export function makePrivateFile(path: string): void {
  try {
    closeSync(openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600));
  } catch {
    // A full disk, no permission, a link: SQLite meets the same.
  }
}

/** Takes away one that can be made anew. Fails silently, as `makePrivateFile`. */
export function removePrivateFile(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Whoever makes it anew meets the same.
  }
}
