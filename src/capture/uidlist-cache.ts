/**
 * Uidlists in memory, so that a change costs its own bytes: least recently used go first, by their bytes.
 */
import type { Dir } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { type UidlistRead, UidlistReader } from "../maildir/uidlist-reader.js";

interface CachedUidlist {
  readonly reader: UidlistReader;
  bytes: number;
  compared: Uidlist | undefined;
}

/** What a record costs in memory besides its line: columns and hash slots. */
const COLUMN_BYTES = 45;

export class UidlistCache {
  readonly #bytesMax: number;
  /** In the order of use, latest last. */
  readonly #byPath = new Map<RawPath, CachedUidlist>();
  #bytes = 0;
  /** Not to be evicted: the mailbox that is being examined. */
  #pinned: RawPath | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** As it is on disk now. Throws: uidlist-too-large, system errors. */
  read(path: RawPath, mailbox: Dir): UidlistRead {
    const cached = this.#byPath.get(path) ?? { reader: new UidlistReader(), bytes: 0, compared: undefined };
    this.#byPath.delete(path);
    this.#byPath.set(path, cached);
    const read = cached.reader.read(mailbox);
    const bytes = "uidlist" in read ? read.uidlist.byteLength + read.uidlist.count * COLUMN_BYTES : 0;
    this.#bytes += bytes - cached.bytes;
    cached.bytes = bytes;
    this.#evict(path);
    return read;
  }

  /** Half of the bound is free. */
  get hasRoom(): boolean {
    return this.#bytes * 2 < this.#bytesMax;
  }

  pin(path: RawPath): void {
    this.#pinned = path;
  }

  /** What the last whole look at the mailbox was made with; if it is another than the present, the file was rewritten. */
  compared(path: RawPath): Uidlist | undefined {
    return this.#byPath.get(path)?.compared;
  }

  setCompared(path: RawPath, uidlist: Uidlist): void {
    const cached = this.#byPath.get(path);
    if (cached !== undefined) cached.compared = uidlist;
  }

  forget(path: RawPath): void {
    this.#bytes -= this.#byPath.get(path)?.bytes ?? 0;
    this.#byPath.delete(path);
  }

  #evict(inUse: RawPath): void {
    for (const path of this.#byPath.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      if (path !== inUse && path !== this.#pinned) this.forget(path);
    }
  }
}
