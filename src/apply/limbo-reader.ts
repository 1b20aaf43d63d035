/**
 * Reads what is in the limbo for whoever is to have it back, in a thread of its own (limbo-worker.ts): nobody waits for that.
 *
 * INVARIANT: nothing is written, no link is followed, and nothing is opened but by a name of ours in the directory of a day, and in a
 * mailbox there but in cur/ and new/.
 */
import type { Dir, Disk, ReadFile } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { type PartRange, readInTurn, readRange } from "../base/file-parts.js";
import { openSha256, type Sha256Stream } from "../base/hash.js";
import { openBelow } from "../base/open-below.js";
import { isRawName, type RawName } from "../base/raw-name.js";
import { CUR, NEW } from "../maildir/mailbox-files.js";
import type { LimboFile, LimboFilesPage, LimboPart } from "../wire/limbo.js";
import { PARTS_BYTES_MAX } from "../wire/sums.js";
import { openScratch } from "./limbo.js";
import { isDay, readEntryName } from "./limbo-names.js";
import type { LimboReaderMethods, LimboReaderOptions } from "./limbo-reader-types.js";

const NO_HASH = new Uint8Array(0);
const READ_BYTES = 1024 * 1024;

/** Of a file that is had in several parts. */
interface Hashed {
  readonly key: string;
  readonly hash: Sha256Stream;
  at: number;
}

export class LimboReader implements LimboReaderMethods {
  readonly #disk: Disk;
  readonly #scratchRoot: string;
  /** The mailbox that was asked about last: it is listed once for all its pages. */
  #listed: { readonly name: string; readonly files: readonly string[] } | undefined;
  #hashed: Hashed | undefined;

  constructor(disk: Disk, { scratchRoot }: Pick<LimboReaderOptions, "scratchRoot">) {
    this.#disk = disk;
    this.#scratchRoot = scratchRoot;
  }

  there(names: readonly string[]): readonly boolean[] {
    return names.map((name) => this.#within(name, (day, entry) => day.stat(entry) !== undefined) ?? false);
  }

  files({ name, after, max }: Parameters<LimboReaderMethods["files"]>[0]): LimboFilesPage {
    const known = after === "" || this.#listed?.name !== name ? undefined : this.#listed.files;
    const all = known ?? this.#list(name);
    this.#listed = { name, files: all };
    const left = all.filter((file) => file > after);
    const page = left.slice(0, max);
    const sizes = this.#sizesOf(name, page);
    return { files: page.map((file, at) => ({ file, size: sizes[at] ?? 0 })), more: left.length > page.length };
  }

  parts({ files, offset }: Parameters<LimboReaderMethods["parts"]>[0]): readonly LimboPart[] {
    return readInTurn(files, { offset, bytesMax: PARTS_BYTES_MAX }, (file, range) => this.#part(file, range));
  }

  #list(name: string): readonly string[] {
    const found = this.#inMailbox(name, (open) =>
      [CUR, NEW].flatMap((part) => {
        const names = open(part)?.list() ?? [];
        return names.filter((each) => !each.startsWith(".")).map((each) => `${part}/${each}`);
      }),
    );
    return (found ?? []).sort();
  }

  #sizesOf(name: string, files: readonly string[]): readonly number[] {
    const found = this.#inMailbox(name, (open) =>
      files.map((file) => {
        const [part, inside] = partsOfFile(file);
        const stat = open(part)?.stat(inside);
        return stat?.kind === "file" ? stat.size : 0;
      }),
    );
    return found ?? [];
  }

  /** What the system refuses of a file is as if it were not there. */
  #part({ name, file }: LimboFile, range: PartRange): LimboPart {
    const read = (dir: Dir | undefined, inside: string): LimboPart => {
      const opened = dir?.openFile(inside);
      if (opened === undefined) return undefined;
      try {
        return this.#read(opened, `${opened.stat.ino} ${name} ${file}`, range);
      } finally {
        opened.close();
      }
    };
    try {
      if (file === "") return this.#within(name, (day, entry, isMailbox) => (isMailbox ? undefined : read(day, entry)));
      const [part, inside] = partsOfFile(file);
      return this.#inMailbox(name, (open) => read(open(part), inside));
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }

  #read(file: ReadFile, key: string, range: PartRange): LimboPart {
    const { size, mtimeMs } = file.stat;
    const { from } = range;
    const bytes = readRange(file, range);
    if (bytes === undefined) return undefined;
    const mtimeS = Math.max(0, Math.floor(mtimeMs / 1000));
    return { size, mtimeS, bytes, sha256: from > size ? NO_HASH : this.#hashOf(file, key, from, bytes) };
  }

  /** Of the whole, where this is the end of it. Parts come in their order, so each is hashed once. */
  #hashOf(file: ReadFile, key: string, from: number, bytes: Uint8Array): Uint8Array {
    const isNext = this.#hashed?.key === key && this.#hashed.at === from;
    const hashed = isNext && this.#hashed !== undefined ? this.#hashed : { key, hash: openSha256(), at: 0 };
    if (hashed.at < from) {
      const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
      while (hashed.at < from) {
        const count = file.read(buffer.subarray(0, Math.min(buffer.length, from - hashed.at)), hashed.at);
        if (count === 0) break;
        hashed.hash.update(buffer.subarray(0, count));
        hashed.at += count;
      }
    }
    hashed.hash.update(bytes);
    hashed.at += bytes.length;
    const isWhole = hashed.at >= file.stat.size;
    this.#hashed = isWhole ? undefined : hashed;
    return isWhole ? new Uint8Array(hashed.hash.digest()) : NO_HASH;
  }

  /** Undefined where that is none of ours, or not there. */
  #within<T>(name: string, use: (day: Dir, entry: RawName, isMailbox: boolean) => T): T | undefined {
    const [day = "", entry = "", ...more] = name.split("/");
    const read = readEntryName(entry);
    if (read === undefined || !isDay(day) || !isRawName(entry) || more.length > 0) return undefined;
    const dir = openScratch(this.#disk, this.#scratchRoot, ["limbo", day]);
    try {
      return dir === undefined ? undefined : use(dir, entry, read.uid === undefined);
    } finally {
      dir?.close();
    }
  }

  /** `open` gives a part of that mailbox; undefined: it has none. */
  #inMailbox<T>(name: string, use: (open: (part: Part) => Dir | undefined) => T): T | undefined {
    return this.#within(name, (day, entry, isMailbox) => {
      if (!isMailbox || day.stat(entry)?.kind !== "directory") return undefined;
      const opened = new Map<Part, Dir | undefined>();
      try {
        return use((part) => {
          if (!opened.has(part)) opened.set(part, openPart(day, entry, part));
          return opened.get(part);
        });
      } finally {
        for (const dir of opened.values()) dir?.close();
      }
    });
  }
}

type Part = typeof CUR | typeof NEW;

/** What is no directory has nothing in it. */
function openPart(day: Dir, entry: RawName, part: Part): Dir | undefined {
  try {
    return openBelow(day, [entry, part]);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function partsOfFile(file: string): readonly [Part, string] {
  const name = file.slice(file.indexOf("/") + 1);
  return [file.startsWith(`${CUR}/`) ? CUR : NEW, name];
}
