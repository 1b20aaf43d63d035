/**
 * Finding the present file of a base name (R17): by guessing its name first, by one listing if that fails.
 *
 * A guess costs microseconds, a listing of half a million names a third of a second, and the caller may be holding
 * Dovecot's lock. So a listing that was made before the lock is used again under it, if the directories are unchanged.
 */
import type { FileStat } from "../base/disk.js";
import { listMessages } from "../maildir/listing.js";
import type { MailboxDirs } from "./mailbox-place.js";
import type { PresentFile } from "./mailbox-view.js";

/** What one listing told about the base names that were looked for. */
export interface Sighting {
  readonly curMtimeMs: number;
  readonly newMtimeMs: number;
  readonly listedAtMs: number;
  readonly stable: boolean;
  /** Where each was; undefined = nowhere. */
  readonly placeByBase: ReadonlyMap<string, Place | undefined>;
}

export interface Place {
  readonly dir: "cur" | "new";
  readonly name: string;
}

export interface Sought {
  readonly base: string;
  /** Infos that it may have (":2,S"), the likeliest first. */
  readonly infos: readonly string[];
}

export interface FindResult {
  readonly fileByBase: Map<string, PresentFile>;
  /** If a listing was needed. */
  readonly sighting: Sighting | undefined;
}

const COMMON_INFOS = [":2,", ":2,S"] as const;
/** An mtime this fresh may hide another change of the same tick. */
const TICK_MS = 20;

/** Finds all files of `sought` that are there. `before`: of an earlier call for the same transaction. */
export function findFiles(
  dirs: MailboxDirs,
  sought: Iterable<Sought>,
  { before, nowMs }: { readonly before: Sighting | undefined; readonly nowMs: number },
): FindResult {
  const fileByBase = new Map<string, PresentFile>();
  const unfound = new Set<string>();
  for (const { base, infos } of sought) {
    const seen = before?.placeByBase.get(base);
    const file = (seen === undefined ? undefined : fileAt(dirs, seen)) ?? guessFile(dirs, base, infos);
    if (file === undefined) unfound.add(base);
    else fileByBase.set(base, file);
  }
  if (unfound.size === 0) return { fileByBase, sighting: before };
  if (before !== undefined && saysAbsent(before, unfound, dirs)) return { fileByBase, sighting: before };
  const sighting = listFor(dirs, unfound, nowMs);
  for (const [base, place] of sighting.placeByBase) {
    const file = place === undefined ? undefined : fileAt(dirs, place);
    if (file !== undefined) fileByBase.set(base, file);
  }
  return { fileByBase, sighting };
}

/** All message files whose base name passes, by one listing. */
export function listPlaces(dirs: MailboxDirs, isWanted: (base: string) => boolean): Map<string, Place> {
  const placeByBase = new Map<string, Place>();
  const { names, inNew } = listMessages(dirs.dir);
  for (const [index, name] of names.entries()) {
    const base = baseOf(name);
    // Names in new/ come first: one that moved to cur/ meanwhile is listed again, and that place counts.
    if (isWanted(base)) placeByBase.set(base, { dir: index < inNew ? "new" : "cur", name });
  }
  return placeByBase;
}

export function fileAt(dirs: MailboxDirs, { dir, name }: Place): PresentFile | undefined {
  const stat = (dir === "cur" ? dirs.cur : dirs.new)?.stat(name);
  return stat?.kind === "file" ? presentFile(dir, name, stat) : undefined;
}

export function baseOf(name: string): string {
  const colon = name.indexOf(":");
  return colon < 0 ? name : name.slice(0, colon);
}

/** By likely names only; undefined says nothing. */
export function guessFile(dirs: MailboxDirs, base: string, infos: readonly string[]): PresentFile | undefined {
  for (const info of new Set([...infos, ...COMMON_INFOS])) {
    const file = fileAt(dirs, { dir: "cur", name: base + info });
    if (file !== undefined) return file;
  }
  return fileAt(dirs, { dir: "new", name: base });
}

function presentFile(dir: "cur" | "new", name: string, stat: FileStat): PresentFile {
  return { dir, name, size: stat.size, mtimeS: Math.floor(stat.mtimeMs / 1000), ino: stat.ino };
}

function listFor(dirs: MailboxDirs, bases: ReadonlySet<string>, nowMs: number): Sighting {
  const curMtimeMs = dirs.cur.statSelf().mtimeMs;
  const newMtimeMs = dirs.new?.statSelf().mtimeMs ?? 0;
  const found = listPlaces(dirs, (base) => bases.has(base));
  const placeByBase = new Map([...bases].map((base) => [base, found.get(base)] as const));
  const stable = isUnchanged({ curMtimeMs, newMtimeMs }, dirs);
  return { curMtimeMs, newMtimeMs, listedAtMs: nowMs, stable, placeByBase };
}

function saysAbsent(sighting: Sighting, bases: ReadonlySet<string>, dirs: MailboxDirs): boolean {
  const { curMtimeMs, newMtimeMs, listedAtMs, stable, placeByBase } = sighting;
  const isSettled = stable && listedAtMs - Math.max(curMtimeMs, newMtimeMs) > TICK_MS;
  const isAbsent = (base: string): boolean => placeByBase.has(base) && placeByBase.get(base) === undefined;
  return isSettled && [...bases].every(isAbsent) && isUnchanged(sighting, dirs);
}

function isUnchanged(
  { curMtimeMs, newMtimeMs }: Pick<Sighting, "curMtimeMs" | "newMtimeMs">,
  dirs: MailboxDirs,
): boolean {
  return dirs.cur.statSelf().mtimeMs === curMtimeMs && (dirs.new?.statSelf().mtimeMs ?? 0) === newMtimeMs;
}
