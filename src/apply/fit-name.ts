/**
 * What a message's file is to be called, and where, if not every mark fits into its name: 255 bytes are all there are. Pure.
 *
 * A base name of more than 252 bytes has no room for `:2,`. Dovecot leaves such a file in `new/`, numbers it and serves it,
 * and fails to set flags; the replica's is put there too. So no name that the source has is one that the replica cannot have.
 */
import { displayRaw } from "../base/raw-name.js";
import type { ApplyNote } from "./apply-types.js";
import type { DraftMessage } from "./draft.js";
import { infoOf, NO_NAME_MARKS, sameNameMarks } from "./marks.js";

export interface FittedName {
  readonly dir: "cur" | "new";
  readonly name: string;
  /** Set when marks are left out. */
  readonly note?: ApplyNote;
}

const NAME_BYTES_MAX = 255;
const NO_INFO = ":2,";

export function fitName(message: DraftMessage): FittedName {
  const { base, foreignInfo, marks, file, body } = message;
  const name = base + foreignInfo + infoOf(marks);
  if (name.length <= NAME_BYTES_MAX) return { dir: "cur", name };
  const isUnmarked = sameNameMarks(marks, NO_NAME_MARKS);
  const words = `marks of ${displayRaw(base)} are left out: with them its file name would be longer than ${NAME_BYTES_MAX} bytes`;
  const left = isUnmarked ? {} : { note: { kind: "marks-left-out", words } as const };
  // What is there keeps its name as it is; only marks would have been added.
  if (body === "file" && file?.name.split(":", 1)[0] === base) return { dir: file.dir, name: file.name, ...left };
  if (base.length + NO_INFO.length <= NAME_BYTES_MAX) return { dir: "cur", name: base + NO_INFO, ...left };
  return { dir: "new", name: base, ...left };
}
