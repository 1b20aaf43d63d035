/**
 * Reads message bodies for transfer: small ones many at a time, large ones in parts.
 *
 * INVARIANT: bytes are handed out only if the file's size was the same before and after they were read.
 * INVARIANT: a failure of one body is that body's outcome; the others of the call are read all the same.
 */

import { assert } from "../base/assert.js";
import type { ReadFile } from "../base/disk.js";
import { openSha256, type Sha256Stream, sha256 } from "../base/hash.js";
import { displayRaw, isRawName, type RawPath } from "../base/raw-name.js";
import { releaseSlabs, SlabPool } from "../base/slab-pool.js";
import type { StateReader } from "../log/state-ports.js";
import type { BaseName } from "../maildir/ids.js";
import { visitMessages } from "../maildir/listing.js";
import { splitBaseName } from "../maildir/message-name.js";
import {
  BODY_BATCH_BYTES_MAX,
  BODY_OPEN_MAX,
  BODY_PART_BYTES_MAX,
  BODY_SMALL_BYTES_MAX,
  type BodyItem,
  type BodyMethods,
  type BodyRead,
  type CloseLargeOutcome,
  type OpenLargeOutcome,
  type OpenLargeRequest,
  type ReadManyRequest,
  type ReadPartRequest,
} from "./body-types.js";
import type { FreshBody, HintedName } from "./capture-types.js";
import { captureError, problemOf } from "./errors.js";
import { likelyPlaces } from "./find-files.js";
import { type InfoHint, infoHintsOf } from "./info-hints.js";
import { closeMailbox, hasVanished, type MailboxDirs, openMailbox, type StorePlace } from "./open-mailbox.js";

type HintState = Pick<StateReader, "mailboxByGuid" | "chunk">;

const SLABS_MAX = 24;
const SHARED_BYTES_MIN = 256 * 1024;

interface LargeBody {
  readonly file: ReadFile;
  readonly hash: Sha256Stream;
  /** Bytes hashed so far: those from the start, without a gap. */
  hashedBytes: number;
}

/** One store's bodies. Synchronous; meant for a worker thread, usable anywhere. */
export class BodyReader implements Omit<BodyMethods, "open"> {
  readonly #place: StorePlace;
  readonly #state: HintState | undefined;
  readonly #slabs = new SlabPool({ slabBytes: BODY_BATCH_BYTES_MAX, slabsMax: SLABS_MAX });
  readonly #large = new Map<number, LargeBody>();
  #lastHandle = 0;

  /** `state`: knows the present file names; without it they are looked for. */
  constructor(place: StorePlace, state?: HintState) {
    this.#place = place;
    this.#state = state;
  }

