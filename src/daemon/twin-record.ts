/**
 * Which source a store is the twin of, noted in the twin's scratch directory. With the arguments exchanged the twin would become the
 * source, and take back what the real one has got since: such a run is refused, whatever its state directory.
 *
 * Noted when the first contact is accepted, not before: a run that was refused has made no twin. A store is known by its path, or
 * by its directory (device and inode). Only what lies in the default place beside (or in) a store is found again: note-beside.ts.
 */
import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Dir, Site } from "../base/disk.js";
import { replaceDurably } from "../base/durable-file.js";
import { isSite } from "../base/pinned-roots.js";
import { daemonError } from "./errors.js";
import { openStanding, type Refusal } from "./own-directory.js";

export const TWIN_RECORD = "twin-of.json";
const BYTES_MAX = 64 * 1024;
/** A twin of a twin of a twin. */
const CHAIN_MAX = 16;
const WRITABLE_BY_OTHERS = 0o022;

/** `dev` and `ino` as text: they may be larger than a double holds. */
interface TwinRecord {
  readonly source: { readonly path: string; readonly dev: string; readonly ino: string };
}

export interface Pair {
  /** Absolute and real. */
  readonly source: string;
  readonly destination: string;
}

/** Where a destination's scratch directory is, unless it was wished elsewhere: beside it, or in it. */
export function scratchPlaces(destination: string): readonly [beside: string, within: string] {
  return [join(dirname(destination), `.${basename(destination)}.mailtwin`), join(destination, ".mailtwin")];
}

/** Whether a name is one of `scratchPlaces`. */
export function isScratchName(name: string): boolean {
  return name === ".mailtwin" || /^\..+\.mailtwin$/.test(name);
}

/** Throws: stores-swapped, where the source is the twin of the destination, or of a twin of it. */
export function refuseSwapped({ source, destination }: Pair): void {
  const own = findRecord(scratchPlaces(source));
  let of = own?.record;
  for (let hops = 0; own !== undefined && of !== undefined && hops < CHAIN_MAX; hops++) {
    if (names(of, destination)) {
      const what = hops === 0 ? "the twin" : "a twin of a twin";
      const words = `${source} is itself ${what} of ${destination}, as ${own.file} says`;
      throw daemonError("stores-swapped", `twinning ${source} to ${destination}: ${words}`);
    }
    of = findRecord(scratchPlaces(of.source.path))?.record;
  }
}

interface RecordPlace {
  readonly path: string;
  readonly site: Site;
  readonly refuse: Refusal;
}

/**
 * Notes the source in the destination's scratch directory, durably, unless it is there already. Call it while holding that directory.
 * `refuseRing` looks once more, and what it throws takes the note back. Returns what takes it back later, if it is new. Throws:
 * stores-swapped (the opposite was noted meanwhile), system errors.
 */
export function recordTwin(pair: Pair, scratch: RecordPlace, refuseRing: (pair: Pair) => void): () => void {
  const { dev, ino } = statSync(pair.source, { bigint: true });
  const record = { source: { path: pair.source, dev: String(dev), ino: String(ino) } } satisfies TwinRecord;
  const bytes = Buffer.from(`${JSON.stringify(record)}\n`);
  const dir = openStanding(scratch.path, scratch.refuse);
  try {
    if (dir === undefined || !isSite(dir, scratch.site))
      throw scratch.refuse("another directory stands there than at the start");
    if (readQuietly(dir)?.equals(bytes) === true) return () => undefined;
    replaceDurably(dir, TWIN_RECORD, [bytes], { tempName: `${TWIN_RECORD}.tmp`, mode: 0o600, syncDir: true });
    try {
      refuseRing(pair); // two runs in both directions, begun at once: the later one to look sees the other's note.
    } catch (error) {
      dir.unlink(TWIN_RECORD);
      throw error;
    }
    return () => takeBackNote(scratch, TWIN_RECORD);
  } finally {
    dir?.close();
  }
}

/** Unless another directory stands there. */
export function takeBackNote({ path, site }: Pick<RecordPlace, "path" | "site">, name: string): void {
  const dir = openStanding(path, (why) => new Error(why));
  try {
    if (dir !== undefined && isSite(dir, site)) dir.unlink(name);
  } finally {
    dir?.close();
  }
}

function names({ source }: TwinRecord, store: string): boolean {
  if (source.path === store) return true;
  const stat = statSync(store, { bigint: true, throwIfNoEntry: false });
  return stat !== undefined && String(stat.dev) === source.dev && String(stat.ino) === source.ino;
}

/** In the first of some scratch directories that has one. */
export function findRecord(
  places: readonly string[],
): { readonly file: string; readonly record: TwinRecord } | undefined {
  for (const scratch of places) {
    const record = readRecord(scratch);
    if (record !== undefined) return { file: join(scratch, TWIN_RECORD), record };
  }
  return undefined;
}

/** Undefined also where it cannot be read: what is not ours says nothing, and a damaged one is written anew by its next run. */
function readRecord(scratch: string): TwinRecord | undefined {
  try {
    const bytes = readNote(scratch, TWIN_RECORD);
    return bytes === undefined ? undefined : parseRecord(bytes.toString());
  } catch {
    return undefined;
  }
}

/** A file of ours in a scratch directory that nobody else can write; undefined where there is none. */
export function readNote(scratch: string, name: string): Buffer | undefined {
  let dir: Dir | undefined;
  try {
    dir = openStanding(scratch, (why) => new Error(why));
    return dir !== undefined && isTrusted(dir) ? readQuietly(dir, name) : undefined;
  } catch {
    return undefined;
  } finally {
    dir?.close();
  }
}

/** Whoever owns the directory above could put one there, to have runs refused. */
function isTrusted(dir: Dir): boolean {
  const { uid, mode } = dir.statSelf();
  return (uid === 0 || uid === process.geteuid?.()) && (mode & WRITABLE_BY_OTHERS) === 0;
}

function readQuietly(dir: Dir, name = TWIN_RECORD): Buffer | undefined {
  try {
    return dir.readFile(name, BYTES_MAX);
  } catch {
    return undefined;
  }
}

function parseRecord(text: string): TwinRecord | undefined {
  const { source } = JSON.parse(text) as { readonly source?: Partial<TwinRecord["source"]> };
  const { path, dev, ino } = source ?? {};
  return path === undefined || dev === undefined || ino === undefined ? undefined : { source: { path, dev, ino } };
}
