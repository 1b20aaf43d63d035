/**
 * Which mailboxes does a store have? A mailbox is a directory with a real `cur/`, at any depth: one Maildir, Maildir++
 * folders, LAYOUT=fs nesting and trees of many users are all the same here.
 *
 * INVARIANT: no message directory is ever listed, so the cost is in mailboxes, not in messages.
 * INVARIANT: nothing deeper than `DEPTH_MAX` is walked: each level is walked anew from the root, and whoever owns one can make thousands.
 * INVARIANT: no link is followed; where one stands in the way of mail it is reported, never passed over in silence.
 * fast-glob walks and matches the operator's patterns; what each directory is, is decided here from its entries.
 */
import fastGlob from "fast-glob";
import { assert } from "../base/assert.js";
import { errnoOf } from "../base/errors.js";
import { type GlobEntry, openGlobFs, statThroughLink } from "../base/glob-fs.js";
import { displayRaw, isRawPath, type RawPath, ROOT_PATH } from "../base/raw-name.js";
import { whyItFailed } from "../base/system-error.js";
import { UIDLIST_FILE } from "./mailbox-files.js";
import { isMailboxComponent, isReservedName } from "./mailbox-name.js";

export interface FoundMailbox {
  /** Relative to the store; "" is the root. */
  readonly path: RawPath;
}

export interface DiscoverProblem {
  /** Relative to the store, bytes-in-a-string. */
  readonly path: string;
  /** One of this room's codes, or the errno of a system error ("EACCES"). */
  readonly code: string;
  readonly message: string;
}

export interface DiscoverOptions {
  /**
   * Glob patterns over mailbox paths (bytes-in-a-string). "alice/**" leaves out alice with all her folders and does not
   * walk there. The root itself cannot be left out.
   */
  readonly exclude?: readonly string[];
}

/** A directory that was listed; no message directory, and nothing of a scratch directory. */
export interface FoundDirectory {
  /** As `FoundMailbox.path`. */
  readonly path: RawPath;
  readonly ino: number;
}

/**
 * Levels below the store. With LAYOUT=fs Dovecot 2.3 makes a mailbox as deep as its name can say (tried with 1000 levels); nobody has mail that
 * deep, and a chain of directories costs the square of its length at each look.
 */
export const DEPTH_MAX = 256;

export interface Discovery {
  /** By path, parents before children. */
  readonly mailboxes: readonly FoundMailbox[];
  /** In the order of the walk. */
  readonly directories: readonly FoundDirectory[];
  readonly problems: readonly DiscoverProblem[];
}

/**
 * `rootPath` is absolute, as bytes-in-a-string. Never throws for what it finds on disk. A root that is missing or
 * cannot be read is a problem with path "": then the absence of mailboxes says nothing.
 */
export function discoverMailboxes(rootPath: string, options: DiscoverOptions = {}): Discovery {
  assert(rootPath.startsWith("/"), "the root must be an absolute path");
  const root = rootPath.replace(/\/+$/, "");
  const found = new Set<string>();
  const directories: FoundDirectory[] = [];
  const problems: DiscoverProblem[] = [];
  const relative = (path: string): string => path.slice(root.length).replace(/^\/+/, "");
  const fs = openGlobFs({
    root: root === "" ? "/" : root,
    onDirectory: (path, entries, ino) => {
      const below = relative(path);
      const verdict = judgeDirectory(below, entries);
      if (verdict === undefined) return [];
      if (isRawPath(below)) directories.push({ path: below, ino });
      if (verdict.isMailbox) found.add(below);
      problems.push(...verdict.problems, ...linkProblems(path, below, verdict.links));
      if (depthOf(below) < DEPTH_MAX || verdict.descend.length === 0) return verdict.descend;
      problems.push(depthProblem(below));
      return [];
    },
    onError: (path, error) => {
      const problem = problemOfError(relative(path), error);
      if (problem !== undefined) problems.push(problem);
    },
  });
  const matched = fastGlob.sync("**", {
    cwd: root === "" ? "/" : root,
    ignore: [...(options.exclude ?? [])],
    fs,
    dot: true,
    onlyDirectories: true,
    followSymbolicLinks: false,
    unique: false,
  });
  const paths = new Set([ROOT_PATH, ...matched].filter((path) => found.has(path)));
  const mailboxes = [...paths].filter(isRawPath).sort(compareByComponent);
  problems.sort((a, b) => compareText(a.path, b.path));
  return { mailboxes: mailboxes.map((path) => ({ path })), directories, problems };
}

interface DirectoryVerdict {
  readonly isMailbox: boolean;
  readonly descend: readonly GlobEntry[];
  /** Links that may hide mail; their targets have to be looked at. */
  readonly links: readonly GlobEntry[];
  readonly problems: readonly DiscoverProblem[];
}

