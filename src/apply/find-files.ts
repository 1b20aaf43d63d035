/**
 * Finding the present file of a base name (R17): by guessing its name first, by listing if that fails.
 *
 * A guess costs microseconds, a listing of half a million names a third of a second, and the caller may be holding
 * Dovecot's lock. So a listing that was made before the lock is used again under it, if the directories are unchanged.
 * INVARIANT: a message is called absent only if a believable listing lacks it (nothing changed meanwhile, and nothing had
 * in the tick before), or two listings in a row; and a last look at its likely names finds nothing.
 */

import type { FileStat } from "../base/disk.js";
import { isRawName } from "../base/raw-name.js";
import { tickOf } from "../maildir/clock-tick.js";
import { visitMessages } from "../maildir/listing.js";
import { splitBaseName } from "../maildir/message-name.js";
import { type MessageTimes, readMessageTimes, sameMessageTimes, timesIn } from "../maildir/message-times.js";
import type { MailboxDirs } from "./mailbox-place.js";
import type { PresentFile } from "./mailbox-view.js";

/** What one listing told about the base names that were looked for. */
export interface Sighting extends MessageTimes {
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

/** Finds all files of `sought` that are there. `before`: of an earlier call for the same transaction. */
export function findFiles(
  dirs: MailboxDirs,
  sought: Iterable<Sought>,
  { before, nowMs }: { readonly before: Sighting | undefined; readonly nowMs: number },
): FindResult {
  const fileByBase = new Map<string, PresentFile>();
  const unfound = new Map<string, readonly string[]>();
  for (const { base, infos } of sought) {
    const seen = before?.placeByBase.get(base);
    const file = (seen === undefined ? undefined : fileAt(dirs, seen)) ?? guessFile(dirs, base, infos);
    if (file === undefined) unfound.set(base, infos);
    else fileByBase.set(base, file);
  }
  if (unfound.size === 0) return { fileByBase, sighting: before };
  if (before !== undefined && saysAbsent(before, unfound.keys(), dirs)) return { fileByBase, sighting: before };
  let sighting = listFor(dirs, unfound.keys(), nowMs);
  collectFiles(dirs, sighting, unfound, fileByBase);
  if (unfound.size > 0 && !isSettled(sighting)) {
    const second = listFor(dirs, unfound.keys(), nowMs);
    collectFiles(dirs, second, unfound, fileByBase);
    sighting = { ...second, placeByBase: new Map([...sighting.placeByBase, ...second.placeByBase]) };
  }
  for (const [base, infos] of unfound) {
    const file = guessFile(dirs, base, infos);
    if (file !== undefined) fileByBase.set(base, file);
  }
  return { fileByBase, sighting };
}

function collectFiles(
  dirs: MailboxDirs,
  { placeByBase }: Sighting,
  unfound: Map<string, unknown>,
  fileByBase: Map<string, PresentFile>,
): void {
  for (const [base, place] of placeByBase) {
    const file = place === undefined ? undefined : fileAt(dirs, place);
    if (file === undefined) continue;
    fileByBase.set(base, file);
    unfound.delete(base);
  }
}

/** All message files whose base name passes. */
export function listPlaces(dirs: MailboxDirs, isWanted: (base: string) => boolean): Map<string, Place> {
  const placeByBase = new Map<string, Place>();
  visitPlaces(dirs, (base, place) => {
    if (isWanted(base)) placeByBase.set(base, place);
  });
  return placeByBase;
}

/** All message files, by one listing; by two where the directories changed during the first. Of a base name the last place counts. */
export function visitPlaces(dirs: MailboxDirs, visit: (base: string, place: Place) => void): void {
  if (!visitOnce(dirs, visit)) visitOnce(dirs, visit);
}

/** Whether nothing changed meanwhile. */
function visitOnce(dirs: MailboxDirs, visit: (base: string, place: Place) => void): boolean {
  // Names in new/ come first: one that moved to cur/ meanwhile is listed again, and that place counts.
  const { stable } = visitMessages(dirs.dir, (name, dir) => visit(splitBaseName(name), { dir, name }));
  return stable;
}

export function fileAt(dirs: MailboxDirs, { dir, name }: Place): PresentFile | undefined {
  if (!isRawName(name)) return undefined; // a guess may be longer than a name can be.
  const stat = (dir === "cur" ? dirs.cur : dirs.new)?.stat(name);
  return stat?.kind === "file" ? presentFile(dir, name, stat) : undefined;
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

function listFor(dirs: MailboxDirs, bases: Iterable<string>, nowMs: number): Sighting {
  const times = timesOf(dirs);
  const placeByBase = new Map<string, Place | undefined>([...bases].map((base) => [base, undefined]));
  const found = new Map<string, Place>();
  const isStable = visitOnce(dirs, (base, place) => {
    if (placeByBase.has(base)) found.set(base, place);
  });
  for (const [base, place] of found) placeByBase.set(base, place);
  const stable = isStable && sameMessageTimes(times, timesOf(dirs));
  return { ...times, listedAtMs: nowMs, stable, placeByBase };
}

function saysAbsent(sighting: Sighting, bases: Iterable<string>, dirs: MailboxDirs): boolean {
  const { placeByBase } = sighting;
  const isAbsent = (base: string): boolean => placeByBase.has(base) && placeByBase.get(base) === undefined;
  return isSettled(sighting) && [...bases].every(isAbsent) && sameMessageTimes(sighting, timesOf(dirs));
}

export function timesOf(dirs: MailboxDirs): MessageTimes {
  return readMessageTimes(dirs.cur, dirs.new);
}

/** Whether a listing may be believed about what it lacks. A time in the future hides nothing: any change would set it to now. */
export function isSettled(listing: MessageTimes & Pick<Sighting, "listedAtMs" | "stable">): boolean {
  return listing.stable && timesIn(listing).every((timeMs) => Math.abs(listing.listedAtMs - timeMs) > tickOf(timeMs));
}
