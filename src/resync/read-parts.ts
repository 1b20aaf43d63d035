/** Bytes of messages, read from their files: as many as one answer may have. */
import { errnoOf } from "../base/errors.js";
import { type PartRange, readInTurn, readRange } from "../base/file-parts.js";
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
  const bytesMax = looksOnly ? 0 : PARTS_BYTES_MAX;
  return readInTurn(messages, { offset, bytesMax }, (message, range) => readPart(dirs, reading, message, range));
}

function readPart(
  dirs: MailboxDirs,
  reading: MailboxReading,
  { uid, base }: NamedMessage,
  range: PartRange,
): MessagePart {
  for (const { dir, name } of reading.placesOf(uid)) {
    const where = dir === "cur" ? dirs.cur : dirs.fresh;
    if (where === undefined || !isRawName(name) || splitBaseName(name) !== base) continue;
    try {
      const file = where.openFile(name);
      if (file === undefined) continue;
      try {
        const bytes = readRange(file, range);
        return bytes && { size: file.stat.size, bytes };
      } finally {
        file.close();
      }
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
  }
  return undefined;
}
