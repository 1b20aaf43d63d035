/**
 * Where everything of a local twin is: the two stores, the scratch directory beside the destination, the state directory.
 * Checked before anything is written.
 *
 * INVARIANT: state, staging and limbo never lie below a mail root (Dovecot would take them for folders, R19).
 */
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { ASIDE, HELD, PARKED } from "../apply/scratch-areas.js";
import { giveTo } from "../base/disk-node-file.js";
import { errnoOf } from "../base/errors.js";
import { sha256 } from "../base/hash.js";
import { rawFromText } from "../base/raw-name.js";
import { whyItFailed } from "../base/system-error.js";
import { daemonError } from "./errors.js";
import { danglingLink, readOnly, refuseUnreadable, refuseUnusableState, whyNotMade } from "./permissions.js";

export interface Places {
  /** Absolute and real, as text. */
  readonly source: string;
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
  if (source === destination)
    throw daemonError("stores-overlap", `twinning ${source} to ${destination}: they are the same directory`);
  if (isInside(source, destination) || isInside(destination, source)) {
    throw daemonError("stores-overlap", `twinning ${source} to ${destination}: one lies inside the other`);
  }
  const scratch = findScratch(source, destination, options.scratch);
  const state = realOrWished(options.state ?? join(stateHome(), "mailtwin", linkName(source, destination)));
  for (const store of [source, destination]) {
    if (isInside(state, store))
      throw daemonError("state-inside-store", `keeping state in ${state}: that is inside the mail store ${store}`);
  }
  refuseUnreadable({ source, destination });
  return { source, destination, scratch, state };
}

/** Makes the directories that are ours; the destination with the source's owner and mode. What is refused leaves none of them. */
export function makePlaces({ source, destination, scratch, state }: Places): void {
  const like = statSync(source);
  const made: string[] = [];
  try {
    makeState(state, made);
    if (makeDir(destination, "destination-unusable", made)) ownLike(destination, like);
    makeDir(scratch, "scratch-unusable", made);
    if (statSync(scratch).dev !== statSync(destination).dev) {
      throw daemonError("scratch-unusable", `staging in ${scratch}: it is not on the file system of ${destination}`);
    }
  } catch (error) {
    takeBack(made);
    throw error;
  }
}

/** Innermost last. One that somebody has put something into meanwhile stays, and all that holds it. */
function takeBack(made: readonly string[]): void {
  try {
    for (const path of made.toReversed()) rmdirSync(path);
  } catch {
    // Why the run was refused is what matters.
  }
}

function ownLike(path: string, like: Stats): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fchmodSync(fd, giveTo(fd, like, like.mode & 0o7777)); // not at mkdir, where the umask would take bits away.
  } finally {
    closeSync(fd);
  }
}

/** `made`: gets what was not there before. */
function makeState(path: string, made: string[]): void {
  try {
    const first = mkdirSync(path, { recursive: true, mode: 0o700 });
    if (first !== undefined) made.push(...directoriesFrom(first, path));
  } catch (cause) {
    throw daemonError("state-unusable", `making the state directory ${path}: ${whyNotMade(path, cause)}`, cause);
  }
  refuseUnusableState(path);
}

function directoriesFrom(first: string, last: string): string[] {
  const all = [last];
  for (let dir = last; dir !== first; dir = dirname(dir)) all.unshift(dirname(dir));
  return all;
}

const STATE_FILES = ["source.db", "replica.db"] as const;

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
  for (const file of STATE_FILES)
    for (const suffix of ["", "-wal", "-shm"]) rmSync(join(state, file + suffix), { force: true });
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
    const scratch = realOrWished(wished);
    const maildir = isInside(scratch, destination) ? maildirAbove(scratch, destination, source) : undefined;
    if (maildir !== undefined)
      throw daemonError("scratch-unusable", `staging in ${scratch}: that is inside the Maildir ${maildir}`);
    if (scratch === destination || isInside(scratch, source))
      throw daemonError("scratch-unusable", `staging in ${scratch}: that is a mail store, or inside the source`);
    return scratch;
  }
  const parent = dirname(destination);
  if (hasCur(parent))
    throw daemonError(
      "scratch-unusable",
      `finding a place for staging: ${parent}, beside the destination, is a Maildir`,
    );
  const own = statSync(destination, { throwIfNoEntry: false });
  if (own === undefined || own.dev === statSync(parent).dev) return join(parent, `.${basename(destination)}.mailtwin`);
  if (hasCur(destination) || hasCur(source)) {
    const is = hasCur(destination) ? "is" : "will be";
    throw daemonError(
      "scratch-unusable",
      `finding a place for staging: ${destination} is a mount point and ${is} a Maildir at once; a directory below it could be DST`,
    );
  }
  return join(destination, ".mailtwin");
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

function hasCur(path: string): boolean {
  return statSync(join(path, "cur"), { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Returns whether it was not there before, and is in `made` now. */
function makeDir(path: string, code: "destination-unusable" | "scratch-unusable", made: string[]): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    made.push(path);
    return true;
  } catch (cause) {
    if (errnoOf(cause) === "EEXIST" && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return false;
    if (errnoOf(cause) === "EROFS") throw readOnly(`making ${path}`);
    throw daemonError(code, `making ${path}: ${whyItFailed(cause)}`, cause);
  }
}

function isInside(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}

function stateHome(): string {
  const xdg = process.env["XDG_STATE_HOME"];
  return xdg === undefined || !isAbsolute(xdg) ? join(homedir(), ".local", "state") : xdg;
}

/** Readable and unique: the destination's name and a hash of both paths. */
function linkName(source: string, destination: string): string {
  const hash = sha256(Buffer.from(`${rawFromText(source)}\0${rawFromText(destination)}`))
    .toString("hex")
    .slice(0, 16);
  return `${basename(destination).replace(/[^A-Za-z0-9._-]/g, "_")}-${hash}`;
}