  /** In the order of the items. The mailbox is listed at most once. Throws: store-missing, store-unreadable. */
  readMany({ mailbox, mailboxPath, items, bytesMax }: ReadManyRequest): readonly BodyRead[] {
    const dirs = openMailbox(this.#place, mailboxPath);
    if (dirs === undefined) return items.map(({ index }) => ({ index, kind: "gone" }));
    try {
      const search = new FileSearch(dirs, items, infoHintsOf(this.#state, mailbox));
      const batch = new Batch(this.#memoryFor(items, bytesMax));
      let leftBytes = bytesMax;
      let isFirst = true;
      const reads = items.map((item): BodyRead => {
        if (!isFirst && leftBytes <= 0) return { index: item.index, kind: "later" };
        try {
          const read = readSmall(search, item, batch, isFirst ? BODY_SMALL_BYTES_MAX : leftBytes);
          if (read.kind === "body") {
            leftBytes -= read.bytes.length;
            isFirst = false;
          } else if (read.kind === "later") leftBytes = 0; // keeps the order: nothing overtakes.
          return read;
        } catch (error) {
          return { index: item.index, kind: "problem", problem: problemOf(mailboxPath, error) };
        }
      });
      batch.releaseUnused();
      return reads;
    } finally {
      closeMailbox(dirs);
    }
  }

  /** Small ones that are where new mail is; the others are left out. Throws: store-missing, store-unreadable. */
  readFresh({ mailboxPath, items }: Pick<ReadManyRequest, "mailboxPath" | "items">): readonly FreshBody[] {
    const dirs = openMailbox(this.#place, mailboxPath);
    if (dirs === undefined) return [];
    try {
      const search = new FileSearch(dirs, undefined, () => undefined);
      return items.flatMap((item) => {
        const read = freshOrNothing(search, item, mailboxPath);
        return read?.kind === "body"
          ? [{ uid: item.uid, base: item.base, bytes: read.bytes, sha256: read.sha256 }]
          : [];
      });
    } finally {
      closeMailbox(dirs);
    }
  }

  /** The file stays readable even if the message is expunged meanwhile. Throws: store-missing, store-unreadable, system errors. */
  openLarge({ mailbox, mailboxPath, uid, base }: OpenLargeRequest): OpenLargeOutcome {
    assert(this.#large.size < BODY_OPEN_MAX, "too many large bodies are open");
    const dirs = openMailbox(this.#place, mailboxPath);
    if (dirs === undefined) return { kind: "gone" };
    try {
      const file = new FileSearch(dirs, [{ base }], infoHintsOf(this.#state, mailbox)).open({ uid, base });
      if (file === undefined) return { kind: "gone" };
      this.#lastHandle += 1;
      this.#large.set(this.#lastHandle, { file, hash: openSha256(), hashedBytes: 0 });
      const { size, mtimeMs } = file.stat;
      return { kind: "open", handle: this.#lastHandle, sizeBytes: size, mtimeS: Math.floor(mtimeMs / 1000) };
    } finally {
      closeMailbox(dirs);
    }
  }

  /** Parts may be read in any order; only bytes that continue what was read before are hashed. Throws: body-changed. */
  readPart({ handle, offset, length }: ReadPartRequest): Uint8Array<ArrayBuffer> {
    assert(length > 0 && length <= BODY_PART_BYTES_MAX, "a part is 1 byte to BODY_PART_BYTES_MAX");
    const body = this.#openBody(handle);
    const wanted = Math.max(0, Math.min(length, body.file.stat.size - offset));
    const bytes = readExactly(body.file, offset, wanted);
    if (offset <= body.hashedBytes && offset + wanted > body.hashedBytes) {
      body.hash.update(bytes.subarray(body.hashedBytes - offset));
      body.hashedBytes = offset + wanted;
    }
    return bytes;
  }

  closeLarge({ handle }: { readonly handle: number }): CloseLargeOutcome {
    const { file, hash, hashedBytes } = this.#openBody(handle);
    this.#large.delete(handle);
    const isWhole = hashedBytes === file.stat.size && file.statNow().size === file.stat.size;
    file.close();
    return isWhole ? { sha256: hash.digest().toString("hex"), readBytes: hashedBytes } : { readBytes: hashedBytes };
  }

  /** A batch worth the trouble is read into shared memory; a single mail is not. */
  #memoryFor(items: readonly BodyItem[], bytesMax: number): Uint8Array {
    const bytes = Math.min(
      bytesMax,
      items.reduce((sum, item) => sum + item.sizeBytes, 0),
    );
    const shared = bytes >= SHARED_BYTES_MIN && bytes <= BODY_BATCH_BYTES_MAX ? this.#slabs.take() : undefined;
    return shared ?? new Uint8Array(bytes);
  }

  #openBody(handle: number): LargeBody {
    const body = this.#large.get(handle);
    assert(body !== undefined, "no such open body");
    return body;
  }
}

/** Whoever wants it nevertheless hears why it cannot be read. */
function freshOrNothing(search: FileSearch, item: BodyItem, mailboxPath: RawPath): BodyRead | undefined {
  try {
    return readSmall(search, item, new Batch(new Uint8Array(item.sizeBytes)), item.sizeBytes);
  } catch (error) {
    problemOf(mailboxPath, error); // throws a defect.
    return undefined;
  }
}

function readSmall(search: FileSearch, item: BodyItem, batch: Batch, leftBytes: number): BodyRead {
  const { index, base } = item;
  const file = search.open(item);
  if (file === undefined) return { index, kind: "gone" };
  try {
    const sizeBytes = file.stat.size;
    if (sizeBytes > BODY_SMALL_BYTES_MAX) return { index, kind: "large", sizeBytes };
    if (sizeBytes > leftBytes) return { index, kind: "later" };
    const bytes = readInto(batch.take(sizeBytes), file, 0);
    if (file.statNow().size !== sizeBytes) throw changed(base, sizeBytes);
    return { index, kind: "body", bytes, sha256: sha256(bytes).toString("hex") };
  } finally {
    file.close();
  }
}

/** In a buffer of its own, so that it can be transferred to another thread. Throws: body-changed when it is shorter. */
function readExactly(file: ReadFile, offset: number, length: number): Uint8Array<ArrayBuffer> {
  return readInto(new Uint8Array(length), file, offset);
}

function readInto<B extends Uint8Array>(bytes: B, file: ReadFile, offset: number): B {
  let done = 0;
  while (done < bytes.length) {
    const count = file.read(done === 0 ? bytes : bytes.subarray(done), offset + done);
    if (count === 0) throw changed("", file.stat.size);
    done += count;
  }
  return bytes;
}

/** One buffer for the bodies of a call, a shared one if there is one to be had. */
class Batch {
  readonly #bytes: Uint8Array;
  #used = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Gives shared memory back when nothing was read into it: nobody else will. */
  releaseUnused(): void {
    if (this.#used === 0) releaseSlabs([this.#bytes]);
  }

  /** A file that has grown since its size was noted gets a buffer of its own. */
  take(length: number): Uint8Array {
    if (this.#used + length > this.#bytes.length) return new Uint8Array(length);
    const bytes = this.#bytes.subarray(this.#used, this.#used + length);
    this.#used += length;
    return bytes;
  }
}

function changed(base: string, sizeBytes: number): Error {
  return captureError(
    "body-changed",
    `reading the message file ${displayRaw(base)}: it no longer has ${sizeBytes} bytes`,
  );
}

/** Opens files by base name: by likely names, then by one listing for all items of a call. */
class FileSearch {
  readonly #dirs: MailboxDirs;
  readonly #wanted: ReadonlySet<string> | undefined;
  readonly #hint: InfoHint;
  #placesByBase: Map<string, HintedName> | undefined;

  /** `items`: all that will be looked for; undefined: the mailbox is not to be listed. */
  constructor(dirs: MailboxDirs, items: readonly { readonly base: BaseName }[] | undefined, hint: InfoHint) {
    this.#dirs = dirs;
    this.#hint = hint;
    this.#wanted = items === undefined ? undefined : new Set(items.map(({ base }) => base));
  }

  open({ uid, base, isFresh = false }: Pick<BodyItem, "uid" | "base" | "isFresh">): ReadFile | undefined {
    const fresh = isFresh ? this.#openAt({ dir: "new", name: base }) : undefined;
    if (fresh !== undefined) return fresh;
    for (const place of likelyPlaces(base, this.#hint(uid))) {
      const file = this.#openAt(place);
      if (file !== undefined) return file;
    }
    if (this.#wanted === undefined) return undefined;
    this.#placesByBase ??= this.#list();
    const listed = this.#placesByBase.get(base);
    const file = listed === undefined ? undefined : this.#openAt(listed);
    if (file !== undefined || listed === undefined) return file;
    this.#placesByBase = this.#list(); // its flags changed since the listing; one more look.
    const place = this.#placesByBase.get(base);
    return place === undefined ? undefined : this.#openAt(place);
  }

  #openAt({ dir, name }: HintedName): ReadFile | undefined {
    if (!isRawName(name)) return undefined;
    return (dir === "cur" ? this.#dirs.cur : this.#dirs.fresh)?.openFile(name);
  }

  /** Of a mailbox that is deleted meanwhile what it still finds: that is no failure of its messages, and the log will tell of it. */
  #list(): Map<string, HintedName> {
    const found = new Map<string, HintedName>();
    try {
      visitMessages(this.#dirs.mailbox, (name, dir) => {
        const base = splitBaseName(name);
        if (this.#wanted?.has(base) === true) found.set(base, { dir, name });
      });
    } catch (error) {
      if (!hasVanished(error)) throw error;
    }
    return found;
  }
}
