/**
 * Sums up what replicas noted while applying: a seed that meets expunges may note the same of every second message, and a
 * person needs to read that once.
 *
 * Notes are of one kind when they differ in their numbers only (UIDs, most of all).
 * INVARIANT: no more kinds than `KINDS_MAX` are told apart, so what is kept and shown does not grow with the mail.
 */
import { formatCount } from "../base/text-format.js";
import type { NoteSum, ShippedReport } from "./reporter.js";

const KINDS_MAX = 8;
const OTHERS = "notes of other kinds";

/** In the order in which the kinds came. */
export function sumNotes(notes: readonly string[]): readonly NoteSum[] {
  const countByKind = new Map<string, NoteSum>();
  for (const words of notes) addTo(countByKind, { words, count: 1 });
  return [...countByKind.values()];
}

function addTo<T extends NoteSum>(sumByKind: Map<string, T>, sum: T): T {
  const own = kindOf(sum.words);
  const kind = sumByKind.has(own) || sumByKind.size < KINDS_MAX ? own : OTHERS;
  const before = sumByKind.get(kind);
  const words = before?.words ?? (kind === OTHERS ? OTHERS : sum.words);
  const after = { ...(before ?? sum), words, count: (before?.count ?? 0) + sum.count };
  sumByKind.set(kind, after);
  return after;
}

function kindOf(words: string): string {
  return words.replace(/\d+/g, "#");
}

interface KindSum extends NoteSum {
  /** Where the first of them was noted. */
  readonly path: string;
  readonly mailboxes: Set<string>;
}

/** The notes of many transactions, until somebody reads them. */
export class NoteSums {
  #sumByKind = new Map<string, KindSum>();

  add({ mailbox, path, notes }: Pick<ShippedReport, "mailbox" | "path" | "notes">): void {
    for (const note of notes) {
      addTo(this.#sumByKind, { ...note, path, mailboxes: new Set<string>() }).mailboxes.add(mailbox);
    }
  }

  /** One line about all that was added since the last call; undefined when that is nothing. */
  take(): string | undefined {
    const sums = [...this.#sumByKind.values()];
    this.#sumByKind = new Map();
    return sums.length === 0 ? undefined : sums.map(wordsOf).join("; ");
  }
}

function wordsOf({ words, count, path, mailboxes }: KindSum): string {
  const where = path === "" ? "INBOX" : path;
  const inMailboxes = mailboxes.size > 1 ? ` in ${formatCount(mailboxes.size)} mailboxes` : "";
  if (words === OTHERS) return `${formatCount(count)} ${OTHERS}${inMailboxes}`;
  return count === 1
    ? `${where}: ${words}`
    : `${where}: ${words} (and ${formatCount(count - 1)} more like it${inMailboxes})`;
}
