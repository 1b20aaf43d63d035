/**
 * Follows the uidlist of one mailbox cheaply: nothing new costs one stat, an append costs its own bytes.
 *
 * Like Dovecot: another inode = read all, the same inode but longer = read on from the old end. Unlike Dovecot, which
 * keeps the file open, we hold no descriptor per mailbox, and the kernel may give a freed inode number to the next
 * rewrite. So "the same" also needs equal times, and "longer" needs an equal header and an equal end of the known part.
 */
import type { Dir, FileStat, ReadFile } from "../base/disk.js";
import { displayRaw } from "../base/raw-name.js";
import { maildirError } from "./errors.js";
import { UIDLIST_FILE } from "./mailbox-files.js";
import {
  parseUidlist,
  UIDLIST_BYTES_MAX,
  type Uidlist,
  type UidlistDamage,
  type UidlistParse,
  withRoom,
} from "./uidlist.js";

export type UidlistRead =
  | { readonly kind: "absent" }
  | { readonly kind: "same"; readonly uidlist: Uidlist; readonly stat: FileStat }
  /** Records from `firstNewIndex` on are new; those before kept their indexes. It is the same object as before. */
  | { readonly kind: "grown"; readonly uidlist: Uidlist; readonly firstNewIndex: number; readonly stat: FileStat }
  | { readonly kind: "replaced"; readonly uidlist: Uidlist; readonly stat: FileStat }
  | UidlistDamage
  | { readonly kind: "unsupported"; readonly version: number };

/** A reader that is overtaken by rewrites this often returns what it read last: whole, but perhaps not the newest. */
const ATTEMPTS_MAX = 4;
/** How much of the end of the known part must be unchanged for the rest to count as an append. */
const TAIL_BYTES = 4096;

export class UidlistReader {
  #known: { readonly uidlist: Uidlist; readonly stat: FileStat } | undefined;

  /**
   * The uidlist as it is now. `control` is the mailbox directory, or its control directory. With the lock held the
   * answer is the newest; without it, it is what the file was at some moment during the call.
   * Throws: uidlist-too-large, system errors.
   */
  read(control: Dir): UidlistRead {
    for (let attempt = 1; ; attempt++) {
      const before = control.stat(UIDLIST_FILE);
      if (before !== undefined && this.#known !== undefined && isUnchanged(this.#known.stat, before)) {
        return { kind: "same", ...this.#known };
      }
      const result = this.#readOpened(control);
      const after = control.stat(UIDLIST_FILE);
      if (isSameFile(result.stat, after) || attempt === ATTEMPTS_MAX) return this.#keep(result);
      // Replaced meanwhile. The known uidlist may have been extended without the caller hearing of it: start afresh.
      if (result.read.kind === "grown") this.forget();
    }
  }

  /** What the known uidlist costs in memory; 0 for none. */
  get heldBytes(): number {
    return this.#known?.uidlist.heldBytes ?? 0;
  }

  /** Whether that is the known uidlist. */
  holds(uidlist: Uidlist): boolean {
    return this.#known?.uidlist === uidlist;
  }

  /** Forgets what it knows; the next read is a whole one. */
  forget(): void {
    this.#known = undefined;
  }

  #keep({ read, stat }: Reading): UidlistRead {
    const hasUidlist = read.kind === "same" || read.kind === "grown" || read.kind === "replaced";
    this.#known = hasUidlist && stat !== undefined ? { uidlist: read.uidlist, stat } : undefined;
    return read;
  }

  #readOpened(control: Dir): Reading {
    const file = control.openFile(UIDLIST_FILE);
    if (file === undefined) return { read: { kind: "absent" }, stat: undefined };
    try {
      if (file.stat.size > UIDLIST_BYTES_MAX) {
        this.forget(); // of a file that cannot be read nothing is kept.
        throw maildirError(
          "uidlist-too-large",
          `reading dovecot-uidlist of ${displayRaw(control.shownPath)}: ${file.stat.size} bytes`,
          {
            sizeBytes: file.stat.size,
          },
        );
      }
      return { read: this.#readAppended(file) ?? this.#readWhole(file), stat: file.stat };
    } finally {
      file.close();
    }
  }

  /** Undefined when it is not the known file with something appended. */
  #readAppended(file: ReadFile): UidlistRead | undefined {
    const known = this.#known;
    const { stat } = file;
    if (known === undefined || !isSameFile(known.stat, stat) || stat.size <= known.stat.size) return undefined;
    const { uidlist } = known;
    const header = readRange(file, 0, uidlist.headerBytes);
    if (!header.equals(uidlist.rawWhole().subarray(0, uidlist.headerBytes))) return undefined;
    const tail = uidlist.rawTail(TAIL_BYTES);
    const tailStart = uidlist.byteLength - tail.length;
    const bytes = readRange(file, tailStart, stat.size - tailStart);
    if (!bytes.subarray(0, tail.length).equals(tail)) return undefined;
    const extension = uidlist.extend(bytes.subarray(tail.length));
    if (extension.kind === "damaged") return extension;
    return { kind: "grown", uidlist, firstNewIndex: extension.firstNewIndex, stat };
  }

  #readWhole(file: ReadFile): UidlistRead {
    const { stat } = file;
    const buffer = Buffer.allocUnsafeSlow(withRoom(stat.size));
    const bytes = readInto(file, 0, buffer.subarray(0, stat.size));
    const uidlist = this.#known?.uidlist;
    if (uidlist?.endsWithNewline === true && bytes.equals(uidlist.rawWhole())) return { kind: "same", uidlist, stat };
    const parse: UidlistParse = parseUidlist(buffer, bytes.length);
    return parse.kind === "ok" ? { kind: "replaced", uidlist: parse.uidlist, stat } : parse;
  }
}

interface Reading {
  readonly read: UidlistRead;
  readonly stat: FileStat | undefined;
}

function isSameFile(known: FileStat | undefined, now: FileStat | undefined): boolean {
  return known?.ino === now?.ino && known?.dev === now?.dev;
}

function isUnchanged(known: FileStat, now: FileStat): boolean {
  return (
    isSameFile(known, now) && known.size === now.size && known.mtimeMs === now.mtimeMs && known.ctimeMs === now.ctimeMs
  );
}

function readRange(file: ReadFile, position: number, length: number): Buffer {
  return readInto(file, position, Buffer.allocUnsafeSlow(length));
}

/** Shorter than asked if the file is. */
function readInto(file: ReadFile, position: number, bytes: Buffer): Buffer {
  let done = 0;
  while (done < bytes.length) {
    const count = file.read(bytes.subarray(done), position + done);
    if (count === 0) return bytes.subarray(0, done);
    done += count;
  }
  return bytes;
}
