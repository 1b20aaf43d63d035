/**
 * One mailbox as a listing has it, to be read page by page: which file each message has, in columns beside the uidlist. A Map of
 * half a million names would be most of a process's memory.
 */
import type { RawPath } from "../base/raw-name.js";
import { type BaseName, isBaseName, parseMailboxGuid, type Uid } from "../maildir/ids.js";
import { type Keywords, namesOfLetters, readKeywords } from "../maildir/keywords.js";
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
  readonly uids: readonly Uid[];
  /** Base names of files without a UID, ascending. */
  readonly unnumbered: readonly BaseName[];
  /** Where the file of a base name was. */
  readonly placeOf: (base: string) => Place | undefined;
}

export function readMailbox(
  dirs: MailboxDirs,
  path: RawPath,
): Reading | Extract<InventoryOutcome, { kind: "diverged" }> {
  const read = new UidlistReader().read(dirs.dir);
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
  };
}

/** By record: the directory, and what follows the base name. Few of these differ, and each is held once. */
class Places {
  readonly #uidlist: Uidlist | undefined;
  readonly #tails: (Tail | undefined)[];
  readonly #tailByText = new Map<string, Tail>();
  readonly #unnumbered = new Map<string, Place>();

  constructor(uidlist: Uidlist | undefined) {
    this.#uidlist = uidlist;
    this.#tails = new Array<Tail | undefined>(uidlist?.count ?? 0).fill(undefined);
  }

  set(base: string, place: Place): void {
    const index = this.#uidlist?.indexOfBase(base) ?? -1;
    if (index < 0) this.#unnumbered.set(base, place);
    else this.#tails[index] = this.#tailOf(place.dir, place.name.slice(base.length));
  }

  of(base: string): Place | undefined {
    const index = this.#uidlist?.indexOfBase(base) ?? -1;
    if (index < 0) return this.#unnumbered.get(base);
    const tail = this.#tails[index];
    return tail === undefined ? undefined : { dir: tail.dir, name: base + tail.info };
  }

  /** Records ascend by UID. */
  uids(): Uid[] {
    const uids: Uid[] = [];
    for (let index = 0; index < this.#tails.length; index++) {
      if (this.#tails[index] !== undefined && this.#uidlist !== undefined) uids.push(this.#uidlist.uidAt(index));
    }
    return uids;
  }

  unnumbered(): BaseName[] {
    return [...this.#unnumbered.keys()].filter(isBaseName).sort();
  }

  #tailOf(dir: Place["dir"], info: string): Tail {
    const text = `${dir}${info}`;
    const known = this.#tailByText.get(text);
    if (known !== undefined) return known;
    const tail = { dir, info: text.slice(dir.length) }; // of its own: a slice of the name would keep the whole name.
    this.#tailByText.set(text, tail);
    return tail;
  }
}

interface Tail {
  readonly dir: Place["dir"];
  /** ":2,S" */
  readonly info: string;
}

/** At most `max` of those above `afterUid`, which ascend. */
export function uidsAfter(uids: readonly Uid[], afterUid: number, max = uids.length): readonly Uid[] {
  let [low, high] = [0, uids.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((uids[middle] ?? 0) <= afterUid) low = middle + 1;
    else high = middle;
  }
  return uids.slice(low, low + max);
}

/** Empty for a file that went meanwhile. */
export function sizeAt(dirs: MailboxDirs, { placeOf }: Reading, base: BaseName): { base: BaseName; size: number }[] {
  const place = placeOf(base);
  const file = (place === undefined ? undefined : fileAt(dirs, place)) ?? guessFile(dirs, base, []);
  return file === undefined ? [] : [{ base, size: file.size }];
}

/** Empty for a message that went meanwhile. */
export function stateAt(dirs: MailboxDirs, { uidlist, placeOf, keywords }: Reading, uid: Uid): MessageState[] {
  if (uidlist === undefined) return [];
  const index = uidlist.indexOfUid(uid);
  const base = uidlist.baseAt(index);
  const place = placeOf(base);
  const file = place === undefined ? undefined : fileAt(dirs, place);
  const name = file === undefined ? undefined : parseMessageName(file.name);
  if (file === undefined || name === undefined || !isBaseName(base) || splitBaseName(file.name) !== base) return [];
  const { flags, letters, odd, tail } = name;
  const names = namesOfLetters(keywords, letters).names.sort((a, b) => (a < b ? -1 : 1));
  const fields = uidlist.fieldsAt(index);
  return [{ uid, base, flags, keywords: names, odd, tail, size: file.size, mtimeS: file.mtimeS, fields }];
}
