/**
 * When keyword letters may be read, and what they mean (R15).
 *
 * Dovecot renames a message to its new letter before it writes dovecot-keywords, both under the lock. So names that were
 * read while the lock existed wait until it has gone; a lock that never changes is not waited for for ever.
 *
 * INVARIANT: the keywords file is read after the lock was seen absent, which is after the file names were read.
 * A letter that has had a name keeps it here even if the file is lost; a letter without a name carries no keyword.
 */
import type { Dir } from "../base/disk.js";
import { isKeywordName, type Keywords, type KeywordsFile, namesOfLetters, readKeywords } from "../maildir/keywords.js";
import { UIDLIST_LOCK_FILE } from "../maildir/mailbox-files.js";
import { parseMessageName } from "../maildir/message-name.js";

export class KeywordLetters {
  #known: Keywords | undefined;
  #file: Omit<KeywordsFile, "keywords"> | undefined;
  /** Letters that were met without a name. */
  #unnamed = 0;
  #lock: { readonly ino: number; readonly sinceMs: number } | undefined;

  /** Whether a change may be in the middle of being made. */
  isHeldBack(control: Dir, nowMs: number, waitMsMax: number): boolean {
    const lock = control.stat(UIDLIST_LOCK_FILE);
    if (lock === undefined) {
      this.#lock = undefined;
      return false;
    }
    if (this.#lock?.ino !== lock.ino) this.#lock = { ino: lock.ino, sinceMs: nowMs };
    return nowMs - this.#lock.sinceMs <= waitMsMax;
  }

  /**
   * Looks at dovecot-keywords. True when a letter that the baseline may use has another meaning than before (its name
   * was reassigned, or came late), so that every message with letters has to be compared. `trusted`: the file has not
   * changed since a baseline whose names are right. Throws: keywords-damaged.
   */
  refresh(control: Dir, trusted: (file: KeywordsFile) => boolean): boolean {
    const file = readKeywords(control);
    const { mtimeMs, size, ino } = file;
    const isSame = this.#file?.mtimeMs === mtimeMs && this.#file.size === size && this.#file.ino === ino;
    if (isSame && this.#known !== undefined) return false;
    this.#file = { mtimeMs, size, ino };
    const before = this.#known;
    this.#known = { names: file.keywords.names.map((name, index) => name ?? before?.names[index]) };
    if (before === undefined) return !trusted(file) && file.keywords.names.some((name) => name !== undefined);
    return file.keywords.names.some((name, index) => {
      if (name === undefined) return false;
      const wasUnnamed = (this.#unnamed & (1 << index)) !== 0;
      const old = before.names[index];
      return old === undefined ? wasUnnamed : old !== name;
    });
  }

  /** Names of a set of letters, ascending; `complete` is false when some letter has no name. Call `refresh` before. */
  namesOf(letters: number): { readonly names: readonly string[]; readonly complete: boolean } {
    if (this.#known === undefined) return { names: [], complete: letters === 0 };
    const { names, unknown } = namesOfLetters(this.#known, letters);
    this.#unnamed |= unknown;
    const usable = [...new Set(names)].filter(isKeywordName).sort((a, b) => (a < b ? -1 : 1));
    return { names: usable, complete: unknown === 0 };
  }
}

/** The keyword letters in a file name. */
export function lettersOf(name: string): number {
  return name.includes(":") ? (parseMessageName(name)?.letters ?? 0) : 0;
}
