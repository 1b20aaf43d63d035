/**
 * Writes one message file straight to its final name; nobody else may be looking at the mailbox.
 */
import { closeSync, futimesSync, openSync, writeSync } from "node:fs";
import { nodePath } from "../../src/base/raw-name.js";

/** Creates the file (`EEXIST` if there), mode 0600, with this mtime. `path` is bytes in a string. */
export function writeMessageFile(path: string, bytes: Uint8Array, mtimeS: number): void {
  const fd = openSync(nodePath(path), "wx", 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    futimesSync(fd, mtimeS, mtimeS);
  } finally {
    closeSync(fd);
  }
}
