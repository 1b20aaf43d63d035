/** From what people write for a replica ("mail/b", or "b" where that is one) to the one that is meant. Pure. */
import { displayRaw, rawFromText } from "../../base/raw-name.js";
import { closest } from "../config/closest.js";
import { controlError } from "../control-errors.js";
import type { ReplicaTarget, Targets } from "./daemon-control.js";
import type { DaemonStatus } from "./status.js";

type Named = Pick<DaemonStatus, "stores">;

/** For what only its source can do. Throws: target-unknown, target-ambiguous, not-the-source. */
export function replicaNamed(status: Named, text: string): ReplicaTarget {
  refuseOwn(status, text);
  return findReplica(status, text);
}

/** Where a store that is a replica here is meant, or no other can be. Throws: not-the-source. */
function refuseOwn(status: Named, text: string): void {
  const own = status.stores.flatMap((store) => (store.role === "replica" ? [store] : []));
  const named = own.filter(({ name }) => text === name || text.startsWith(`${name}/`));
  const served = replicasOf(status);
  const meant = named.length === 0 && served.length === 0 ? own : named;
  if (meant.length === 0 || served.some(({ replica }) => replica === text)) return;
  const names = meant.map(({ name, peer }) => `of ${name} this host has the replica; ask on the host of ${peer}`);
  throw controlError("not-the-source", `looking for replica ${quote(text)}: ${names.join("; ")}`);
}

/** `others`: names that may have been meant where nothing is found. */
function findReplica(status: Named, text: string, others: readonly string[] = []): ReplicaTarget {
  const all = replicasOf(status);
  const found = all.filter(({ store, replica }) => text === replica || text === `${store}/${replica}`);
  const [first, second] = found;
  if (first === undefined)
    throw unknown("replica", text, [
      ...all.flatMap(({ store, replica }) => [replica, `${store}/${replica}`]),
      ...others,
    ]);
  if (second === undefined) return first;
  const names = found.map(({ store, replica }) => `${store}/${replica}`).join(", ");
  throw controlError("target-ambiguous", `looking for replica ${quote(text)}: there are ${names}`);
}

/** A replica of a store, or a store of this host that is one. Undefined: all. Throws as `replicaNamed` does. */
export function receiverNamed(status: Named, text: string | undefined): Targets {
  if (text === undefined) return {};
  const isOwn = status.stores.some(({ role, name }) => role === "replica" && name === text);
  if (isOwn) return { store: text };
  const own = status.stores.flatMap(({ role, name }) => (role === "replica" ? [name] : []));
  return findReplica(status, text, own);
}

/** Each undefined where nothing is said. Throws as `replicaNamed` does. */
export function targetsNamed(status: Named, { store, replica }: Targets): Targets {
  if (store !== undefined) storeNamed(status, store);
  if (replica === undefined) return store === undefined ? {} : { store };
  const ofStore = store === undefined ? status : { stores: status.stores.filter(({ name }) => name === store) };
  return replicaNamed(ofStore, replica);
}

/** Throws: target-unknown. */
export function storeNamed(status: Named, text: string): void {
  const names = status.stores.map(({ name }) => name);
  if (!names.includes(text)) throw unknown("store", text, names);
}

function replicasOf({ stores }: Named): readonly ReplicaTarget[] {
  return stores.flatMap((store) =>
    store.role === "source" ? store.replicas.map(({ name }) => ({ store: store.name, replica: name })) : [],
  );
}

/** Where none of them is near. */
const KNOWN_TOLD_MAX = 8;

function unknown(kind: "replica" | "store", text: string, known: readonly string[]) {
  const near = closest(text, known);
  const names = new Set(known);
  const few = names.size === 0 || names.size > KNOWN_TOLD_MAX ? "" : ` (known: ${[...names].join(", ")})`;
  const advice = near === undefined ? few : ` (did you mean ${near}?)`;
  return controlError(
    "target-unknown",
    `looking for ${kind} ${quote(text)}: the daemon has none of that name${advice}`,
  );
}

function quote(text: string): string {
  return `"${displayRaw(rawFromText(text.slice(0, 200)))}"`;
}
