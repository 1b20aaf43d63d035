/**
 * One mailbox as a listing has it, to be read page by page: which file each message has, in columns beside the uidlist. A Map of
 * half a million names would be most of a process's memory.
 */
import { firstAbove } from "../base/ascending.js";
import type { RawPath } from "../base/raw-name.js";
import { type BaseName, isBaseName, parseMailboxGuid, parseUid, type Uid } from "../maildir/ids.js";
import { type Keywords, namesOfLetters, namesOfNameless, readKeywords } from "../maildir/keywords.js";
import { parseMessageName, splitBaseName } from "../maildir/message-name.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { UidlistReader } from "../maildir/uidlist-reader.js";
import type { MessageState } from "../txn/message-state.js";
import type { InventoryOutcome } from "./apply-types.js";
import { divergence } from "./divergence.js";
import { fileAt, guessFile, type Place, visitPlaces } from "./find-files.js";
import type { MailboxDirs } from "./mailbox-place.js";

/** Of a mailbox that has none yet, or whose uidlist cannot be read. */
export const NO_GUID = parseMailboxGuid("0".repeat(32));

export interface Reading {
  readonly path: RawPath;
  /** Undefined where none is yet. */
  readonly uidlist: Uidlist | undefined;
  readonly keywords: Keywords;
  /** Of messages that have a UID, ascending. */
  readonly uids: Uint32Array;
  /** Base names of files without a UID, ascending. */
  readonly unnumbered: readonly BaseName[];
  /** Where the file of a base name was. */
  readonly placeOf: (base: string) => Place | undefined;
  /** The same by the number of its record. */
  readonly tailOf: (index: number) => Tail | undefined;
  /** Keywords of these letters, those that only Dovecot has a name for among them; ascending. */
  readonly namesOf: (letters: number) => readonly string[];
  /** Where another file of a base name that has a record was, if there was one. */
  readonly secondOf: (base: string) => Place | undefined;
  /** Whether there was one of the base name of this record. */
  readonly mayHaveSecond: (index: number) => boolean;
}

/** `known`: its uidlist, if it was read just now: two of a large mailbox would be most of a process's memory. */
export function readMailbox(
  dirs: MailboxDirs,
  path: RawPath,
  known?: Uidlist,
): Reading | Extract<InventoryOutcome, { kind: "diverged" }> {
  const read = known === undefined ? new UidlistReader().read(dirs.dir) : { uidlist: known, kind: "same" as const };
  if (read.kind === "damaged" || read.kind === "unsupported") {
    const why = read.kind === "damaged" ? read.why : `its version is ${read.version}`;
    const line = read.kind === "damaged" ? read.line : 1;
    return { kind: "diverged", divergence: divergence({ kind: "uidlist-damaged", mailbox: NO_GUID, path, line, why }) };
  }
  const uidlist = "uidlist" in read ? read.uidlist : undefined;
  const places = new Places(uidlist);
  visitPlaces(dirs, (base, place) => places.set(base, place));
  const keywords = readKeywords(dirs.dir).keywords;
  return {
    path,
    uidlist,
    keywords,
    uids: places.uids(),
    unnumbered: places.unnumbered(),
    placeOf: (it) => places.of(it),
    tailOf: (index) => places.tailOf(index),
    namesOf: (letters) => allNames(keywords, letters),
    secondOf: (it) => places.secondOf(it),
    mayHaveSecond: (index) => places.mayHaveSecond(index),
  };
}

/** By record: the directory, and what follows the base name. Few of these differ, and each is held once. */
class Places {
  readonly #uidlist: Uidlist | undefined;
  /** By record: 0 = not listed; else the number of its tail. Records that come later are none of this listing. */
  readonly #numbers: Uint32Array;
  readonly #tails: Tail[] = [NO_TAIL];
  readonly #numberByText = new Map<string, number>();
  readonly #unnumbered = new Map<string, Place>();
  /** The same of names that were listed before another one of their base name; a few, as a rule. */
  readonly #seconds = new Map<number, number>();

  constructor(uidlist: Uidlist | undefined) {
    this.#uidlist = uidlist;
    this.#numbers = new Uint32Array(uidlist?.count ?? 0);
  }

