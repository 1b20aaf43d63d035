/**
 * Which source a `deletions reject` is about: of a `mailtwin sync`, by its SRC and DST, or a store of the daemon; and where its mail is had
 * from. Nothing is made or opened for writing: whoever replicates may run meanwhile.
 */
import { existsSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { assert } from "../../base/assert.js";
import type { Site } from "../../base/disk.js";
import { displayRaw, isRawPath, type RawPath, rawFromText } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import { BRAKE_KEY, isBraked } from "../../capture/deletion-brake.js";
import { openStateReader } from "../../log/state-reader.js";
import type { RemotePath } from "../../wire/address.js";
import { loadConfig, surroundingsOfProcess, tellingRefusalOf } from "../config/load-config.js";
import { daemonError } from "../errors.js";
import { findSourcePlaces, sourceIdOf } from "../half-places.js";
import { liesIn } from "../mounts.js";
import { findPlaces, stateFor } from "../places.js";
import { type RemoteFlags, type RemoteProgram, remoteAt, remoteProgramOf } from "../remote-flags.js";
import { refuseOtherDirectory } from "../same-stores.js";

export interface SourceFlags extends RemoteFlags {
  readonly from?: string;
  readonly config?: string;
  readonly control?: string;
  readonly store?: string;
  readonly replica?: string;
  readonly state?: string;
  readonly scratch?: string;
}

/** Where mail that is held back is had from. */
export type HeldFrom =
  /** A directory of this host with a copy of the store, mailbox by mailbox at the same paths. */
  | { readonly kind: "copy"; readonly path: string }
  /** The destination of a `sync` over ssh. `sourceId`: whose twin it is. */
  | {
      readonly kind: "link";
      readonly destination: RemotePath;
      readonly program: RemoteProgram;
      readonly sourceId: string;
    }
  /** A replica of the running daemon. */
  | { readonly kind: "daemon"; readonly replica: string };

/** Absolute and real, as text. */
export interface RejectPlace {
  /** For people: the store's name, or the path of SRC. */
  readonly name: string;
  readonly source: string;
  readonly site: Site;
  /** Without which it is not the store; undefined: none is needed. */
  readonly sentinel?: RawPath | undefined;
  readonly state: string;
  readonly from: HeldFrom;
}

interface Found extends Omit<RejectPlace, "from"> {
  /** Throws: usage. */
  readonly choose: () => HeldFrom;
}

/**
 * Undefined where nothing is held back. Throws: usage, store-unknown, log-missing, config-missing, config-wrong, source-missing, those of
 * finding the places of a twin and of the state database.
 */
export function findRejected(
  source: string | undefined,
  destination: string | undefined,
  flags: SourceFlags,
): RejectPlace | undefined {
  const { from, replica } = flags;
  for (const [name, value] of Object.entries({ SRC: source, DST: destination, ...flags }))
    if (value === "") throw usage(`${name} is empty ("")`);
  if (remoteAt(destination ?? "") === undefined && (flags.rsh ?? flags.remoteMailtwin) !== undefined)
    throw usage("--rsh and --remote-mailtwin are for a DST on another host");
  if (from !== undefined && replica !== undefined) throw usage("--from or --replica: the mail comes from one of them");
  const braked = candidates(source, destination, flags).filter(isHolding);
  const [first, second] = braked;
  if (first === undefined) return undefined;
  if (second !== undefined) {
    const names = braked.map(({ name }) => name).join(", ");
    throw usage(`deletions are held back in ${names}; name one with --store`);
  }
  const { choose, ...place } = first;
  return { ...place, from: choose() };
}

function candidates(source: string | undefined, destination: string | undefined, flags: SourceFlags): readonly Found[] {
  const { config, control, store, replica, state, scratch } = flags;
  if (source !== undefined) {
    if (destination === undefined) throw usage("SRC stands without DST");
    if ([config, control, store, replica].some((flag) => flag !== undefined))
      throw usage("--config, --control, --store and --replica are for stores of the daemon");
    return [ofTwin(source, destination, flags)];
  }
  if (state !== undefined || scratch !== undefined) throw usage("--state and --scratch go with SRC and DST");
  return ofDaemon(flags);
}

function ofTwin(source: string, destination: string, flags: SourceFlags): Found {
  const { from, state: wished, scratch } = flags;
  const remote = remoteAt(destination);
  if (remote === undefined) {
    const places = findPlaces(source, destination, { state: wished, scratch });
    const { sourceSite: site, state } = places;
    const choose = () => copyAt(places.source, from ?? places.destination);
    return { name: places.source, source: places.source, site, state, choose };
  }
  const { user, host } = remote.address;
  const shownDestination = `${user === undefined ? "" : `${user}@`}${host}:${remote.path}`;
  const state = wished ?? stateFor(source, shownDestination, basename(remote.path));
  const places = findSourcePlaces(source, state);
  const overLink = { destination: remote, program: remoteProgramOf(flags), sourceId: sourceIdOf(places) };
  const choose = (): HeldFrom => (from === undefined ? { kind: "link", ...overLink } : copyAt(places.store, from));
  return { name: places.store, source: places.store, site: places.site, state: places.state, choose };
}

function ofDaemon({ config: file, store: asked, from, replica }: SourceFlags): readonly Found[] {
  const loaded = loadConfig(file, surroundingsOfProcess());
  if (loaded.kind === "wrong") throw tellingRefusalOf(loaded.files[0] ?? "", loaded.problems);
  const { stateDir, stores } = loaded.config;
  const sources = [...stores.values()].flatMap(({ name, path, sentinel, role }) =>
    role.kind === "source" ? [{ name, path, sentinel, replicas: [...role.replicas.keys()] }] : [],
  );
  const meant = sources.filter(({ name }) => asked === undefined || name === asked);
  if (meant.length === 0) {
    const what = asked === undefined ? "no store" : `no store ${shown(asked)}`;
    throw daemonError("store-unknown", `choosing a store: ${what} of the configuration is a source here`);
  }
  return meant.map(({ name, path, sentinel: needed, replicas }) => {
    const { store: source, site, state } = findSourcePlaces(path, join(stateDir, "stores", name));
    const choose = () => (from === undefined ? replicaOf({ name, replicas }, replica) : copyAt(source, from));
    const sentinel = needed === undefined ? undefined : rawFromText(needed);
    assert(sentinel === undefined || isRawPath(sentinel), "a sentinel is named by its path below the store");
    return { name, source, site, sentinel, state, choose };
  });
}

/** Throws: usage. */
function replicaOf(
  { name, replicas }: { readonly name: string; readonly replicas: readonly string[] },
  asked: string | undefined,
): HeldFrom {
  const meant = replicas.filter((each) => asked === undefined || asked === each || asked === `${name}/${each}`);
  const [replica, second] = meant;
  const copy = "--from DIR names a directory of this host that has a copy of the store";
  if (second !== undefined)
    throw usage(`the mail is to come from a replica: name one with --replica (${meant.join(", ")}); or ${copy}`);
  if (replica !== undefined) return { kind: "daemon", replica };
  const what = asked === undefined ? "has no replica" : `has no replica ${shown(asked)}`;
  throw usage(`${name} ${what}: the mail is to come from a copy: ${copy}`);
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
function copyAt(source: string, from: string): HeldFrom {
  const path = realOf(from);
  if (liesIn(path, source) || liesIn(source, path))
    throw usage(`--from ${shown(from)} is the source, or one lies in the other: it has to be a copy`);
  return { kind: "copy", path };
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
