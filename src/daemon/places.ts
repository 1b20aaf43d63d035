/**
 * Where everything of a local twin is: the two stores, the scratch directory beside the destination, the state directory.
 * Checked before anything is written.
 *
 * INVARIANT: state, staging and limbo never lie below a mail root (Dovecot would take them for folders, R19).
 */
import { mkdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, resolve, sep } from "node:path";
import { errnoOf } from "../base/errors.js";
import { sha256 } from "../base/hash.js";
import { rawFromText } from "../base/raw-name.js";
import { daemonError } from "./errors.js";

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

/** Finds and checks the places; makes nothing. Throws: source-missing, destination-unusable, stores-overlap, … */
export function findPlaces(sourceArg: string, destinationArg: string, options: PlaceOptions): Places {
  const source = realSource(sourceArg);
  const destination = realDestination(destinationArg);
  if (isInside(source, destination) || isInside(destination, source)) {
    throw daemonError("stores-overlap", `twinning ${source} to ${destination}: one lies inside the other`);
  }
  const scratch = findScratch(destination, options.scratch);
  const state =
    options.state === undefined ? join(stateHome(), "mailtwin", linkName(source, destination)) : resolve(options.state);
  for (const store of [source, destination]) {
    if (isInside(state, store))
      throw daemonError("state-inside-store", `keeping state in ${state}: that is inside the mail store ${store}`);
  }
  return { source, destination, scratch, state };
}

/** Makes the directories that are ours; the destination with the source's owner and mode. */
export function makePlaces({ source, destination, scratch, state }: Places): void {
  const like = statSync(source);
  makeDir(destination, like.mode & 0o7777, "destination-unusable");
  makeDir(scratch, 0o700, "scratch-unusable");
  mkdirSync(state, { recursive: true, mode: 0o700 });
  if (statSync(scratch).dev !== statSync(destination).dev) {
    throw daemonError("scratch-unusable", `staging in ${scratch}: it is not on the file system of ${destination}`);
  }
}

function realSource(path: string): string {
  const stat = tryStat(path, "source-missing", "reading the source");
  if (stat === undefined) throw daemonError("source-missing", `reading the source ${path}: there is no such directory`);
  if (!stat.isDirectory()) throw daemonError("source-missing", `reading the source ${path}: it is not a directory`);
  return realpathSync(path);
}

function realDestination(path: string): string {
  const stat = tryStat(path, "destination-unusable", "using the destination");
  if (stat?.isDirectory() === true) return realpathSync(path);
  if (stat !== undefined)
    throw daemonError("destination-unusable", `using the destination ${path}: it is not a directory`);
  const parent = dirname(resolve(path));
  if (tryStat(parent, "destination-unusable", "using the destination's parent")?.isDirectory() !== true) {
    throw daemonError("destination-unusable", `making the destination ${path}: its parent directory does not exist`);
  }
  return join(realpathSync(parent), basename(resolve(path)));
}

function tryStat(path: string, code: "source-missing" | "destination-unusable", doing: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    throw daemonError(code, `${doing} ${path}: ${errnoOf(cause) ?? String(cause)}`, cause);
  }
}

/** Beside the destination; where that is a mount point, inside it, unless the destination itself is a mailbox. */
function findScratch(destination: string, wished: string | undefined): string {
  if (wished !== undefined) {
    const scratch = resolve(wished);
    if (isInside(scratch, destination) && hasCur(destination)) {
      throw daemonError("scratch-unusable", `staging in ${scratch}: that is inside the Maildir ${destination}`);
    }
    return scratch;
  }
  const parent = dirname(destination);
  const own = statSync(destination, { throwIfNoEntry: false });
  if (own === undefined || own.dev === statSync(parent).dev) return join(parent, `.${basename(destination)}.mailtwin`);
  if (hasCur(destination)) {
    throw daemonError(
      "scratch-unusable",
      `finding a place for staging: ${destination} is a mount point and a Maildir at once`,
    );
  }
  return join(destination, ".mailtwin");
}

function hasCur(path: string): boolean {
  return statSync(join(path, "cur"), { throwIfNoEntry: false })?.isDirectory() === true;
}

function makeDir(path: string, mode: number, code: "destination-unusable" | "scratch-unusable"): void {
  try {
    mkdirSync(path, { mode });
  } catch (cause) {
    if (errnoOf(cause) === "EEXIST") return;
    throw daemonError(code, `making ${path}: ${errnoOf(cause) ?? String(cause)}`, cause);
  }
}

function isInside(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}

function stateHome(): string {
  const xdg = process.env["XDG_STATE_HOME"];
  return xdg === undefined || xdg === "" ? join(homedir(), ".local", "state") : xdg;
}

/** Readable and unique: the destination's name and a hash of both paths. */
function linkName(source: string, destination: string): string {
  const hash = sha256(Buffer.from(`${rawFromText(source)}\0${rawFromText(destination)}`))
    .toString("hex")
    .slice(0, 16);
  return `${basename(destination).replace(/[^A-Za-z0-9._-]/g, "_")}-${hash}`;
}
