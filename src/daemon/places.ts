/**
 * Where everything of a local twin is: the two stores, the scratch directory beside the destination, the state directory.
 * Checked before anything is written.
 *
 * INVARIANT: state, staging and limbo never lie below a mail root (Dovecot would take them for folders, R19).
 */
import { existsSync, lstatSync, readdirSync, realpathSync, rmdirSync, rmSync, type Stats, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { ASIDE, HELD, PARKED, SCRATCH_LOCK } from "../apply/scratch-areas.js";
import type { FileStat, Site } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { sha256 } from "../base/hash.js";
import { isSite } from "../base/pinned-roots.js";
import { rawFromText } from "../base/raw-name.js";
import { whyItFailed } from "../base/system-error.js";
import { daemonError } from "./errors.js";
import { areApart, isInside, isSameDirectory, liesIn } from "./mounts.js";
import {
  makeLike,
  makeOurs,
  openStanding,
  protectFile,
  type Refusal,
  refuseExposed,
  refuseForeign,
  siteAt,
} from "./own-directory.js";
import { danglingLink, readOnly, refuseUnreadable, refuseUnusableState, whyNotMade } from "./permissions.js";
import { isScratchName, recordTwin, refuseSwapped, scratchPlaces } from "./twin-record.js";

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
  const state = realOrWished(options.state ?? join(stateHome(), "mailtwin", linkName(source, destination)));
  for (const store of [source, destination]) {
    if (liesIn(state, store))
      throw daemonError("state-inside-store", `keeping state in ${state}: that is inside the mail store ${store}`);
  }
  refuseUnreadable({ source, destination });
  const sourceSite = siteAt(source, sourceRefusal(source));
  if (sourceSite === undefined) throw sourceRefusal(source)("it went away");
  refuseForeign(scratch, scratchRefusal(scratch), { mayBeRead: false });
  refuseForeign(state, stateRefusal(state), { mayBeRead: true });
  refuseExposed(state, stateRefusal(state));
  refuseSwapped({ source, destination });
  return { source, sourceSite, destination, scratch, state };
}

export interface Sites {
  readonly source: Site;
  readonly destination: Site;
  readonly scratch: Site;
}

export interface MadePlaces {
  readonly sites: Sites;
  /** Paths of directories that were not there before, the innermost last. */
  readonly made: readonly string[];
}

/**
 * Makes the directories that are ours, and the destination with the source's owner and mode. Returns which directories they are:
 * no other one may be read or written in this run, whatever comes to stand at their paths. What is refused leaves none of them.
 */
export function makePlaces({ source, sourceSite, destination, scratch, state }: Places): MadePlaces {
  const like = statSource(source, sourceSite);
  const made: string[] = [];
  try {
    makeOurs(state, stateRefusal(state), { mayBeRead: true, levelsMax: Number.POSITIVE_INFINITY, made });
    refuseExposed(state, stateRefusal(state)); // once more: what was not there yet others may have made.
    refuseUnusableState(state);
    for (const file of [...STATE_FILES.flatMap(withCompanions), "lock.db"]) protectFile(join(state, file));
    const sites = {
      source: sourceSite,
      destination: makeLike(destination, like, { refuse: destinationRefusal(destination), made }),
      scratch: makeOurs(scratch, scratchRefusal(scratch), { mayBeRead: false, levelsMax: 1, made }),
    };
    if (areApart(scratch, destination)) {
      const why = `it is not on the file system of ${destination}, or not in the same mount of it`;
      throw daemonError("scratch-unusable", `staging in ${scratch}: ${why}`);
    }
    return { sites, made };
  } catch (error) {
    takeBack(made);
    throw error;
  }
}

/** `made`: by `makePlaces`. One that has something in it meanwhile stays, and all that was made before it. */
export function takeBack(made: readonly string[]): void {
  try {
    for (const path of made.toReversed()) rmdirSync(path);
  } catch {
    // Why the run was refused is what matters.
  }
}