  set(base: string, place: Place): void {
    const index = this.#indexOf(base);
    if (index < 0) {
      this.#unnumbered.set(base, place);
      return;
    }
    const [before, number] = [this.#numbers[index], this.#numberOf(place.dir, place.name.slice(base.length))];
    if (before !== 0 && before !== undefined && before !== number) this.#seconds.set(index, before);
    this.#numbers[index] = number;
  }

  secondOf(base: string): Place | undefined {
    const number = this.#seconds.get(this.#indexOf(base)) ?? 0;
    return this.#placeAt(number, base);
  }

  mayHaveSecond(index: number): boolean {
    return this.#seconds.has(index);
  }

  of(base: string): Place | undefined {
    const index = this.#indexOf(base);
    if (index < 0) return this.#unnumbered.get(base);
    return this.#placeAt(this.#numbers[index] as number, base);
  }

  tailOf(index: number): Tail | undefined {
    const tail = this.#tails[this.#numbers[index] ?? 0];
    return tail === NO_TAIL ? undefined : tail;
  }

  #placeAt(number: number, base: string): Place | undefined {
    const tail = this.#tails[number];
    return tail === undefined || tail === NO_TAIL ? undefined : { dir: tail.dir, name: base + tail.info };
  }

  /** Records ascend by UID. */
  uids(): Uint32Array {
    const uids = new Uint32Array(this.#numbers.length);
    let count = 0;
    for (let index = 0; index < this.#numbers.length; index++) {
      if (this.#numbers[index] !== 0 && this.#uidlist !== undefined) uids[count++] = this.#uidlist.uidAt(index);
    }
    return count === uids.length ? uids : uids.slice(0, count);
  }

  unnumbered(): BaseName[] {
    return [...this.#unnumbered.keys()].filter(isBaseName).sort();
  }

  /** -1 for what had no record when it was listed. */
  #indexOf(base: string): number {
    const index = this.#uidlist?.indexOfBase(base) ?? -1;
    return index < this.#numbers.length ? index : -1;
  }

  #numberOf(dir: Place["dir"], info: string): number {
    const text = `${dir}${info}`;
    const known = this.#numberByText.get(text);
    if (known !== undefined) return known;
    const { letters = 0 } = parseMessageName(`m${info}`) ?? {};
    // Of its own: a slice of the name would keep the whole name.
    const number = this.#tails.push({ dir, info: text.slice(dir.length), letters }) - 1;
    this.#numberByText.set(text, number);
    return number;
  }
}

/** Where a message is, but for its base name. */
export interface Tail {
  readonly dir: Place["dir"];
  /** ":2,S" */
  readonly info: string;
  /** Bit set of its keyword letters. */
  readonly letters: number;
}

const NO_TAIL: Tail = { dir: "cur", info: "", letters: 0 };

/** At most `max` of those above `afterUid`, which ascend. */
export function uidsAfter(uids: Uint32Array, afterUid: number, max: number): readonly Uid[] {
  const first = firstAbove(uids, afterUid);
  return Array.from(uids.subarray(first, first + max), parseUid);
}

/** Empty for a file that went meanwhile. */
export function sizeAt(dirs: MailboxDirs, { placeOf }: Reading, base: BaseName): { base: BaseName; size: number }[] {
  const place = placeOf(base);
  const file = (place === undefined ? undefined : fileAt(dirs, place)) ?? guessFile(dirs, base, []);
  return file === undefined ? [] : [{ base, size: file.size }];
}

/** Empty for a message that went meanwhile. `nameless`: keywords that only Dovecot has a name for count, too. */
export function stateAt(
  dirs: MailboxDirs,
  { uidlist, placeOf, keywords }: Reading,
  uid: Uid,
  nameless = false,
): MessageState[] {
  if (uidlist === undefined) return [];
  const index = uidlist.indexOfUid(uid);
  const base = uidlist.baseAt(index);
  const place = placeOf(base);
  const file = place === undefined ? undefined : fileAt(dirs, place);
  const name = file === undefined ? undefined : parseMessageName(file.name);
  if (file === undefined || name === undefined || !isBaseName(base) || splitBaseName(file.name) !== base) return [];
  const { flags, letters, odd, tail } = name;
  const names = nameless ? allNames(keywords, letters) : namesOfLetters(keywords, letters).names.sort(byBytes);
  const fields = uidlist.fieldsAt(index);
  return [{ uid, base, flags, keywords: names, odd, tail, size: file.size, mtimeS: file.mtimeS, fields }];
}

function allNames(keywords: Keywords, letters: number): string[] {
  const { names, unknown } = namesOfLetters(keywords, letters);
  return [...new Set([...names, ...namesOfNameless(unknown)])].sort(byBytes);
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : 1;
}
