/**
 * What whoever dials in may have: by the configuration, the peer's name and what it asks for. Pure.
 *
 * INVARIANT: a peer that asks for a store that is not there, and one that has no right to it, hear the same.
 */

import type { LinkRole, Opening } from "../../wire/opening.js";
import type { Config, Peer, Replica, Store } from "../config/config.js";
import { formatKey } from "../config/key-path.js";
import { daemonError } from "../errors.js";
import type { Proof } from "./arrivals.js";

export type Route =
  /** It gets what is in that store. */
  | { readonly kind: "replica"; readonly store: Store; readonly replica: Replica; readonly peer: Peer }
  /** It sends what that store is to be. */
  | { readonly kind: "source"; readonly store: Store; readonly peer: Peer };

/**
 * `proof`: who it is, if the carrier has proved it; else it is who it says it is. The key may have been taken from the peer since.
 * Throws: no-right.
 */
export function routeOf(config: Config, opening: Opening, proof: Proof | undefined): Route {
  const { role, target } = opening;
  const name = proof?.peer ?? opening.peer;
  if (role === "verifier" || role === "planner")
    throw noRight(
      `serving ${shown(name)}: it wants to compare, and a daemon compares by its own links: run mailtwin verify, or mailtwin resync --dry-run, on the host of the source`,
    );
  if (target.kind !== "store")
    throw noRight(
      `serving ${shown(name)}: it asks for a directory, and this is a daemon, which serves stores of its configuration`,
    );
  const [peers, stores]: [ReadonlyMap<string, Peer>, ReadonlyMap<string, Store>] = [config.peers, config.stores];
  const [peer, store] = [peers.get(name), stores.get(target.store)];
  const refusal = noRight(`serving ${shown(name)}: it ${wordsOfRight(role, name, target.store)}`);
  if (peer === undefined || store === undefined) throw refusal;
  if (proof !== undefined && proof.key !== peer.key) throw refusal;
  const { role: own } = store;
  if (role === "source") {
    if (own.kind !== "replica" || own.from !== undefined || own.peer !== peer.name || !peer.mayWrite.has(store.name))
      throw refusal;
    return { kind: "source", store, peer };
  }
  if (own.kind !== "source" || !peer.mayRead.has(store.name)) throw refusal;
  const replica = [...own.replicas.values()].find((it) => it.to === undefined && it.peer === peer.name);
  if (replica === undefined) throw refusal;
  return { kind: "replica", store, replica, peer };
}

function shown(peer: string): string {
  return peer === "" ? "somebody without a name" : JSON.stringify(peer);
}

/**
 * What it may not do, and by which settings it may: all of them, whichever are lacking, and whether or not there is such a store.
 * What the peer calls itself and the store is not of a form that was asked for: both are written as keys of the configuration.
 */
function wordsOfRight(role: LinkRole, peer: string, store: string): string {
  const [may, key, table, dial] =
    role === "source"
      ? (["send to", "may_write", `[store.${formatKey(store)}.source]`, "from"] as const)
      : (["read", "may_read", `[store.${formatKey(store)}.replica.NAME]`, "to"] as const);
  const named = peer === "" ? "NAME" : peer;
  const right = `${key} = [${JSON.stringify(store)}] in [peer.${formatKey(named)}]`;
  return `may not ${may} the store ${JSON.stringify(store)}, which takes, in the configuration of the host that refuses, ${right}, and ${table} with peer = ${JSON.stringify(named)} and without "${dial}"`;
}

function noRight(message: string): Error {
  return daemonError("no-right", message);
}