/** Call it when the first contact is accepted, holding the scratch directory. Throws: stores-swapped, scratch-unusable. */
export function noteTwin(places: Places, sites: Sites): void {
  const { scratch: path } = places;
  recordTwin(places, { path, site: sites.scratch, refuse: scratchRefusal(path) });
}

function statSource(source: string, site: Site): FileStat {
  const dir = openStanding(source, sourceRefusal(source));
  try {
    if (dir !== undefined && isSite(dir, site)) return dir.statSelf();
  } finally {
    dir?.close();
  }
  throw sourceRefusal(source)("another directory has come to stand there");
}

function sourceRefusal(source: string): Refusal {
  return (why, cause) => daemonError("source-missing", `reading the source ${source}: ${why}`, cause);
}

function destinationRefusal(destination: string): Refusal {
  return (why, cause) =>
    errnoOf(cause) === "EROFS"
      ? readOnly(`making ${destination}`)
      : daemonError("destination-unusable", `making ${destination}: ${why}`, cause);
}

export function scratchRefusal(scratch: string): Refusal {
  return (why, cause) =>
    errnoOf(cause) === "EROFS"
      ? readOnly(`making ${scratch}`)
      : daemonError("scratch-unusable", `staging in ${scratch}: ${why}`, cause);
}

function stateRefusal(state: string): Refusal {
  return (why, cause) =>
    daemonError(
      "state-unusable",
      `using the state directory ${state}: ${cause === undefined ? why : whyNotMade(state, cause)}`,
      cause,
    );
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
export function refuseVanished({ state, destination }: Places): void {
  if (existsSync(destination) || !existsSync(join(state, "replica.db"))) return;
  throw daemonError(
    "destination-emptied",
    `opening the destination ${destination}: it was written to before and is not there any more`,
  );
}

/** Begins anew: the next run is a first contact. No mail is touched. */
export function forgetState({ state }: Places): void {
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

function realSource(path: string): string {
  const stat = tryStat(path, sourceRefused, "reading the source");
  if (stat === undefined) throw daemonError("source-missing", `reading the source ${path}: there is no such directory`);
  if (!stat.isDirectory()) throw daemonError("source-missing", `reading the source ${path}: it is not a directory`);
  return realpathSync(path);
}

function realDestination(path: string): string {
  const stat = tryStat(path, destinationRefused, "using the destination");
  if (stat?.isDirectory() === true) return realpathSync(path);
  if (stat !== undefined)
    throw daemonError("destination-unusable", `using the destination ${path}: it is not a directory`);
  const link = danglingLink(path);
  if (link !== undefined) throw daemonError("destination-unusable", `using the destination ${path}: ${link}`);
  const parent = dirname(resolve(path));
  if (tryStat(parent, destinationRefused, "using the destination's parent")?.isDirectory() !== true) {
    throw daemonError("destination-unusable", `making the destination ${path}: its parent directory does not exist`);
  }
  return join(realpathSync(parent), basename(resolve(path)));
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

/** A store that is a scratch directory, or in one: staging and limbo of a twin. */
function refuseScratch(store: string): void {
  for (let dir = store; dir !== dirname(dir); dir = dirname(dir)) {
    if (!isScratchName(basename(dir)) || !existsSync(join(dir, SCRATCH_LOCK))) continue;
    const what = dir === store ? "it is" : `it lies in ${dir},`;
    throw daemonError("store-in-scratch", `using the store ${store}: ${what} the scratch directory of a twin`);
  }
}

const sourceRefused = (errno: string | undefined) => (errno === "EACCES" ? "source-unreadable" : "source-missing");
const destinationRefused = () => "destination-unusable" as const;

/** `codeOf`: the refusal for an errno. */
function tryStat(
  path: string,
  codeOf: typeof sourceRefused | typeof destinationRefused,
  doing: string,
): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    throw daemonError(codeOf(errnoOf(cause)), `${doing} ${path}: ${whyItFailed(cause)}`, cause);
  }
}

/** Beside the destination; where that is a mount point, inside it, unless the destination itself is a mailbox. */
function findScratch(source: string, destination: string, wished: string | undefined): string {
  if (wished !== undefined) {
    const scratch = realExceptLast(wished);
    const maildir = isInside(scratch, destination) ? maildirAbove(scratch, destination, source) : undefined;
    if (maildir !== undefined)
      throw daemonError("scratch-unusable", `staging in ${scratch}: that is inside the Maildir ${maildir}`);
    if (isSameDirectory(scratch, destination) || liesIn(scratch, source))
      throw daemonError("scratch-unusable", `staging in ${scratch}: that is a mail store, or inside the source`);
    if (liesIn(scratch, destination) && !isInside(scratch, destination))
      throw daemonError("scratch-unusable", `staging in ${scratch}: that is inside ${destination}, by another name`);
    return scratch;
  }
  const parent = dirname(destination);
  if (hasCur(parent))
    throw daemonError(
      "scratch-unusable",
      `finding a place for staging: ${parent}, beside the destination, is a Maildir`,
    );
  const [beside, within] = scratchPlaces(destination);
  if (!existsSync(destination) || !areApart(parent, destination)) return beside;
  if (hasCur(destination) || hasCur(source)) {
    const is = hasCur(destination) ? "is" : "will be";
    throw daemonError(
      "scratch-nowhere",
      `finding a place for staging: ${destination} is a mount point and ${is} a Maildir at once`,
    );
  }
  return within;
}

/** The mailbox at or above `path`, up to `top`: one that is there, or that the source will bring. */
function maildirAbove(path: string, top: string, source: string): string | undefined {
  for (let dir = path; isInside(dir, top); dir = dirname(dir))
    if (hasCur(dir) || hasCur(join(source, relative(top, dir)))) return dir;
  return undefined;
}

/** Absolute, with links resolved as far as it exists: what does not is made there. */
function realOrWished(path: string): string {
  const wished = resolve(path);
  try {
    return realpathSync(wished);
  } catch {
    const parent = dirname(wished); // not there yet, or not to be entered: what holds it decides where it is.
    return parent === wished ? wished : join(realOrWished(parent), basename(wished));
  }
}

/**
 * As `realOrWished`, but a link in its last place stays one, and is refused: who could plant it would choose among the directories
 * that are ours one that is cleared.
 */
function realExceptLast(path: string): string {
  const wished = resolve(path);
  try {
    if (!lstatSync(wished).isSymbolicLink()) return realpathSync(wished);
  } catch {
    return realOrWished(wished);
  }
  return join(realOrWished(dirname(wished)), basename(wished));
}

function hasCur(path: string): boolean {
  return statSync(join(path, "cur"), { throwIfNoEntry: false })?.isDirectory() === true;
}

function stateHome(): string {
  const xdg = process.env["XDG_STATE_HOME"];
  if (xdg !== undefined && isAbsolute(xdg)) return xdg;
  const home = homeOf();
  if (home !== undefined) return join(home, ".local", "state");
  const why = `HOME is not set, and user ${process.geteuid?.()} has no home directory of his own`;
  throw daemonError("state-unusable", `finding a place for the state: ${why}`);
}

/** Undefined for a user without an entry in passwd, unless HOME says it. */
export function homeOf(): string | undefined {
  try {
    const home = homedir();
    return isAbsolute(home) ? home : undefined;
  } catch {
    return undefined;
  }
}

/** Readable and unique: the destination's name and a hash of both paths. */
function linkName(source: string, destination: string): string {
  const hash = sha256(Buffer.from(`${rawFromText(source)}\0${rawFromText(destination)}`))
    .toString("hex")
    .slice(0, 16);
  return `${basename(destination).replace(/[^A-Za-z0-9._-]/g, "_")}-${hash}`;
}
