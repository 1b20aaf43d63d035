/**
 * Where one side of a twin is whose other side is on another host: the store, and what is ours for it. As places.ts, half by half.
 */
import { hostname } from "node:os";
import type { FileStat, Site } from "../base/disk.js";
import { sha256 } from "../base/hash.js";
import { rawFromText } from "../base/raw-name.js";
import { openStanding, refuseForeign, siteAt } from "./own-directory.js";
import { refusalOfReading } from "./permissions.js";
import {
  destinationRefusal,
  findScratch,
  findState,
  realDestination,
  realSource,
  refuseScratch,
  scratchRefusal,
  sourceRefusal,
  statSource,
} from "./place-rules.js";
import { makeReceiving, makeState, type Sites } from "./places.js";

export interface SourcePlaces {
  /** Absolute and real. */
  readonly store: string;
  readonly site: Site;
  readonly state: string;
}

export interface ReplicaPlaces {
  /** Absolute and real, but for its last component, which may be made. */
  readonly store: string;
  readonly scratch: string;
  readonly state: string;
}

/** Makes nothing. Throws: source-missing, source-unreadable, store-in-scratch, state-inside-store, state-unusable. */
export function findSourcePlaces(path: string, stateDir: string): SourcePlaces {
  const store = realSource(path);
  refuseScratch(store);
  const state = findState(stateDir, [store]);
  const refused = refusalOfReading(store);
  if (refused !== undefined) throw sourceRefusal(store)(refused);
  const site = siteAt(store, sourceRefusal(store));
  if (site === undefined) throw sourceRefusal(store)("it went away");
  return { store, site, state };
}

/** Makes nothing. Throws: destination-unusable, store-in-scratch, scratch-unusable, scratch-nowhere, state-inside-store, state-unusable. */
export function findReplicaPlaces(
  path: string,
  { state: stateDir, scratch: wished }: { readonly state: string; readonly scratch: string | undefined },
): ReplicaPlaces {
  const store = realDestination(path);
  refuseScratch(store);
  const scratch = findScratch(undefined, store, wished);
  const state = findState(stateDir, [store]);
  refuseForeign(scratch, scratchRefusal(scratch), { mayBeRead: false });
  return { store, scratch, state };
}

/** The state directory of a source. */
export function makeSourcePlaces({ state }: SourcePlaces): void {
  makeState(state, []);
}

/** `like`: of the source's root; undefined where it is not known, and the store has to stand. */
export function makeReplicaPlaces(
  { store, scratch, state }: ReplicaPlaces,
  like: Pick<FileStat, "mode" | "uid" | "gid"> | undefined,
): Pick<Sites, "destination" | "scratch"> {
  return makeReceiving({ destination: store, scratch, state }, like ?? rootOf(store)).sites;
}

/** Owner and mode of a source's root, for a replica that is to be made like it. */
export function rootOfSource({ store, site }: SourcePlaces): FileStat {
  return statSource(store, site);
}

/** The state of a replica on another host is of this source, whoever else has a twin over there. */
export function sourceIdOf({ store }: Pick<SourcePlaces, "store">): string {
  return sha256(Buffer.from(`${hostname()}\0${rawFromText(store)}`))
    .toString("hex")
    .slice(0, 32);
}

/** Whether that directory stands there. */
export function isAt(path: string, { dev, ino }: Site): boolean {
  const standing = siteAt(path, sourceRefusal(path));
  return standing?.dev === dev && standing.ino === ino;
}

function rootOf(store: string): FileStat {
  const dir = openStanding(store, destinationRefusal(store));
  if (dir === undefined)
    throw destinationRefusal(store)("it is not there, and what it is to be like is not known here");
  try {
    return dir.statSelf();
  } finally {
    dir.close();
  }
}
