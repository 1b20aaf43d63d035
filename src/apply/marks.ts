/**
 * From the marks of a transaction (keyword names) to the marks of a file name here (letters), and back.
 *
 * INVARIANT: a letter that was ever given to a keyword is never given to another: open sessions would not see it.
 * Letters that the keywords file does not explain stay in the name: they are some client's, and not ours to judge; but for a comparison,
 * which names them as Dovecot does and takes them away.
 */
import { KEYWORDS_MAX, namelessLetter } from "../maildir/keywords.js";
import { formatInfo, LETTERS_MASK, parseMessageName } from "../maildir/message-name.js";
import type { MessageMarks } from "../txn/message-state.js";
import type { KeywordTable } from "./mailbox-view.js";

/** The marks as a file name has them. */
export interface NameMarks {
  readonly flags: number;
  readonly letters: number;
  readonly odd: string;
  readonly tail: string;
}

export const NO_NAME_MARKS: NameMarks = { flags: 0, letters: 0, odd: "", tail: "" };

/** A keywords file that may grow while a plan is made. */
export class KeywordDraft {
  readonly #names: (string | undefined)[];
  readonly #letterByName = new Map<string, number>();
  #grown = false;
  /** Names that found no letter any more. */
  readonly refused = new Set<string>();

  constructor(table: KeywordTable) {
    this.#names = table.slice(0, KEYWORDS_MAX);
    for (const [letter, name] of this.#names.entries()) {
      if (name !== undefined && !this.#letterByName.has(folded(name))) this.#letterByName.set(folded(name), letter);
    }
  }

  /** Undefined when nothing was added. */
  get grownTable(): KeywordTable | undefined {
    return this.#grown ? this.#names : undefined;
  }

  /** Bit set of the names' letters. A name without one gets the next free letter, or none when all are taken. */
  lettersFor(names: readonly string[]): number {
    let letters = 0;
    for (const name of names) {
      const letter = this.#letterByName.get(folded(name)) ?? this.#give(name);
      if (letter !== undefined) letters |= 1 << letter;
    }
    return letters;
  }

  /** As above without giving any out: for keywords that are taken away, also those that only Dovecot has a name for. */
  knownLetters(names: readonly string[]): number {
    let letters = 0;
    for (const name of names) {
      const letter = this.#letterByName.get(folded(name)) ?? this.#namelessOf(name);
      if (letter !== undefined) letters |= 1 << letter;
    }
    return letters;
  }

  /** Names of letters, ascending; letters without a name are left out. */
  namesOf(letters: number): string[] {
    const names: string[] = [];
    if (letters === 0) return names; // so it is with nearly every message.
    for (let letter = 0; letter < KEYWORDS_MAX; letter++) {
      const name = this.#names[letter];
      if ((letters & (1 << letter)) !== 0 && name !== undefined) names.push(name);
    }
    return names.sort(compareBytes);
  }

  unexplained(letters: number): number {
    let left = letters & LETTERS_MASK;
    for (let letter = 0; left !== 0 && letter < KEYWORDS_MAX; letter++) {
      if (this.#names[letter] !== undefined) left &= ~(1 << letter);
    }
    return left;
  }

  #namelessOf(name: string): number | undefined {
    const letter = namelessLetter(name);
    return letter === undefined || this.#names[letter] !== undefined ? undefined : letter;
  }

  #give(name: string): number | undefined {
    // "Next" and not "first": an index in the middle that is free now may have been used before.
    let letter = 0;
    for (let i = 0; i < KEYWORDS_MAX; i++) if (this.#names[i] !== undefined) letter = i + 1;
    if (letter >= KEYWORDS_MAX) {
      this.refused.add(name);
      return undefined;
    }
    this.#names[letter] = name;
    this.#letterByName.set(folded(name), letter);
    this.#grown = true;
    return letter;
  }
}

/** IMAP compares keywords without regard to ASCII case. */
function folded(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The source's marks, as they are; letters in `present` that nobody explains are kept. */
export function marksFromSource(marks: MessageMarks, present: NameMarks, keywords: KeywordDraft): NameMarks {
  const letters = keywords.lettersFor(marks.keywords) | keywords.unexplained(present.letters);
  return { flags: marks.flags, letters, odd: marks.odd, tail: marks.tail };
}

/** Only what differs between `before` and `after`; every other mark stays as the replica has it. */
export function changedMarks(
  present: NameMarks,
  { before, after }: { readonly before: MessageMarks; readonly after: MessageMarks },
  keywords: KeywordDraft,
): NameMarks {
  const touched = before.flags ^ after.flags;
  const [had, has] = [new Set(before.keywords), new Set(after.keywords)];
  const added = keywords.lettersFor(after.keywords.filter((name) => !had.has(name)));
  const removed = keywords.knownLetters(before.keywords.filter((name) => !has.has(name)));
  return {
    flags: (present.flags & ~touched) | (after.flags & touched),
    letters: (present.letters & ~removed) | added,
    odd: before.odd === after.odd ? present.odd : after.odd,
    tail: before.tail === after.tail ? present.tail : after.tail,
  };
}

export function sameNameMarks(a: NameMarks, b: NameMarks): boolean {
  return a.flags === b.flags && a.letters === b.letters && a.odd === b.odd && a.tail === b.tail;
}

/** ":2,FSab": for the baseline, and to guess names. */
export function infoOf(marks: NameMarks): string {
  return formatInfo(marks);
}

/** Of what follows a base name (":2,FS"), or "". */
export function marksOfInfo(info: string): NameMarks {
  return parseMessageName(`m${info}`) ?? NO_NAME_MARKS;
}
