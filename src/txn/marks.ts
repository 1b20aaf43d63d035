/**
 * Arithmetic of marks: a change of marks is the difference between two of them, applied to what is there now, so a mark
 * that the change did not touch stays as the other side has it.
 */
import { sha256 } from "../base/hash.js";
import type { MessageMarks } from "./message-state.js";

/** As long as a hash. */
const VISIBLE_MAX = 64;

/**
 * `present` with what differs between `before` and `after` made as in `after`: per flag, per keyword, and for the odd
 * characters and the tail as a whole. If `present` equals `before`, the result equals `after`.
 */
export function mergeMarks(present: MessageMarks, before: MessageMarks, after: MessageMarks): MessageMarks {
  const touched = before.flags ^ after.flags;
  return {
    flags: (present.flags & ~touched) | (after.flags & touched),
    keywords: mergeNames(present.keywords, before.keywords, after.keywords),
    odd: before.odd === after.odd ? present.odd : after.odd,
    tail: before.tail === after.tail ? present.tail : after.tail,
  };
}

/** Only the marks of what may be a whole message. */
export function marksOf({ flags, keywords, odd, tail }: MessageMarks): MessageMarks {
  return { flags, keywords, odd, tail };
}

/** Flags and keywords, which is what a client sees of marks, as one short text to be compared with another. */
export function visibleMarks({ flags, keywords }: MessageMarks): string {
  const text = [flags, ...keywords].join(" ");
  return text.length <= VISIBLE_MAX ? text : sha256(Buffer.from(text, "latin1")).toString("hex");
}

function mergeNames(
  present: readonly string[],
  before: readonly string[],
  after: readonly string[],
): readonly string[] {
  const names = new Set(present);
  for (const name of before) if (!after.includes(name)) names.delete(name);
  for (const name of after) if (!before.includes(name)) names.add(name);
  return [...names].sort((a, b) => (a < b ? -1 : 1));
}
