/** Bytes of messages, read from their files: as many as one answer may have. */
import { errnoOf } from "../base/errors.js";
import { isRawName } from "../base/raw-name.js";
import { splitBaseName } from "../maildir/message-name.js";
import { type MessagePart, type NamedMessage, PARTS_BYTES_MAX } from "../wire/sums.js";
import type { MailboxDirs, MailboxReading } from "./mailbox-reading.js";
import type { AllowedParts } from "./sums-types.js";

/** Of the first of `messages`, as `ReadSide.parts`. What the system refuses of a message is as if it were not there. */
export function readParts(
  dirs: MailboxDirs,
  reading: MailboxReading,
  { messages, offset, looksOnly = false }: Omit<AllowedParts, "path">,
): readonly MessagePart[] {
  const parts: MessagePart[] = [];
  let left = looksOnly ? 0 : PARTS_BYTES_MAX;
  for (const message of messages) {
    const from = parts.length === 0 ? offset : 0;
    const part = message === undefined ? undefined : readPart(dirs, reading, message, { from, left });
    parts.push(part);
    left -= part?.bytes.length ?? 0;
    if (left === 0 && !looksOnly) break;
  }
  return parts;
}

function readPart(
  dirs: MailboxDirs,
  reading: MailboxReading,
  { uid, base }: NamedMessage,
  range: { readonly from: number; readonly left: number },
): MessagePart {
  for (const { dir, name } of reading.placesOf(uid)) {
    const where = dir === "cur" ? dirs.cur : dirs.fresh;
    if (where === undefined || !isRawName(name) || splitBaseName(name) !== base) continue;
    try {
      const file = where.openFile(name);
      if (file === undefined) continue;
      try {
        const { size } = file.stat;
        const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(range.left, size - range.from)));
        let done = 0;
        while (done < bytes.length) {
          const count = file.read(bytes.subarray(done), range.from + done);
          if (count === 0) return undefined; // it was cut meanwhile.
          done += count;
        }
        return { size, bytes };
      } finally {
        file.close();
      }
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
  }
  return undefined;
}
