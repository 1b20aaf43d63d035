/** From a root to a directory below it, one component after the other, so that no link is followed. */
import type { Dir } from "./disk.js";
import type { RawName } from "./raw-name.js";

/** Undefined when some component is absent. The caller closes it. Throws: ELOOP for a link on the way, ENOTDIR. */
export function openBelow(root: Dir, names: readonly RawName[]): Dir | undefined {
  let dir: Dir | undefined = root;
  for (const name of names) {
    const above: Dir = dir;
    try {
      dir = above.openDir(name);
    } finally {
      if (above !== root) above.close();
    }
    if (dir === undefined) return undefined;
  }
  return dir;
}
