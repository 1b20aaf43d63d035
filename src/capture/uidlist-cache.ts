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
    let isReadable = false;
    try {
      const read = cached.reader.read(mailbox);
      isReadable = read.kind !== "damaged" && read.kind !== "unsupported";
      return read;
    } finally {
      if (!isReadable) cached.compared = undefined; // else a damaged one would keep its predecessor in memory, and out of the bound.
      this.#count(cached);
      this.#evict(path);
    }
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
    if (cached === undefined) return;
    cached.compared = uidlist;
    this.#count(cached);
  }

  forget(path: RawPath): void {
    this.#bytes -= this.#byPath.get(path)?.bytes ?? 0;
    this.#byPath.delete(path);
  }

  /** A rewritten uidlist is kept beside its predecessor until the mailbox was looked at with it. */
  #count(cached: CachedUidlist): void {
    const { reader, compared } = cached;
    const before = compared === undefined || reader.holds(compared) ? 0 : compared.heldBytes;
    const bytes = reader.heldBytes + before;
    this.#bytes += bytes - cached.bytes;
    cached.bytes = bytes;
  }

  #evict(inUse: RawPath): void {
    for (const path of this.#byPath.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      if (path !== inUse && path !== this.#pinned) this.forget(path);
    }
  }
}
