/**
 * Which of the files that have just gone to the limbo are the source's messages, byte for byte: a copy of the mailbox (rsync, a
 * tape) that stood here at first contact, or one that was numbered otherwise. Their bodies serve again, under the source's UIDs.
 *
 * Looked at in the limbo, where nobody changes them, and not under Dovecot's lock: reading takes long. A name and a size are a
 * guess; only the hash decides. What is not confirmed stays what it was, foreign mail, and the source sends its own.
 */
import type { Dir, ReadFile } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { openSha256 } from "../base/hash.js";
import type { LimboRow } from "../log/state-types.js";
import type { Limbo } from "./limbo.js";

/** Cause of a limbo row whose file was compared with the source's message and is equal to it. */
export const COPY_CAUSE = "copy";

const READ_BYTES = 1024 * 1024;

/** The same rows; those whose file has the SHA-256 that is given for its base name become copies. */
export function confirmCopies(
  limbo: Limbo,
  rows: readonly LimboRow[],
  hashByBase: ReadonlyMap<string, Uint8Array>,
): readonly LimboRow[] {
  if (hashByBase.size === 0) return rows;
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  return rows.map((row) => {
    const wanted = hashByBase.get(row.base);
    if (wanted === undefined) return row;
    const found = limbo.withFile(row.name, (dir, name) => tryHash(dir, name, buffer));
    return found?.equals(wanted) === true ? { ...row, cause: COPY_CAUSE } : row;
  });
}

/** Undefined for a file that cannot be read: it is no use as a body, and no reason to stop. */
function tryHash(dir: Dir, name: string, buffer: Uint8Array): Buffer | undefined {
  try {
    const file = dir.openFile(name);
    if (file === undefined) return undefined;
    try {
      return hashOf(file, buffer);
    } finally {
      file.close();
    }
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function hashOf(file: ReadFile, buffer: Uint8Array): Buffer {
  const hash = openSha256();
  let at = 0;
  for (;;) {
    const count = file.read(buffer, at);
    if (count === 0) return hash.digest();
    hash.update(buffer.subarray(0, count));
    at += count;
  }
}
