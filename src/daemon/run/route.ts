/**
 * What whoever dials in may have: by the configuration, the peer's name and what it asks for. Pure.
 *
 * INVARIANT: a peer that asks for a store that is not there, and one that has no right to it, hear the same.
 */

import type { Opening } from "../../wire/opening.js";
import type { Config, Peer, Replica, Store } from "../config/config.js";
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
  if (target.kind !== "store")
    throw noRight(
      `serving ${shown(name)}: it asks for a directory, and this is a daemon, which serves stores of its configuration`,
    );
  const [peers, stores]: [ReadonlyMap<string, Peer>, ReadonlyMap<string, Store>] = [config.peers, config.stores];
  const [peer, store] = [peers.get(name), stores.get(target.store)];
  const refusal = noRight(
    `serving ${shown(name)}: ${role === "source" ? "sending to" : "reading"} the store "${target.store}"`,
  );
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
  return peer === "" ? "somebody without a name" : `"${peer}"`;
}

function noRight(message: string): Error {
  return daemonError("no-right", message);
}
