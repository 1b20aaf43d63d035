/** Whom to ask, where a store of this host is the replica of another one. Pure. */
import { formatAddress } from "../wire/address.js";
import type { Store } from "./config/config.js";

/** One text for each that is a replica; none for a source. */
export function wordsOfReplicas(stores: Iterable<Store>): readonly string[] {
  return [...stores].flatMap(({ name, role }) => {
    if (role.kind !== "replica") return [];
    const { peer, from, storeThere } = role;
    const host = peer ?? (from === undefined ? "another host" : formatAddress(from));
    return [`of ${name} this host has the replica, and its source is the store ${storeThere} of ${host}`];
  });
}
