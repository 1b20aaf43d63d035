/**
 * Which source a `deletions reject` is about: of a `mailtwin sync`, by its SRC and DST, or a store of the daemon; and where on this host
 * a copy of its mail is. Nothing is made or opened for writing: whoever replicates may run meanwhile.
 */
import { existsSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import type { Site } from "../../base/disk.js";
import { displayRaw, rawFromText } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import { BRAKE_KEY, isBraked } from "../../capture/deletion-brake.js";
import { openStateReader } from "../../log/state-reader.js";
import { loadConfig, surroundingsOfProcess, tellingRefusalOf } from "../config/load-config.js";
import { daemonError } from "../errors.js";
import { findSourcePlaces } from "../half-places.js";
import { liesIn } from "../mounts.js";
import { findPlaces, stateFor } from "../places.js";
import { remoteAt } from "../remote-flags.js";
import { refuseOtherDirectory } from "../same-stores.js";

export interface SourceFlags {
  readonly from?: string;
  readonly config?: string;
  readonly store?: string;
  readonly state?: string;
  readonly scratch?: string;
}

/** Absolute and real, as text. */
export interface RejectPlace {
  /** For people: the store's name, or the path of SRC. */
  readonly name: string;
  readonly source: string;
  readonly site: Site;
  readonly state: string;
  /** A directory with a copy of the store, mailbox by mailbox at the same paths. */
  readonly from: string;
}

type Found = Omit<RejectPlace, "from"> & { readonly from: string | undefined };

/**
 * Undefined where nothing is held back. Throws: usage, store-unknown, log-missing, config-missing, config-wrong, source-missing, those of
 * finding the places of a twin and of the state database.
 */
export function findRejected(
  source: string | undefined,
  destination: string | undefined,
  flags: SourceFlags,
): RejectPlace | undefined {
  const { from, config, store, state, scratch } = flags;
  for (const [name, value] of Object.entries({ SRC: source, DST: destination, from, config, store, state, scratch }))
    if (value === "") throw usage(`${name} is empty ("")`);
  const braked = candidates(source, destination, flags).filter(isHolding);
  const [first, second] = braked;
  if (first === undefined) return undefined;
  if (second !== undefined) {
    const names = braked.map(({ name }) => name).join(", ");
    throw usage(`deletions are held back in ${names}; name one with --store`);
  }
  return { ...first, from: copyAt(first) };
}

function candidates(source: string | undefined, destination: string | undefined, flags: SourceFlags): readonly Found[] {
  const { from, config, store, state, scratch } = flags;
  if (source !== undefined) {
    if (destination === undefined) throw usage("SRC stands without DST");
    if (config !== undefined || store !== undefined) throw usage("--config and --store are for stores of the daemon");
    return [ofTwin(source, destination, flags)];
  }
  if (state !== undefined || scratch !== undefined) throw usage("--state and --scratch go with SRC and DST");
  return ofDaemon(config, store, from);
}

function ofTwin(
  source: string,
  destination: string,
  { from, state: wished, scratch }: Pick<SourceFlags, "from" | "state" | "scratch">,
): Found {
  const remote = remoteAt(destination);
  if (remote === undefined) {
    const places = findPlaces(source, destination, { state: wished, scratch });
    const { sourceSite: site, state } = places;
    return { name: places.source, source: places.source, site, state, from: from ?? places.destination };
  }
  const { user, host } = remote.address;
  const shownDestination = `${user === undefined ? "" : `${user}@`}${host}:${remote.path}`;
  const state = wished ?? stateFor(source, shownDestination, basename(remote.path));
  const places = findSourcePlaces(source, state);
  return { name: places.store, source: places.store, site: places.site, state: places.state, from };
}

function ofDaemon(file: string | undefined, asked: string | undefined, from: string | undefined): readonly Found[] {
  const loaded = loadConfig(file, surroundingsOfProcess());
  if (loaded.kind === "wrong") throw tellingRefusalOf(loaded.files[0] ?? "", loaded.problems);
  const { stateDir, stores } = loaded.config;
  const sources = [...stores.values()].filter(({ role }) => role.kind === "source");
  const meant = sources.filter(({ name }) => asked === undefined || name === asked);
  if (meant.length === 0) {
    const what = asked === undefined ? "no store" : `no store ${shown(asked)}`;
    throw daemonError("store-unknown", `choosing a store: ${what} of the configuration is a source here`);
  }
  return meant.map(({ name, path }) => {
    const { store: source, site, state } = findSourcePlaces(path, join(stateDir, "stores", name));
    return { name, source, site, state, from };
  });
}

/** A store that was replaced, or whose file system is not mounted, gets nothing. Throws: log-missing, source-missing. */
function isHolding({ name, source, site, state }: Found): boolean {
  const database = join(state, "source.db");
  if (!existsSync(database))
    throw daemonError("log-missing", `looking for what is held back of ${shown(name)}: there is no ${shown(database)}`);
  using reader = openStateReader(database);
  if (!isBraked(reader.meta(BRAKE_KEY))) return false;
  refuseOtherDirectory(reader, { path: source, site });
  return true;
}

/** Throws: usage. */
function copyAt({ source, from }: Found): string {
  if (from === undefined) {
    const how = "--from DIR names a directory of this host that has a copy of the store";
    const which = "the replica's store, mounted or brought here with rsync -a, or a backup";
    throw usage(`the mail is to come from a copy: ${how} (${which})`);
  }
  const real = realOf(from);
  if (liesIn(real, source) || liesIn(source, real))
    throw usage(`--from ${shown(from)} is the source, or one lies in the other: it has to be a copy`);
  return real;
}

function realOf(from: string): string {
  try {
    return realpathSync(from);
  } catch (error) {
    throw daemonError("usage", `reading the command line: --from ${shown(from)}: ${whyItFailed(error)}`, error);
  }
}

function usage(words: string): Error {
  return daemonError("usage", `reading the command line: ${words}`);
}

function shown(text: string): string {
  return displayRaw(rawFromText(text));
}