/** What a directory is, from its entries alone; undefined for what is not of this store. */
function judgeDirectory(path: string, entries: readonly GlobEntry[]): DirectoryVerdict | undefined {
  const at = (name: string): string => (path === "" ? name : `${path}/${name}`);
  const problems: DiscoverProblem[] = [];
  const kinds = new Map(
    entries
      .filter((entry) => PARTS.has(entry.name))
      .map((entry) => [entry.name, entry.isSymbolicLink() ? "link" : "real"]),
  );
  const hasCur = entries.some((entry) => entry.name === "cur" && entry.isDirectory());
  if (!hasCur && isScratch(path, entries)) return undefined;
  // A pipe or a file in the place of cur/ is none either: beside new/ or tmp/ it is half a mailbox, too.
  const odd = entries.find((entry) => entry.name === "cur" && !entry.isDirectory() && !entry.isSymbolicLink());
  const isPart = (entry: GlobEntry): boolean =>
    entry.name === UIDLIST_FILE ? entry.isFile() : odd !== undefined && PARTS.has(entry.name) && entry.isDirectory();
  const isBroken = !hasCur && kinds.get("cur") !== "link" && entries.some(isPart);
  if (isBroken) problems.push(brokenProblem(path, odd));
  const looksLikeMailbox = hasCur || isBroken || kinds.get("cur") === "link";
  const linkedParts = looksLikeMailbox ? [...kinds].filter(([, kind]) => kind === "link").map(([name]) => name) : [];
  for (const name of linkedParts)
    problems.push(linkProblem(at(name), "a symbolic link stands in the place of a message directory"));
  const descend: GlobEntry[] = [];
  const links: GlobEntry[] = [];
  for (const entry of entries) {
    if (isPassedOver(entry.name, looksLikeMailbox)) continue;
    if (entry.isSymbolicLink()) links.push(entry);
    else if (entry.isDirectory() && isMailboxComponent(entry.name)) descend.push(entry);
    else if (entry.isDirectory()) problems.push(nameProblem(at(entry.name)));
  }
  return { isMailbox: hasCur && linkedParts.length === 0, descend, links, problems };
}

const SCRATCH_NAME = /(?:^|\/)\.[^/]*\.mailtwin$/;
/** Stands in every scratch directory (daemon/hold-destination.ts). */
const SCRATCH_LOCK = "lock.db";

/**
 * Staging and limbo of a twin whose destination lies beside, as its name and its lock say: not mail of this store. A Maildir++
 * folder may have such a name, and has no such file; `.mailtwin` itself is a reserved name.
 */
function isScratch(path: string, entries: readonly GlobEntry[]): boolean {
  return SCRATCH_NAME.test(path) && entries.some((entry) => entry.name === SCRATCH_LOCK && entry.isFile());
}

const PARTS = new Set(["cur", "new", "tmp"]);

/** Outside of a mailbox, a "new" is no message directory but something (a user?) that no path can name: a problem. */
function isPassedOver(name: string, insideMailbox: boolean): boolean {
  return isReservedName(name) && (insideMailbox || !PARTS.has(name));
}

/** A link to a directory may hide a mailbox or a whole domain; a link to a file (a sieve script) is nobody's concern. */
function linkProblems(absolute: string, path: string, links: readonly GlobEntry[]): DiscoverProblem[] {
  return links.flatMap(({ name }) => {
    const shown = path === "" ? name : `${path}/${name}`;
    try {
      const target = statThroughLink(`${absolute}/${name}`);
      return target?.isDirectory() === true
        ? [linkProblem(shown, "a symbolic link to a directory is not followed")]
        : [];
    } catch (error) {
      const problem = problemOfError(shown, error);
      return problem === undefined ? [] : [problem];
    }
  });
}

function linkProblem(path: string, why: string): DiscoverProblem {
  return { path, code: "mailbox-is-link", message: `looking for mailboxes at ${displayRaw(path)}: ${why}` };
}

/** `odd`: what stands in the place of cur/, if anything. */
function brokenProblem(path: string, odd: GlobEntry | undefined): DiscoverProblem {
  const shown = path === "" ? "the root" : displayRaw(path);
  const what = odd?.isFile() === true ? "a file" : "something that is no directory";
  const why =
    odd === undefined ? "it has a dovecot-uidlist, but no cur/" : `${what} stands in the place of its directory cur/`;
  const message = `looking for mailboxes at ${shown}: ${why}`;
  return { path, code: "mailbox-without-cur", message };
}

function nameProblem(path: string): DiscoverProblem {
  const message = `looking for mailboxes at ${displayRaw(path)}: no mailbox can have that name`;
  return { path, code: "mailbox-name-invalid", message };
}

function depthOf(path: string): number {
  return path === "" ? 0 : path.split("/").length;
}

function depthProblem(path: string): DiscoverProblem {
  const message = `looking for mailboxes below ${displayRaw(path)}: it is ${DEPTH_MAX} levels below the store, and there are more`;
  return { path, code: "mailbox-too-deep", message };
}

/** Below the root, what vanished meanwhile is no problem. Throws what is no system error. */
function problemOfError(path: string, error: unknown): DiscoverProblem | undefined {
  const code = errnoOf(error);
  if (code === undefined) throw error;
  if (path !== "" && (code === "ENOENT" || code === "ENOTDIR")) return undefined;
  return {
    path,
    code,
    message: `looking for mailboxes in ${displayRaw(path === "" ? "the root" : path)}: ${whyItFailed(error)}`,
  };
}

/** "a", "a/b", "a.b": a "/" sorts before every other byte, so that children follow their parent. */
function compareByComponent(a: string, b: string): number {
  return compareText(a.replaceAll("/", "\0"), b.replaceAll("/", "\0"));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
