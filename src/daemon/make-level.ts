/** One directory that is needed and may not be there yet: that of a socket, or conf.d. */
import { basename, dirname } from "node:path";
import { openNodeDisk } from "../base/disk-node.js";
import { errnoOf } from "../base/errors.js";
import { isRawName, rawFromText } from "../base/raw-name.js";

/**
 * Makes `directory`, with that mode whatever the umask, if nothing stands there. Does nothing where what is above it is missing:
 * whoever opens something in it says so. Throws system errors.
 */
export function makeLevel(directory: string, mode: number): void {
  const name = rawFromText(basename(directory));
  const parent = isRawName(name) ? openNodeDisk().openRoot(rawFromText(dirname(directory))) : undefined;
  if (parent === undefined || !isRawName(name)) return;
  try {
    if (parent.stat(name) !== undefined) return;
    parent.mkdir(name, mode);
    parent.sync();
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error; // another process was faster.
  } finally {
    parent.close();
  }
}
