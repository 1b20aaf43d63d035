/**
 * dovecot-keywords: what the letters a-z in message names mean in this mailbox. Lines "INDEX NAME", 0-25 for a-z.
 *
 * INVARIANT: an index that has a name keeps it. Open sessions would go on showing the old name.
 * INVARIANT: letters never leave this room; names do.
 * Names compare without regard to ASCII case, as everywhere in IMAP. Lines that Dovecot skips are skipped.
 * SOURCE: Dovecot's maildir-keywords.c. It notices a new file by the whole seconds of its mtime only.
 */
import type { Dir } from "../base/disk.js";
import { displayRaw } from "../base/raw-name.js";
import { maildirError } from "./errors.js";
import { KEYWORDS_FILE } from "./mailbox-files.js";
import { LETTERS_MASK } from "./message-name.js";

export const KEYWORDS_MAX = 26;
const NAME_BYTES_MAX = 255;
const FILE_BYTES_MAX = 64 * 1024;

export interface Keywords {
  /** By letter: names[0] is "a". Always 26 entries. */
  readonly names: readonly (string | undefined)[];
}

export const NO_KEYWORDS: Keywords = { names: Array.from({ length: KEYWORDS_MAX }, () => undefined) };

export interface KeywordsFile {
  readonly keywords: Keywords;
  /** 0 when there is no file (then `size` and `ino` are 0 too). */
  readonly mtimeMs: number;
  readonly size: number;
  readonly ino: number;
}

/** Whole lines only; what is no "INDEX NAME" is skipped, and of two equal names the first stays. */
export function parseKeywords(bytes: Uint8Array): Keywords {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1").split("\n");
  lines.pop();
  const names: (string | undefined)[] = [...NO_KEYWORDS.names];
  const seen = new Set<string>();
  for (const line of lines) {
    const [, digits, name] = /^(\d{1,9}) ([^\r]+)\r?$/.exec(line) ?? [];
    const index = Number(digits);
    if (name === undefined || !(index < KEYWORDS_MAX) || seen.has(lowerAscii(name))) continue;
    seen.add(lowerAscii(name));
    names[index] = name;
  }
  return { names };
}

/** The file's bytes. */
export function formatKeywords(keywords: Keywords): Buffer {
  const lines = keywords.names.map((name, index) => (name === undefined ? "" : `${index} ${name}\n`));
  return Buffer.from(lines.join(""), "latin1");
}

/** The names of a set of letters, in the order of the letters; `unknown` has the bits without a name. */
export function namesOfLetters(keywords: Keywords, letters: number): { names: string[]; unknown: number } {
  const names: string[] = [];
  let unknown = 0;
  for (let index = 0; letters >>> index !== 0; index++) {
    if ((letters & (1 << index)) === 0) continue;
    const name = keywords.names[index];
    if (name === undefined) unknown |= 1 << index;
    else names.push(name);
  }
  return { names, unknown };
}

/** What Dovecot calls the keywords of letters that dovecot-keywords does not name, in the order of the letters. */
export function namesOfNameless(letters: number): string[] {
  if (letters === 0) return []; // of nearly every message.
  return Array.from({ length: KEYWORDS_MAX }, (_, index) => `unknown-${index}`).filter(
    (_, index) => (letters & (1 << index)) !== 0,
  );
}

/** The letter that has such a name as long as it has no other: 0 for "a". */
export function namelessLetter(name: string): number | undefined {
  const index = Number(/^unknown-(\d{1,2})$/.exec(name)?.[1] ?? KEYWORDS_MAX);
  return index < KEYWORDS_MAX ? index : undefined;
}

/** The letter's bit, or 0 when the mailbox has no letter for that keyword. */
export function letterBitOf(keywords: Keywords, name: string): number {
  const wanted = lowerAscii(name);
  const index = keywords.names.findIndex((held) => held !== undefined && lowerAscii(held) === wanted);
  return index < 0 ? 0 : 1 << index;
}

export interface LetterAssignment {
  readonly keywords: Keywords;
  /** One bit for each name that was asked for and has a letter. */
  readonly letterBitByName: ReadonlyMap<string, number>;
  /** Whether `keywords` has names that the old ones had not: then the file comes before any message name. */
  readonly added: boolean;
  /** Names for which no letter is left; Dovecot keeps such keywords in its index only. */
  readonly overflow: readonly string[];
}

/**
 * Gives each name its letter, new ones the first free. `lettersInUse`: letters that occur in message names; one without
 * a name is not free (its messages would all get the keyword).
 * Throws: keyword-name-invalid.
 */
export function assignLetters(keywords: Keywords, wanted: Iterable<string>, lettersInUse = 0): LetterAssignment {
  const names = [...keywords.names];
  const letterBitByName = new Map<string, number>();
  const overflow: string[] = [];
  let added = false;
  for (const name of wanted) {
    assertKeywordName(name);
    let bit = letterBitOf({ names }, name);
    if (bit === 0) {
      const free = names.findIndex((held, index) => held === undefined && (lettersInUse & (1 << index)) === 0);
      if (free < 0) {
        if (!overflow.includes(name)) overflow.push(name);
        continue;
      }
      names[free] = name;
      bit = 1 << free;
      added = true;
    }
    letterBitByName.set(name, bit);
  }
  return { keywords: added ? { names } : keywords, letterBitByName, added, overflow };
}

/** Whether Dovecot could have such a keyword: 1..255 bytes, no space, no control character. */
export function isKeywordName(name: string): boolean {
  if (name.length === 0 || name.length > NAME_BYTES_MAX) return false;
  for (let i = 0; i < name.length; i++) {
    const byte = name.charCodeAt(i);
    if (byte <= 0x20 || byte === 0x7f || byte > 0xff) return false;
  }
  return true;
}

function assertKeywordName(name: string): void {
  if (isKeywordName(name)) return;
  throw maildirError(
    "keyword-name-invalid",
    `giving a letter to a keyword: "${displayRaw(name.slice(0, 80))}" cannot be one`,
  );
}

/** `control` is the mailbox directory, or its control directory. Throws: keywords-damaged, system errors. */
export function readKeywords(control: Dir): KeywordsFile {
  const file = control.openFile(KEYWORDS_FILE);
  if (file === undefined) return { keywords: NO_KEYWORDS, mtimeMs: 0, size: 0, ino: 0 };
  try {
    const { size, mtimeMs, ino } = file.stat;
    if (size > FILE_BYTES_MAX) {
      throw maildirError(
        "keywords-damaged",
        `reading dovecot-keywords of ${displayRaw(control.shownPath)}: it has ${size} bytes`,
        {
          sizeBytes: size,
        },
      );
    }
    const bytes = Buffer.alloc(size);
    let done = 0;
    for (let count = -1; count !== 0 && done < size; done += count) count = file.read(bytes.subarray(done), done);
    return { keywords: parseKeywords(bytes.subarray(0, done)), mtimeMs, size, ino };
  } finally {
    file.close();
  }
}

/** The mtime for a new file, in whole seconds: later than the old one's, or Dovecot would not read it. */
export function nextKeywordsMtimeS(nowMs: number, oldMtimeMs: number): number {
  return Math.max(Math.floor(nowMs / 1000), Math.floor(oldMtimeMs / 1000) + 1);
}

/** All letters that have a name. */
export function knownLetters(keywords: Keywords): number {
  return (
    keywords.names.reduce((bits, name, index) => (name === undefined ? bits : bits | (1 << index)), 0) & LETTERS_MASK
  );
}

function lowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
