/**
 * Finds the state database that a command of this directory reads, and opens it read-only. Whoever writes it may run meanwhile: nothing
 * here keeps it from writing, or holds anything open between two reads.
 */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../base/errors.js";
import { displayRaw, rawFromText } from "../../base/raw-name.js";
import type { StateReader } from "../../log/state-ports.js";
import { openStateReader } from "../../log/state-reader.js";
import { closest } from "../config/closest.js";
import type { Config } from "../config/config.js";
import { loadConfig, refusalOf, surroundingsOfProcess } from "../config/load-config.js";
import { formatProblem } from "../config/problem.js";
import { daemonError } from "../errors.js";
import type { Output } from "../output.js";

export interface LogFlags {
  readonly config?: string;
  readonly store?: string;
  readonly state?: string;
  readonly json?: boolean;
}

/** The path of the database. What is wrong with a configuration is told. Throws: usage, config-missing, config-wrong, store-unknown. */
export function findLog({ config, store, state }: LogFlags, output: Output): string {
  for (const [name, value] of Object.entries({ config, store, state }))
    if (value === "") throw daemonError("usage", `reading the command line: --${name} is empty ("")`);
  if (state === undefined) return logOfStore(readConfig(config, output), store);
  if (config !== undefined || store !== undefined)
    throw daemonError("usage", "reading the command line: --state is another place than --config and --store name");
  return join(state, "source.db");
}

/** Throws: log-missing, and the codes of opening a state database. */
export function openLog(path: string): StateReader {
  if (inodeOf(path) === undefined)
    throw daemonError("log-missing", `reading the replication log: there is no ${displayRaw(rawFromText(path))}`);
  return openStateReader(path);
}

/** Of the file at that path; undefined if there is none. */
export function inodeOf(path: string): number | undefined {
  try {
    return lstatSync(path).ino;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
    throw error;
  }
}

function readConfig(file: string | undefined, output: Output): Config {
  const loaded = loadConfig(file, surroundingsOfProcess());
  if (loaded.kind === "right") return loaded.config;
  for (const problem of loaded.problems) output.err(`${formatProblem(problem)}\n`);
  throw refusalOf(loaded.files[0] ?? "", loaded.problems);
}

function logOfStore({ stateDir, stores }: Config, asked: string | undefined): string {
  const doing = "choosing a store";
  const sources: readonly string[] = [...stores.values()]
    .filter((it) => it.role.kind === "source")
    .map((it) => it.name);
  const name = asked ?? sources[0];
  if (name === undefined)
    throw daemonError("store-unknown", `${doing}: no store of the configuration is a source here`);
  if (asked === undefined && sources.length > 1)
    throw daemonError("store-unknown", `${doing}: there are several (${sources.join(", ")}), and no --store`);
  if (!sources.includes(name)) {
    const isReplica = [...stores.keys()].some((store) => store === name);
    const near = closest(name, sources);
    const shown = displayRaw(rawFromText(name));
    const why = isReplica ? `${shown} is a replica here: its log is on the other side` : `there is no store ${shown}`;
    throw daemonError("store-unknown", `${doing}: ${why}${near === undefined ? "" : `; did you mean ${near}?`}`);
  }
  return join(stateDir, "stores", name, "source.db");
}
