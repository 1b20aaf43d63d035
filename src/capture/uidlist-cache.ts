/**
 * Uidlists in memory, so that a change costs its own bytes: least recently used go first, by their bytes.
 */
import type { Dir } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import { type UidlistRead, UidlistReader } from "../maildir/uidlist-reader.js";

interface CachedUidlist {
  readonly reader: UidlistReader;
  bytes: number;
}

/** What a record costs in memory besides its line: columns and hash slots. */
const COLUMN_BYTES = 45;

export class UidlistCache {
  readonly #bytesMax: number;
  /** In the order of use, latest last. */
  readonly #byPath = new Map<RawPath, CachedUidlist>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** As it is on disk now. Throws: uidlist-too-large, system errors. */
  read(path: RawPath, mailbox: Dir): UidlistRead {
    const cached = this.#byPath.get(path) ?? { reader: new UidlistReader(), bytes: 0 };
    this.#byPath.delete(path);
    this.#byPath.set(path, cached);
    const read = cached.reader.read(mailbox);
    const bytes = "uidlist" in read ? read.uidlist.byteLength + read.uidlist.count * COLUMN_BYTES : 0;
    this.#bytes += bytes - cached.bytes;
    cached.bytes = bytes;
    this.#evict(path);
    return read;
  }

  forget(path: RawPath): void {
    this.#bytes -= this.#byPath.get(path)?.bytes ?? 0;
    this.#byPath.delete(path);
  }

  #evict(inUse: RawPath): void {
    for (const path of this.#byPath.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      if (path !== inUse) this.forget(path);
    }
  }
}
