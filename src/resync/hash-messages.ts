/** SHA-256 of messages, read from their files. */
import { type Clock, nextTurn } from "../base/clock.js";
import type { Dir } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { openSha256 } from "../base/hash.js";
import { isRawName } from "../base/raw-name.js";
import type { Uid } from "../maildir/ids.js";
import type { MailboxDirs, MailboxReading } from "./mailbox-reading.js";

const PART_BYTES = 1024 * 1024;
/** Others of this thread have their turn after so long. */
const SLICE_MS = 20;

/** In the order of `uids`. What the system refuses of a message is as if it were not there: whoever compares says so. */
export async function hashMessages(
  clock: Pick<Clock, "monotonicMs">,
  dirs: MailboxDirs,
  reading: MailboxReading,
  uids: readonly Uid[],
): Promise<readonly (string | undefined)[]> {
  const hashes: (string | undefined)[] = [];
  const buffer = Buffer.allocUnsafeSlow(PART_BYTES);
  let dueMs = clock.monotonicMs() + SLICE_MS;
  const pause = async () => {
    if (clock.monotonicMs() < dueMs) return;
    await nextTurn();
    dueMs = clock.monotonicMs() + SLICE_MS;
  };
  for (const uid of uids) {
    let sha256: string | undefined;
    for (const { dir, name } of reading.placesOf(uid)) {
      const where = dir === "cur" ? dirs.cur : dirs.fresh;
      sha256 = where === undefined || !isRawName(name) ? undefined : await hashFile({ where, name, buffer, pause });
      if (sha256 !== undefined) break;
    }
    hashes.push(sha256);
    await pause();
  }
  return hashes;
}

interface HashedFile {
  readonly where: Dir;
  readonly name: string;
  readonly buffer: Buffer;
  readonly pause: () => Promise<void>;
}

async function hashFile({ where, name, buffer, pause }: HashedFile): Promise<string | undefined> {
  try {
    const file = where.openFile(name);
    if (file === undefined) return undefined;
    try {
      const hash = openSha256();
      let position = 0;
      for (;;) {
        const count = file.read(buffer, position);
        if (count === 0) return hash.digest().toString("hex");
        hash.update(buffer.subarray(0, count));
        position += count;
        if (position % (8 * PART_BYTES) === 0) await pause();
      }
    } finally {
      file.close();
    }
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
