/**
 * Which limbos a command of this directory is about: that of a local twin, by its SRC and DST, or those of the daemon's replicas on
 * this host. Nothing is made or opened for writing: whoever replicates may run meanwhile.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { displayRaw, rawFromText } from "../../base/raw-name.js";
import type { Store } from "../config/config.js";
import { loadConfig, surroundingsOfProcess, tellingRefusalOf } from "../config/load-config.js";
import { daemonError } from "../errors.js";
import { findScratch, realDestination } from "../place-rules.js";
import { findPlaces } from "../places.js";
import type { RemoteFlags } from "../remote-flags.js";

export interface LimboFlags extends RemoteFlags {
  readonly config?: string;
  readonly control?: string;
  readonly store?: string;
  /** Its limbo is on another host (far-limbo.ts). */
  readonly replica?: string;
  readonly state?: string;
  readonly scratch?: string;
  readonly json?: boolean;
}

/** Absolute paths, as text. */
export interface LimboPlace {
  /** For people: the store's name, or where the twin is. */
  readonly store: string;
  readonly database: string;
  readonly limbo: string;
  /** Undefined: on another host. */
  readonly source: { readonly store: string; readonly database: string } | undefined;
}

/** At least one. Throws: usage, limbo-missing, store-unknown, config-missing, and what finding the places of a twin throws. */
export function findLimbos(
  source: string | undefined,
  destination: string | undefined,
  flags: LimboFlags,
): readonly LimboPlace[] {
  const { config, store, state, scratch } = flags;
  for (const [name, value] of Object.entries({ SRC: source, DST: destination, config, store, state, scratch }))
    if (value === "") throw usage(`${name} is empty ("")`);
  if ((flags.rsh ?? flags.remoteMailtwin) !== undefined)
    throw usage("--rsh and --remote-mailtwin are for a DST on another host");
  if (flags.control !== undefined) throw usage("--control goes with --replica");
  if (source !== undefined) {
    if (destination === undefined) throw usage("SRC stands without DST");
    if (config !== undefined || store !== undefined) throw usage("--config and --store are for stores of the daemon");
    return [standing(ofTwin(source, destination, flags))];
  }
  if (state !== undefined || scratch !== undefined) {
    if (state === undefined || scratch === undefined)
      throw usage("without SRC and DST, --state and --scratch go together");
    const names = { store: state, database: join(state, "replica.db"), limbo: join(scratch, "limbo") };
    return [standing({ ...names, source: undefined })];
  }
  return ofDaemon(config, store);
}

function ofTwin(source: string, destination: string, { state, scratch }: LimboFlags): LimboPlace {
  const places = findPlaces(source, destination, { state, scratch });
  return {
    store: places.destination,
    database: join(places.state, "replica.db"),
    limbo: join(places.scratch, "limbo"),
    source: { store: places.source, database: join(places.state, "source.db") },
  };
}

function ofDaemon(file: string | undefined, asked: string | undefined): readonly LimboPlace[] {
  const loaded = loadConfig(file, surroundingsOfProcess());
  if (loaded.kind === "wrong") throw tellingRefusalOf(loaded.files[0] ?? "", loaded.problems);
  const { stateDir, stores } = loaded.config;
  const replicas = [...stores.values()].filter(({ role }) => role.kind === "replica");
  const meant = replicas.filter(({ name }) => asked === undefined || name === asked);
  if (meant.length === 0) {
    const what = asked === undefined ? "no store has a source" : `there is no store ${shown(asked)} with a source`;
    throw daemonError("limbo-missing", `choosing a store: ${what} in the configuration`);
  }
  const all = meant.map((store) => ofStore(store, join(stateDir, "stores", store.name)));
  const there = all.filter(({ database }) => existsSync(database));
  return there.length > 0 ? there : all.map(standing); // which throws.
}

function ofStore({ name, path, scratch }: Store, state: string): LimboPlace {
  const limbo = join(findScratch(undefined, realDestination(path), scratch), "limbo");
  return { store: name, database: join(state, "replica.db"), limbo, source: undefined };
}

/** Throws: limbo-missing. */
function standing(place: LimboPlace): LimboPlace {
  if (existsSync(place.database)) return place;
  throw daemonError(
    "limbo-missing",
    `reading the limbo of ${shown(place.store)}: there is no ${shown(place.database)}`,
  );
}

function usage(words: string): Error {
  return daemonError("usage", `reading the command line: ${words}`);
}

function shown(text: string): string {
  return displayRaw(rawFromText(text));
}
