/**
 * `mailtwin pair`: says what another host is to be told of this one, and writes down what this one was told of another.
 *
 * INVARIANT: a configuration has no more problems afterwards than before: it is judged with the peer in it before anything is written,
 * and once more as it is read then, and what made it wrong is taken back. Nothing that is there is replaced.
 */
import { dirname, join } from "node:path";
import type { Dir } from "../../base/disk.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { EX, errnoOf, MailtwinError } from "../../base/errors.js";
import { randomHex } from "../../base/random.js";
import { isRawName, rawFromText } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import { isKeyName } from "../../wire/key-name.js";
import { readSiteKey } from "../../wire/keys.js";
import type { Surroundings } from "../config/default-places.js";
import { judgeConfig, type ReadConfig } from "../config/judge-config.js";
import { surroundingsOfProcess } from "../config/load-config.js";
import { readPeerName } from "../config/names.js";
import { type ConfigProblem, formatPlace, formatProblem } from "../config/problem.js";
import { readConfigFiles } from "../config/read-files.js";
import { controlError } from "../control-errors.js";
import { daemonError } from "../errors.js";
import { makeLevel } from "../make-level.js";
import type { Output } from "../output.js";
import { rightsWished } from "./look-at-config.js";
import { peerFile, snippetForOther } from "./peer-toml.js";
import { keyFileOf, lookAtSite, ownSiteOf, type Site, type SiteFlags } from "./site.js";

export interface PairFlags extends SiteFlags {
  readonly mayRead?: readonly string[];
  readonly mayWrite?: readonly string[];
}

const DIRECTORY_MODE = 0o755;
const FILE_MODE = 0o644;

/** Without `key` nothing is written. Returns the exit code. Throws: usage, config-missing, key-unusable, peer-exists, peer-wrong, … */
export function pairWith(
  { name, key }: { readonly name: string | undefined; readonly key: string | undefined },
  flags: PairFlags,
  output: Output,
): number {
  const surroundings = surroundingsOfProcess();
  const site = lookAtSite(flags, surroundings);
  if (name !== undefined) refuseName(name);
  if (name === undefined || key === undefined) {
    const own = readSiteKey(keyFileOf(flags, site)).name;
    return tellOwn({ name, own }, { site, flags }, output);
  }
  return writeDown({ name, key: keyNameOf(key) }, { site, flags, surroundings }, output);
}

function tellOwn(
  { name, own }: { readonly name: string | undefined; readonly own: string },
  { site, flags }: { readonly site: Site; readonly flags: PairFlags },
  output: Output,
): number {
  const snippet = snippetForOther(ownSiteOf(flags, site, own), site.look, name);
  output.out(flags.json === true ? `${JSON.stringify({ own, snippet })}\n` : snippet);
  return EX.OK;
}

interface Writing {
  readonly site: Site;
  readonly flags: PairFlags;
  readonly surroundings: Surroundings;
}

function writeDown(
  { name, key }: { readonly name: string; readonly key: string },
  { site, flags, surroundings }: Writing,
  output: Output,
): number {
  if (site.main === undefined || site.read === undefined) throw missing(site.main);
  const own = ownKeyName(flags, site);
  if (own === key)
    throw daemonError("usage", `pairing with ${name}: that is the key of this host, not of the other one`);
  const wished = rightsWished(site.look, name);
  const rights = {
    mayRead: [...wished.mayRead, ...(flags.mayRead ?? [])],
    mayWrite: [...wished.mayWrite, ...(flags.mayWrite ?? [])],
  };
  const file = join(dirname(site.main), "conf.d", `peer-${name}.toml`);
  const text = peerFile({ name, key, ...rights });
  const problems = writeUnlessWrong({ file, text }, { main: site.main, read: site.read, surroundings }, output);
  const snippet = own === undefined ? undefined : snippetForOther(ownSiteOf(flags, site, own), site.look, name);
  if (flags.json === true) {
    output.out(`${JSON.stringify({ file, peer: name, key, ...rights, own, snippet, problems: problems.length })}\n`);
    return EX.OK;
  }
  const rest = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  if (problems.length > 0) output.err(`the configuration has ${rest} still: mailtwin config check tells them\n`);
  output.out(`wrote ${file}; a running daemon takes it at mailtwin reload\n`);
  if (snippet === undefined) output.err("this host has no key that could be read: mailtwin keygen makes one\n");
  else output.out(`\n${snippet}`);
  return EX.OK;
}

