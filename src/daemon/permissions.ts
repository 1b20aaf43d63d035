/**
 * What this user may do in the directories of a run, asked before anything is begun: a store that cannot be read or written as
 * a whole is refused with one sentence, not with one for each of its mailboxes.
 *
 * What is refused in a part of a store only is that mailbox's problem, and found where it is used.
 */
import { accessSync, constants, lstatSync, readdirSync, readlinkSync, type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { errnoOf } from "../base/errors.js";
import { openFilesMax } from "../base/open-files.js";
import { whyItFailed } from "../base/system-error.js";
import { daemonError } from "./errors.js";

const { R_OK, W_OK, X_OK } = constants;

/** Throws: source-unreadable, destination-unusable. */
export function refuseUnreadable({
  source,
  destination,
}: {
  readonly source: string;
  readonly destination: string;
}): void {
  const atSource = refusalOf(source, R_OK | X_OK);
  if (atSource !== undefined) throw daemonError("source-unreadable", `reading the source ${source}: ${atSource}`);
  const atDestination = isDirectory(destination) ? refusalOf(destination, R_OK | X_OK) : undefined;
  if (atDestination !== undefined)
    throw daemonError("destination-unusable", `reading the destination ${destination}: ${atDestination}`);
}

/** What a run needs at the least: threads, databases, watches, and the mailboxes that are open at once. */
const OPEN_FILES_MIN = 128;

/** Throws: too-few-files. */
export function refuseTooFewFiles(max = openFilesMax()): void {
  if (max === undefined || max >= OPEN_FILES_MIN) return;
  const why = `no more than ${max} files may be open at once, and it needs ${OPEN_FILES_MIN} at the least`;
  throw daemonError("too-few-files", `starting the run: ${why}`);
}

/** Throws: working-directory-gone. */
export function refuseLostDirectory(): void {
  try {
    process.cwd();
  } catch (cause) {
    const why = `the directory it was started in cannot be used any more: ${whyItFailed(cause)}`;
    throw daemonError("working-directory-gone", `starting the run: ${why}`, cause);
  }
}

/**
 * Call it when there is something to write. A destination with mailboxes may lie in a directory that is not ours: they can
 * be. Throws: destination-read-only, destination-unusable.
 */
export function refuseUnwritable(destination: string): void {
  const refused = refusal(destination, W_OK | X_OK);
  const why = refused === undefined ? undefined : whyItFailed(refused);
  if (errnoOf(refused) === "EROFS") throw readOnly(`writing to the destination ${destination}`);
  if (why !== undefined && (!isDirectory(destination) || readdirSync(destination).length === 0))
    throw daemonError("destination-unusable", `writing to the destination ${destination}: ${why}`);
}

/** Throws: state-unusable. */
export function refuseUnusableState(state: string): void {
  const why = refusalOf(state, R_OK | W_OK | X_OK);
  if (why !== undefined) throw daemonError("state-unusable", `using the state directory ${state}: ${why}`);
}

/** `doing`: what to, on that file system. */
export function readOnly(doing: string): Error {
  return daemonError("destination-read-only", `${doing}: the file system is read-only (EROFS)`);
}

/** Why a directory could not be made, in words; `cause` is what mkdir threw, which for a whole path tells little. */
export function whyNotMade(path: string, cause: unknown): string {
  const link = danglingLink(path);
  if (link !== undefined) return link;
  let standing = path;
  while (look(statSync, standing) === undefined && dirname(standing) !== standing) standing = dirname(standing);
  if (!isDirectory(standing)) return standing === path ? "it is not a directory" : `${standing} is not a directory`;
  return refusalOf(standing, W_OK | X_OK) ?? whyItFailed(cause);
}

/** Words for a symbolic link that leads nowhere; undefined where none stands. */
export function danglingLink(path: string): string | undefined {
  if (look(lstatSync, path)?.isSymbolicLink() !== true || look(statSync, path) !== undefined) return undefined;
  return `it is a symbolic link to ${resolve(dirname(path), readlinkSync(path))}, which does not exist`;
}

/** Why a directory cannot be read, in words; undefined where it can. */
export function refusalOfReading(path: string): string | undefined {
  return refusalOf(path, R_OK | X_OK);
}

/** In words; undefined where the system does not refuse. */
function refusalOf(path: string, mode: number): string | undefined {
  const refused = refusal(path, mode);
  return refused === undefined ? undefined : whyItFailed(refused);
}

function refusal(path: string, mode: number): unknown {
  try {
    accessSync(path, mode);
    return undefined;
  } catch (error) {
    return error;
  }
}

function isDirectory(path: string): boolean {
  return look(statSync, path)?.isDirectory() === true;
}

/** Undefined for whatever cannot be looked at. */
function look(stat: typeof statSync | typeof lstatSync, path: string): Stats | undefined {
  try {
    return stat(path);
  } catch {
    return undefined;
  }
}
