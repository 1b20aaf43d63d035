/**
 * Which state database a command of this directory reads: of a store of the configuration, or of a state directory alone. Whoever looks
 * for what is wrong can do so while the configuration is: what is right of it says where the state is, else the default does.
 */
import { type Dirent, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, MailtwinError } from "../../base/errors.js";
import { displayRaw, rawFromText } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import { closest } from "../config/closest.js";
import type { Config } from "../config/config.js";
import { defaultStateDir } from "../config/default-places.js";
import { loadConfig, surroundingsOfProcess, tellingRefusalOf } from "../config/load-config.js";
import { controlError } from "../control-errors.js";
import { daemonError } from "../errors.js";
import type { Output } from "../output.js";
import { wordsOfReplicas } from "../replica-words.js";
import { ROLE_FILE } from "../run/store-role.js";

export interface LogFlags {
  readonly config?: string;
  readonly store?: string;
  readonly state?: string;
  readonly json?: boolean;
}

const DATABASE = "source.db";
const STORES = "stores";
const CHOOSING = "choosing a store";

/** The path of the database. What is wrong with a configuration is told. Throws: usage, config-missing, store-unknown, not-the-source, log-missing. */
export function findLog({ config, store, state }: LogFlags, output: Pick<Output, "err">): string {
  for (const [name, value] of Object.entries({ config, store, state }))
    if (value === "") throw daemonError("usage", `reading the command line: --${name} is empty ("")`);
  if (state === undefined) return logOfConfig(config, store, output);
  if (config !== undefined)
    throw daemonError("usage", "reading the command line: --state is another place than --config names");
  // Of a `mailtwin sync`, or the state_dir of a daemon.
  const isOfDaemon = !existsSync(join(state, DATABASE)) && existsSync(join(state, STORES));
  if (!isOfDaemon && store !== undefined)
    throw daemonError("usage", `reading the command line: --state ${shown(state)} has one store, and --store names it`);
  return isOfDaemon ? logBelow(state, store) : join(state, DATABASE);
}

function logOfConfig(file: string | undefined, store: string | undefined, output: Pick<Output, "err">): string {
  const tell = (why: string, stateDir: string) =>
    output.err(`warning: ${why} (the state is looked for in ${shown(stateDir)}; --state names another one)\n`);
  const surroundings = surroundingsOfProcess();
  try {
    const loaded = loadConfig(file, surroundings);
    if (loaded.kind === "right") return logOfStore(loaded.config, store);
    tell(tellingRefusalOf(loaded.files[0] ?? "", loaded.problems).message, loaded.stateDir);
    return logBelow(loaded.stateDir, store);
  } catch (error) {
    const isGone = error instanceof MailtwinError && error.code === "config-missing" && file === undefined;
    const stateDir = isGone ? defaultStateDir(surroundings) : undefined;
    if (stateDir === undefined || !existsSync(join(stateDir, STORES))) throw error;
    tell((error as Error).message, stateDir);
    return logBelow(stateDir, store);
  }
}

function logOfStore({ stateDir, stores }: Config, asked: string | undefined): string {
  const sources: readonly string[] = [...stores.values()]
    .filter((it) => it.role.kind === "source")
    .map((it) => it.name);
  const meant = [...stores.values()].filter((it) => asked === undefined || it.name === asked);
  const name = choose(asked, sources, { of: "the configuration", replicas: wordsOfReplicas(meant) });
  return join(stateDir, STORES, name, DATABASE);
}

/** Of a daemon's state directory, whatever the configuration says. */
function logBelow(stateDir: string, asked: string | undefined): string {
  const below = join(stateDir, STORES);
  const names = entriesOf(below).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  const has = (name: string, database: string) => existsSync(join(below, name, database));
  const sources = names
    .filter((name) => has(name, DATABASE) && (name === asked || !isReplica(join(below, name))))
    .sort();
  const replicas = names
    .filter((name) => (asked === undefined || name === asked) && has(name, "replica.db"))
    .map((name) => `of ${shown(name)} this host has the replica`);
  return join(below, choose(asked, sources, { of: shown(stateDir), replicas }), DATABASE);
}

/** `of`: what has them. `replicas`: of those that are meant. Throws: store-unknown, not-the-source. */
function choose(
  asked: string | undefined,
  sources: readonly string[],
  { of, replicas }: { readonly of: string; readonly replicas: readonly string[] },
): string {
  const name = asked ?? sources[0];
  if (replicas.length > 0 && (name === undefined || !sources.includes(name)))
    throw controlError(
      "not-the-source",
      `${CHOOSING}: the log is at the source; ${replicas.join("; ")} (\`mailtwin status\` here says what this replica refuses)`,
    );
  if (name === undefined) throw daemonError("store-unknown", `${CHOOSING}: no store of ${of} is a source here`);
  if (asked === undefined && sources.length > 1)
    throw daemonError(
      "store-unknown",
      `${CHOOSING}: there are several (${sources.map(shown).join(", ")}), and no --store`,
    );
  if (sources.includes(name)) return name;
  const near = closest(name, sources);
  throw daemonError(
    "store-unknown",
    `${CHOOSING}: there is no store ${shown(name)}${near === undefined ? "" : `; did you mean ${near}?`}`,
  );
}

/** Throws: log-missing. */
function entriesOf(below: string): readonly Dirent[] {
  try {
    return readdirSync(below, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw daemonError("log-missing", `looking for stores in ${shown(below)}: ${whyItFailed(error)}`, error);
  }
}

/** A store that was a source before keeps that database. */
function isReplica(state: string): boolean {
  try {
    return readFileSync(join(state, ROLE_FILE), "latin1").trim() === "replica";
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false; // nothing is noted there.
  }
}

function shown(text: string): string {
  return displayRaw(rawFromText(text));
}
