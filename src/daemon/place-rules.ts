/**
 * What a store, a scratch directory and a state directory have to be, wherever they are used from: one by one, before anything is
 * written.
 */
import { existsSync, lstatSync, realpathSync, type Stats, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { SCRATCH_LOCK } from "../apply/scratch-areas.js";
import type { FileStat, Site } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { isSite } from "../base/pinned-roots.js";
import { whyItFailed } from "../base/system-error.js";
import { daemonError } from "./errors.js";
import { areApart, isInside, isSameDirectory, liesIn } from "./mounts.js";
import { openStanding, type Refusal, refuseExposed, refuseForeign } from "./own-directory.js";
import { danglingLink, readOnly, whyNotMade } from "./permissions.js";
import { isScratchName, scratchPlaces } from "./twin-record.js";

export function statSource(source: string, site: Site): FileStat {
  const dir = openStanding(source, sourceRefusal(source));
  try {
    if (dir !== undefined && isSite(dir, site)) return dir.statSelf();
  } finally {
    dir?.close();
  }
  throw sourceRefusal(source)("another directory has come to stand there");
}

export function sourceRefusal(source: string): Refusal {
  return (why, cause) => daemonError("source-missing", `reading the source ${source}: ${why}`, cause);
}

export function destinationRefusal(destination: string): Refusal {
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

export function stateRefusal(state: string): Refusal {
  return (why, cause) =>
    daemonError(
      "state-unusable",
      `using the state directory ${state}: ${cause === undefined ? why : whyNotMade(state, cause)}`,
      cause,
    );
}

export function realSource(path: string): string {
  const stat = tryStat(path, sourceRefused, "reading the source");
  if (stat === undefined) throw daemonError("source-missing", `reading the source ${path}: there is no such directory`);
  if (!stat.isDirectory()) throw daemonError("source-missing", `reading the source ${path}: it is not a directory`);
  return realpathSync(path);
}

export function realDestination(path: string): string {
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

/** A store that is a scratch directory, or in one: staging and limbo of a twin. */
export function refuseScratch(store: string): void {
  for (let dir = store; dir !== dirname(dir); dir = dirname(dir)) {
    if (!isScratchName(basename(dir)) || !existsSync(join(dir, SCRATCH_LOCK))) continue;
    const what = dir === store ? "it is" : `it lies in ${dir},`;
    throw daemonError("store-in-scratch", `using the store ${store}: ${what} the scratch directory of a twin`);
  }
}

/** Absolute and real; makes nothing. Throws: state-inside-store, state-unusable. */
export function findState(wished: string, stores: readonly string[]): string {
  const state = realOrWished(wished);
  for (const store of stores) refuseStateInside(state, store);
  refuseForeign(state, stateRefusal(state), { mayBeRead: true });
  refuseExposed(state, stateRefusal(state));
  return state;
}

/** Throws: state-inside-store. */
function refuseStateInside(state: string, store: string): void {
  if (!liesIn(state, store)) return;
  throw daemonError("state-inside-store", `keeping state in ${state}: that is inside the mail store ${store}`);
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

/** `source`: undefined where it is on another host. Beside the destination; where that is a mount point, inside it, unless the destination itself is a mailbox. */
export function findScratch(source: string | undefined, destination: string, wished: string | undefined): string {
  if (wished !== undefined) {
    const scratch = realExceptLast(wished);
    const maildir = isInside(scratch, destination) ? maildirAbove(scratch, destination, source) : undefined;
    if (maildir !== undefined)
      throw daemonError("scratch-unusable", `staging in ${scratch}: that is inside the Maildir ${maildir}`);
    if (isSameDirectory(scratch, destination) || (source !== undefined && liesIn(scratch, source)))
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
  if (hasCur(destination) || (source !== undefined && hasCur(source))) {
    const is = hasCur(destination) ? "is" : "will be";
    throw daemonError(
      "scratch-nowhere",
      `finding a place for staging: ${destination} is a mount point and ${is} a Maildir at once`,
    );
  }
  return within;
}

/** The mailbox at or above `path`, up to `top`: one that is there, or that the source will bring. */
function maildirAbove(path: string, top: string, source: string | undefined): string | undefined {
  for (let dir = path; isInside(dir, top); dir = dirname(dir))
    if (hasCur(dir) || (source !== undefined && hasCur(join(source, relative(top, dir))))) return dir;
  return undefined;
}

/** Absolute, with links resolved as far as it exists: what does not is made there. */
export function realOrWished(path: string): string {
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

/** Undefined for a user without an entry in passwd, unless HOME says it. */
export function homeOf(): string | undefined {
  try {
    const home = homedir();
    return isAbsolute(home) ? home : undefined;
  } catch {
    return undefined;
  }
}
