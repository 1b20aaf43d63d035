/**
 * SHA-256 of message files, read in pieces so that size does not matter.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { nodePath } from "../../src/base/raw-name.js";

const PIECE = Buffer.allocUnsafe(1 << 20);

/** Hexadecimal SHA-256 of the file's bytes. Throws system errors. */
export function sha256OfFile(path: string): string {
  const fd = openSync(nodePath(path), "r");
  try {
    const hash = createHash("sha256");
    for (let count = readSync(fd, PIECE); count > 0; count = readSync(fd, PIECE)) hash.update(PIECE.subarray(0, count));
    return hash.digest("hex");
  } finally {
    closeSync(fd);
  }
}
