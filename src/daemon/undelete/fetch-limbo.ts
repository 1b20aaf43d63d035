/**
 * Files of a limbo at the other end of a link, put into files of a scratch directory, some at a time.
 *
 * INVARIANT: what the other end sends is a file only when it has the size that was told of it before, and the SHA-256 that is sent with its
 * last byte. Nothing that it sends decides about an owner or a mode here, nor does whoever asks about a name.
 * INVARIANT: a file is called by what it is of: what somebody else had fetched meanwhile is not taken for it.
 */
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { LimboSide } from "../../agent/limbo-side.js";
import { assert } from "../../base/assert.js";
import { errnoOf } from "../../base/errors.js";
import { openSha256, type Sha256Stream, sha256Hex } from "../../base/hash.js";
import { isRawName, type RawName } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import { LIMBO_READ_MAX, type LimboFile, type LimboPart } from "../../wire/limbo.js";

/** `size`: as the row, or the page of its mailbox, says. */
export interface WantedFile extends LimboFile {
  readonly size: number;
}

/** A file that is in the scratch directory, or why it is not. */
export type FetchedFile =
  | {
      readonly why: undefined;
      /** In hex. */
      readonly sha256: string;
      /** Its size with CRLF at the end of each line. */
      readonly virtualSize: number;
    }
  | { readonly why: string };

/** A message that is larger is none that a mail server takes, whatever is said of it. */
const BODY_BYTES_MAX = 4 * 1024 ** 3;
/** After so much whoever puts it away has a turn. A file is fetched whole. */
const WINDOW_BYTES = 4 * 1024 * 1024;
const FILE_MODE = 0o600;
const LF = 10;
const CR = 13;

const GONE = "its file is gone from the limbo";
const CHANGED = "it changed in the limbo while it was read";

/** What a file of the limbo is called in the scratch directory. */
export function fetchedFileName({ name, file }: LimboFile): RawName {
  const text = sha256Hex(Buffer.from(`${name}\0${file}`, "latin1"));
  assert(isRawName(text), "hex digits are a name");
  return text;
}

/** What became of the first of `wanted`, at least one: their files are called by `fetchedFileName`. Throws: compared-confused, what the link throws. */
export async function fetchLimbo(
  side: Pick<LimboSide, "parts">,
  wanted: readonly WantedFile[],
  scratch: string,
  signal: AbortSignal,
): Promise<readonly FetchedFile[]> {
  return new Fetching(side, wanted, scratch).run(signal);
}

/** A file that has begun to come. */
interface Coming {
  readonly hash: Sha256Stream;
  file: FileHandle | undefined;
  bytes: number;
  /** Ends of lines that are a LF alone. */
  bareLfs: number;
  lastByte: number;
  /** What this host does not let it be. */
  why: string | undefined;
}

/** Whoever else this thread serves does not wait for the disk. */
class Fetching {
  readonly #side: Pick<LimboSide, "parts">;
  readonly #wanted: readonly WantedFile[];
  readonly #scratch: string;
  readonly #done: FetchedFile[] = [];
  #coming: Coming | undefined;

  constructor(side: Pick<LimboSide, "parts">, wanted: readonly WantedFile[], scratch: string) {
    this.#side = side;
    this.#wanted = wanted;
    this.#scratch = scratch;
  }

  async run(signal: AbortSignal): Promise<readonly FetchedFile[]> {
    let bytes = 0;
    try {
      while (this.#done.length < this.#wanted.length && (this.#coming !== undefined || bytes < WINDOW_BYTES)) {
        const at = this.#done.length;
        // Of what follows a file that is on its way nothing is begun when this turn is over.
        const count = this.#coming !== undefined && bytes >= WINDOW_BYTES ? 1 : LIMBO_READ_MAX;
        const next = this.#wanted.slice(at, at + count);
        const vast = next.findIndex(({ size }) => size > BODY_BYTES_MAX);
        if (vast === 0) {
          this.#done.push({ why: `it is said to have ${next[0]?.size} bytes` }); // nothing of it is asked for.
          continue;
        }
        const files = next.slice(0, vast < 0 ? undefined : vast).map(({ name, file }) => ({ name, file }));
        for (const part of await this.#side.parts({ files, offset: this.#coming?.bytes ?? 0 }, signal)) {
          bytes += part?.bytes.length ?? 0;
          await this.#take(part);
        }
      }
      return this.#done;
    } finally {
      await this.#coming?.file?.close();
    }
  }

  /** The next of the file that is next. */
  async #take(part: LimboPart): Promise<void> {
    const wanted = this.#wanted[this.#done.length];
    if (wanted === undefined) return;
    if (part === undefined) return this.#fail(GONE);
    if (part.size !== wanted.size) return this.#fail(`its file in the limbo is not one of ${wanted.size} bytes`);
    this.#coming ??= { hash: openSha256(), file: undefined, bytes: 0, bareLfs: 0, lastByte: 0, why: undefined };
    await this.#write(this.#coming, part.bytes);
    if (this.#coming.bytes === part.size) await this.#settle(this.#coming, part);
  }

  /** What this system refuses of one file keeps no other one. */
  async #write(coming: Coming, bytes: Uint8Array): Promise<void> {
    coming.hash.update(bytes);
    countLines(coming, bytes);
    coming.bytes += bytes.length;
    await this.#trying(coming, async () => {
      coming.file ??= await open(this.#path, "w", FILE_MODE);
      await coming.file.writeFile(bytes);
    });
  }

  async #settle(coming: Coming, { sha256, mtimeS }: NonNullable<LimboPart>): Promise<void> {
    await this.#trying(coming, async () => coming.file?.utimes(mtimeS, mtimeS));
    const digest = coming.hash.digest();
    if (coming.why !== undefined) return this.#fail(coming.why);
    if (!digest.equals(sha256)) return this.#fail(CHANGED);
    this.#coming = undefined;
    await coming.file?.close();
    const virtualSize = coming.bytes + coming.bareLfs;
    this.#done.push({ why: undefined, sha256: digest.toString("hex"), virtualSize });
  }

  async #fail(why: string): Promise<void> {
    const file = this.#coming?.file;
    this.#coming = undefined;
    await file?.close();
    await rm(this.#path, { force: true });
    this.#done.push({ why });
  }

  async #trying(coming: Coming, work: () => Promise<unknown>): Promise<void> {
    if (coming.why !== undefined) return;
    try {
      await work();
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      coming.why = whyItFailed(error);
    }
  }

  /** Of the file that is next. */
  get #path(): string {
    const wanted = this.#wanted[this.#done.length];
    assert(wanted !== undefined, "a file is next");
    return join(this.#scratch, fetchedFileName(wanted));
  }
}

function countLines(coming: Coming, bytes: Uint8Array): void {
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1))
    if ((at === 0 ? coming.lastByte : bytes[at - 1]) !== CR) coming.bareLfs += 1;
  coming.lastByte = bytes.at(-1) ?? coming.lastByte;
}
