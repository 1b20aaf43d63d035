/**
 * Where everything of a local twin is: the two stores, the scratch directory beside the destination, the state directory.
 * Checked before anything is written.
 *
 * INVARIANT: state, staging and limbo never lie below a mail root (Dovecot would take them for folders, R19).
 */
import { existsSync, readdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import { basename, isAbsolute, join } from "node:path";
import { ASIDE, HELD, PARKED } from "../apply/scratch-areas.js";
import type { FileStat, Site } from "../base/disk.js";
import { sha256 } from "../base/hash.js";
import { rawFromText } from "../base/raw-name.js";
import { KNOWN_BODIES } from "../log/known-bodies.js";
import { daemonError } from "./errors.js";
import { refuseRingHere } from "./lineage.js";
import { areApart, isInside, isSameDirectory, liesIn } from "./mounts.js";
import { openBeside } from "./note-beside.js";
import { makeLike, makeOurs, protectFile, refuseExposed, refuseForeign, siteAt } from "./own-directory.js";
import { refuseUnreadable, refuseUnusableState } from "./permissions.js";
import {
  destinationRefusal,
  findScratch,
  findState,
  homeOf,
  realDestination,
  realSource,
  refuseScratch,
  scratchRefusal,
  sourceRefusal,
  stateRefusal,
  statSource,
} from "./place-rules.js";
import { recordTwin } from "./twin-record.js";

export interface Places {
  /** Absolute and real, as text. */
  readonly source: string;
  /** Which directory that is. */
  readonly sourceSite: Site;
  readonly destination: string;
  /** Staging and limbo, on the destination's file system. */
  readonly scratch: string;
  readonly state: string;
}

export interface PlaceOptions {
  readonly state?: string | undefined;
  readonly scratch?: string | undefined;
}

/** Finds and checks the places; makes nothing. Throws: source-missing, source-unreadable, destination-unusable, … */
export function findPlaces(sourceArg: string, destinationArg: string, options: PlaceOptions): Places {
  const source = realSource(sourceArg);
  const destination = realDestination(destinationArg);
  refuseOverlap(source, destination);
  for (const store of [source, destination]) refuseScratch(store);
  const scratch = findScratch(source, destination, options.scratch);
  const wished = options.state ?? join(stateHome(), "mailtwin", linkName(source, destination));
  const state = findState(wished, [source, destination]);
  refuseUnreadable({ source, destination });
  const sourceSite = siteAt(source, sourceRefusal(source));
  if (sourceSite === undefined) throw sourceRefusal(source)("it went away");
  refuseForeign(scratch, scratchRefusal(scratch), { mayBeRead: false });
  refuseRingHere({ source, destination });
  return { source, sourceSite, destination, scratch, state };
}

type RootLike = Pick<FileStat, "mode" | "uid" | "gid">;

export interface Sites {
  readonly source: Site;
  readonly destination: Site;
  readonly scratch: Site;
}

export interface MadePlaces<Made = Sites> {
  readonly sites: Made;
  /** Paths of directories that were not there before, the innermost last. */
  readonly made: readonly string[];
}

/**
 * Makes the directories that are ours, and the destination with the source's owner and mode. Returns which directories they are:
 * no other one may be read or written in this run, whatever comes to stand at their paths. What is refused leaves none of them.
 */
export function makePlaces(places: Places): MadePlaces {
  const { source, sourceSite } = places;
  const { sites, made } = makeReceiving(places, statSource(source, sourceSite));
  return { sites: { source: sourceSite, ...sites }, made };
}

type Receiving = Pick<Places, "destination" | "scratch" | "state">;

/** Of a side that receives: state, destination and scratch. What is refused leaves none of them. */
export function makeReceiving(
  { destination, scratch, state }: Receiving,
  like: RootLike,
): MadePlaces<Omit<Sites, "source">> {
  const made: string[] = [];
  try {
    makeState(state, made);
    return { sites: makeDestination({ destination, scratch }, like, made), made };
  } catch (error) {
    takeBack(made);
    throw error;
  }
}

/** Takes what stands there from everybody else. `made` gets what was not there before. Throws: state-unusable. */
export function makeState(state: string, made: string[]): void {
  makeOurs(state, stateRefusal(state), { mayBeRead: true, levelsMax: Number.POSITIVE_INFINITY, made });
  refuseExposed(state, stateRefusal(state)); // once more: what was not there yet others may have made.
  refuseUnusableState(state);
  const files = [...[...STATE_FILES, KNOWN_BODIES].flatMap(withCompanions), "lock.db"];
  for (const file of files) protectFile(join(state, file));
}

/** The destination is made like `like` where it is not there. Throws: destination-unusable, scratch-unusable. */
function makeDestination(
  { destination, scratch }: Pick<Places, "destination" | "scratch">,
  like: RootLike,
  made: string[],
): Pick<Sites, "destination" | "scratch"> {
  const sites = {
    destination: makeLike(destination, like, { refuse: destinationRefusal(destination), made }),
    scratch: makeOurs(scratch, scratchRefusal(scratch), { mayBeRead: false, levelsMax: 1, made }),
  };
  if (areApart(scratch, destination)) {
    const why = `it is not on the file system of ${destination}, or not in the same mount of it`;
    throw daemonError("scratch-unusable", `staging in ${scratch}: ${why}`);
  }
  return sites;
}

/** `made`: by `makePlaces`. One that has something in it meanwhile stays, and all that was made before it. */
export function takeBack(made: readonly string[]): void {
  try {
    for (const path of made.toReversed()) rmdirSync(path);
  } catch {
    // Why the run was refused is what matters.
  }
}

/**
 * Call it when the first contact is accepted, holding the scratch directory. What is returned says, until it is disposed of, that somebody
 * writes to the twin. Throws: stores-swapped, scratch-unusable.
 */
export function noteTwin(places: Places, sites: Sites): Disposable {
  const { scratch: path } = places;
  const beside = openBeside(places);
  try {
    const takeBack = beside?.note((place) => recordTwin(places, place, refuseRingHere));
    try {
      recordTwin(places, { path, site: sites.scratch, refuse: scratchRefusal(path) }, refuseRingHere);
    } catch (error) {
      takeBack?.();
      throw error;
    }
  } catch (error) {
    beside?.[Symbol.dispose]();
    throw error;
  }
  return { [Symbol.dispose]: () => beside?.[Symbol.dispose]() };
}

const STATE_FILES = ["source.db", "replica.db"] as const;

/** With the files that SQLite puts beside it, which have the database's mode. */
function withCompanions(file: string): string[] {
  return ["", "-wal", "-shm"].map((suffix) => file + suffix);
}

/**
 * The two state databases are one state: with only one of them left, both are begun anew, and the stores are compared as at
 * first contact. Call it while holding the state directory's lock.
 */
export function forgetHalfState(places: Places): void {
  if (!STATE_FILES.every((file) => isBegun(join(places.state, file)))) forgetState(places);
}

/** An empty file is none that was begun. */
function isBegun(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** A destination that was written to and is not there any more is not made anew. Throws: destination-emptied. */
export function refuseVanished({ state, destination }: Pick<Places, "state" | "destination">): void {
  if (existsSync(destination) || !existsSync(join(state, "replica.db"))) return;
  throw daemonError(
    "destination-emptied",
    `opening the destination ${destination}: it was written to before and is not there any more`,
  );
}

/** Begins anew: the next run is a first contact. No mail is touched. */
export function forgetState({ state }: Pick<Places, "state">): void {
  for (const file of STATE_FILES.flatMap(withCompanions)) rmSync(join(state, file), { force: true });
}

/** Whether mail was set aside at first contact and not put back yet. */
export function hasAside({ scratch }: Places): boolean {
  return isFilled(join(scratch, ASIDE));
}

/** Whether a mailbox on its way to another place is out of the destination: it comes back by itself (apply/exchange.ts). */
export function hasParked({ scratch }: Places): boolean {
  return [PARKED, HELD].some((area) => isFilled(join(scratch, area)));
}

function isFilled(dir: string): boolean {
  return existsSync(dir) && readdirSync(dir).length > 0;
}

function refuseOverlap(source: string, destination: string): void {
  const why = isSameDirectory(source, destination)
    ? "they are the same directory"
    : liesIn(destination, source) || liesIn(source, destination)
      ? "one lies inside the other"
      : undefined;
  if (why === undefined) return;
  const isByName = isInside(source, destination) || isInside(destination, source);
  const how = isByName ? "" : ", by another name (a bind mount)";
  throw daemonError("stores-overlap", `twinning ${source} to ${destination}: ${why}${how}`);
}

function stateHome(): string {
  const xdg = process.env["XDG_STATE_HOME"];
  if (xdg !== undefined && isAbsolute(xdg)) return xdg;
  const home = homeOf();
  if (home !== undefined) return join(home, ".local", "state");
  const why = `HOME is not set, and user ${process.geteuid?.()} has no home directory of his own`;
  throw daemonError("state-unusable", `finding a place for the state: ${why}`);
}

/** Where the state of one side is kept whose other side is on another host; both are named as text. */
export function stateFor(source: string, destination: string, name: string): string {
  return join(stateHome(), "mailtwin", stateName(source, destination, name));
}

/** Where the sums of a store are kept between two comparisons, if nobody else keeps them. Throws: state-unusable. */
export function sumsFileFor(store: string): string {
  return join(stateHome(), "mailtwin", "sums", `${stateName(store, "", basename(store))}.db`);
}

/** Readable and unique: the destination's name and a hash of both paths. */
function linkName(source: string, destination: string): string {
  return stateName(source, destination, basename(destination));
}

function stateName(source: string, destination: string, name: string): string {
  const hash = sha256(Buffer.from(`${rawFromText(source)}\0${rawFromText(destination)}`))
    .toString("hex")
    .slice(0, 16);
  return `${name.replace(/[^A-Za-z0-9._-]/g, "_")}-${hash}`;
}