/** Returns the problems that the configuration had before, and has still. */
function writeUnlessWrong(
  { file, text }: { readonly file: string; readonly text: string },
  {
    main,
    read,
    surroundings,
  }: { readonly main: string; readonly read: ReadConfig; readonly surroundings: Surroundings },
  output: Output,
): readonly ConfigProblem[] {
  const before = problemsOf(read, surroundings);
  const planned = { ...read, files: [...read.files, file], texts: [...read.texts, { file, text }] };
  if (read.files.includes(file)) throw exists(file);
  refuseWorse(before, problemsOf(planned, surroundings), { file, output });
  const directory = openConfD(file);
  try {
    putFile(directory, file, text);
    const after = problemsOf(readConfigFiles(main, surroundings), surroundings);
    try {
      refuseWorse(before, after, { file, output });
    } catch (error) {
      directory.unlink(nameOf(file));
      directory.sync();
      throw error;
    }
    return after;
  } finally {
    directory.close();
  }
}

function problemsOf(read: ReadConfig, surroundings: Surroundings): readonly ConfigProblem[] {
  const judged = judgeConfig(read, surroundings);
  return judged.kind === "right" ? [] : judged.problems;
}

function refuseWorse(
  before: readonly ConfigProblem[],
  after: readonly ConfigProblem[],
  { file, output }: { readonly file: string; readonly output: Pick<Output, "err"> },
): void {
  const known = new Set(before.map(identityOf));
  const added = after.filter((problem) => !known.has(identityOf(problem)));
  if (added.length === 0) return;
  for (const problem of added) output.err(`${formatProblem(problem)}\n`);
  const count = added.length === 1 ? "a problem" : `${added.length} problems`;
  throw controlError("peer-wrong", `writing ${file}: the configuration would have ${count} more`);
}

/** Advice may list what there is, and that has changed. */
function identityOf({ at, why }: ConfigProblem): string {
  return `${formatPlace(at)} ${why}`;
}

function openConfD(file: string): Dir {
  const path = dirname(file);
  const directory = refusing(file, () => {
    makeLevel(path, DIRECTORY_MODE);
    return openNodeDisk().openRoot(rawFromText(path));
  });
  if (directory === undefined) throw controlError("peer-unwritable", `writing ${file}: its directory is not there`);
  return directory;
}

function putFile(directory: Dir, file: string, text: string): void {
  const [name, temp] = [nameOf(file), `.mailtwin-peer-${randomHex(8)}`];
  refusing(file, () => {
    directory.createFile(temp, [Buffer.from(text)], { mode: FILE_MODE, sync: true });
    try {
      directory.link(temp, directory, name); // unlike rename it replaces nothing.
    } catch (error) {
      throw errnoOf(error) === "EEXIST" ? exists(file) : error;
    } finally {
      directory.unlink(temp);
    }
    directory.sync();
  });
}

function refusing<T>(file: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw controlError("peer-unwritable", `writing ${file}: ${whyItFailed(error)}`, error);
  }
}

function nameOf(file: string): string {
  const name = rawFromText(file.slice(dirname(file).length + 1));
  return isRawName(name) ? name : "";
}

/** Undefined where it is not made yet, or is not for this user's eyes: the peer can be written down all the same. */
function ownKeyName(flags: SiteFlags, site: Site): string | undefined {
  try {
    return readSiteKey(keyFileOf(flags, site)).name;
  } catch (error) {
    if (error instanceof MailtwinError || errnoOf(error) !== undefined) return undefined;
    throw error;
  }
}

function refuseName(name: string): void {
  const reading = readPeerName(name);
  if (reading.kind === "value") return;
  throw daemonError("usage", `reading the command line: NAME: ${reading.why}: ${reading.advice}`);
}

function keyNameOf(written: string): string {
  const key = written.endsWith("=") ? written : `${written}=`;
  if (isKeyName(key)) return key;
  throw daemonError("usage", 'reading the command line: KEY is no name of a key: it is "sha256:" and 44 characters');
}

function exists(file: string) {
  return controlError("peer-exists", `writing ${file}: a file stands there`);
}

function missing(main: string | undefined) {
  const where = main === undefined ? "this user has no home directory" : `${main}: there is no such file`;
  return daemonError("config-missing", `finding the configuration: ${where}`);
}
