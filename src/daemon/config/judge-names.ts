/**
 * What is wrong with the names of a configuration: those that are none, those of nobody, who may do what, and what a store is.
 * Asked of a draft, so that it is said together with what is wrong in form.
 */

import type { Reading } from "../../base/quantity.js";
import { type Address, formatAddress } from "../../wire/address.js";
import { closest } from "./closest.js";
import { formatKey, formatTable, type KeyPath, nodeAt } from "./key-path.js";
import { NAME_PATTERN, readPeerName, readReplicaName, readStoreName } from "./names.js";
import { atName, atValue } from "./point-at.js";
import { type ConfigProblem, formatPlace } from "./problem.js";
import type { DraftConfig } from "./schema.js";
import type { Located } from "./toml-locate.js";

type DraftStore = DraftConfig["store"][string];

/** One end of a link, as a store names it. */
interface OtherEnd {
  readonly path: KeyPath;
  readonly store: string;
  /** The key that would say where it is dialled. */
  readonly dial: "to" | "from";
  readonly endpoint: Address | undefined;
  readonly peer: string | undefined;
  readonly storeThere: string;
}

export function judgeNames(draft: DraftConfig, located: Located): ConfigProblem[] {
  const stores = Object.entries(draft.store);
  const ends = stores.flatMap(([name, store]) => endsOf(name, store));
  return [
    ...Object.keys(draft.peer).flatMap((name) => misnamed(["peer", name], readPeerName(name), located)),
    ...stores.flatMap(([name, store]) => judgeStore(name, store, located)),
    ...ends.flatMap((end) => judgeEnd(end, draft, located)),
    ...stores.flatMap(([name, store]) => judgeAlarms(name, store, located)),
    ...judgeTwoToOne(ends, located),
    ...judgeRights(draft, located),
    ...judgeKeys(draft, located),
    ...judgeIdentity(draft, ends, located),
    ...judgeTlsPeers(draft, ends, located),
  ];
}

function misnamed(path: KeyPath, reading: Reading<string>, located: Located): ConfigProblem[] {
  return reading.kind === "wrong" ? [atName(located, path, reading)] : [];
}

function endsOf(store: string, { replica = {}, source }: DraftStore): OtherEnd[] {
  const replicas = Object.entries(replica).map(([name, written]) => ({
    path: ["store", store, "replica", name],
    ...{ store, dial: "to" as const, endpoint: written.to, peer: written.peer, storeThere: written.store ?? store },
  }));
  if (source === undefined) return replicas;
  const { from: endpoint, peer, store: there } = source;
  return [
    ...replicas,
    { path: ["store", store, "source"], store, dial: "from", endpoint, peer, storeThere: there ?? store },
  ];
}

/** A source, or a replica: with both, mail would come back to where it came from; with neither, nothing happens. */
function judgeStore(name: string, { replica, source }: DraftStore, located: Located): ConfigProblem[] {
  const path = ["store", name];
  const replicas = Object.keys(replica ?? {});
  const problems = [
    ...misnamed(path, readStoreName(name), located),
    ...replicas.flatMap((own) => misnamed([...path, "replica", own], readReplicaName(own), located)),
  ];
  if (source !== undefined && replicas.length > 0) {
    const other = nodeAt(located, [...path, "replica"]);
    const why = `a store with replicas${other === undefined ? "" : ` (${formatPlace(other.at)})`} has no source`;
    problems.push(atName(located, [...path, "source"], { why, advice: "keep its replicas or its source" }));
  } else if (source === undefined && replicas.length === 0) {
    const why = "it has neither replicas nor a source";
    const advice = `add ${formatTable([...path, "replica", "NAME"])} to send it, or ${formatTable([...path, "source"])} to receive it`;
    problems.push(atName(located, path, { why, advice }));
  }
  return problems;
}

function judgeEnd(end: OtherEnd, draft: DraftConfig, located: Located): ConfigProblem[] {
  const { path, endpoint, dial, peer } = end;
  if (peer !== undefined)
    return Object.hasOwn(draft.peer, peer)
      ? judgeRightOf(peer, end, draft, located)
      : [atValue(located, [...path, "peer"], unknown("peer", peer, Object.keys(draft.peer)))];
  // A value that was wrong in form is told already, and is not in the draft.
  if (nodeAt(located, [...path, "peer"]) !== undefined) return [];
  if (endpoint?.kind === "tls") {
    const why = "nobody says whose key is to be found there";
    return [atValue(located, [...path, dial], { why, advice: 'add peer = "NAME", and its [peer.NAME]' })];
  }
  if (endpoint !== undefined || nodeAt(located, [...path, dial]) !== undefined) return [];
  const why = `without "${dial}" the other side dials in, and nobody says who that is`;
  return [atName(located, path, { why, advice: `add peer = "NAME", or ${dial} = "tls://host:port"` })];
}

/** An alarm that can never sound lets its operator believe that he will be told. */
function judgeAlarms(store: string, { replica = {} }: DraftStore, located: Located): ConfigProblem[] {
  return Object.entries(replica).flatMap(([name, { mode, unreachable_alarm: alarm }]) => {
    const path = ["store", store, "replica", name];
    const isDialled = nodeAt(located, [...path, "to"]) !== undefined;
    if (alarm === undefined || !isDialled || mode === "live") return [];
    const why = "a replica on demand is not expected to be there";
    return [atValue(located, [...path, "unreachable_alarm"], { why, advice: "take it out" })];
  });
}

/** Whoever dials in needs the right to: the daemon would refuse it, and the operator would look for the reason. */
function judgeRightOf(
  peer: string,
  { path, store, dial }: OtherEnd,
  draft: DraftConfig,
  located: Located,
): ConfigProblem[] {
  if (nodeAt(located, [...path, dial]) !== undefined) return [];
  const key = dial === "to" ? "may_read" : "may_write";
  const granted = draft.peer[peer]?.[key];
  if (granted === undefined || granted.includes(store)) return [];
  const may = dial === "to" ? "fetch" : "send to";
  const why = `without "${dial}" the peer dials in, and it may not ${may} store ${store}`;
  return [
    atValue(located, [...path, "peer"], {
      why,
      advice: `add ${key} = ["${store}"] to [peer.${peer}], or say here with "${dial}" where it is dialled`,
    }),
  ];
}

/** Two that write to one store elsewhere would undo each other's work. */
function judgeTwoToOne(ends: readonly OtherEnd[], located: Located): ConfigProblem[] {
  const firstByAim = new Map<string, OtherEnd>();
  return ends.flatMap((end) => {
    if (end.dial !== "to") return [];
    const who = end.peer ?? (end.endpoint === undefined ? undefined : formatAddress(end.endpoint));
    if (who === undefined) return [];
    const aim = JSON.stringify([who, end.storeThere]);
    const first = firstByAim.get(aim);
    firstByAim.set(aim, first ?? end);
    const at = first === undefined ? undefined : nodeAt(located, first.path)?.at;
    if (first === undefined || at === undefined) return [];
    const why = `store ${end.storeThere} of ${who} is the replica of ${formatTable(first.path)} (${formatPlace(at)}) already`;
    return [atName(located, end.path, { why, advice: 'name another store there, with store = "NAME"' })];
  });
}

function judgeRights(draft: DraftConfig, located: Located): ConfigProblem[] {
  const known = Object.keys(draft.store);
  return Object.entries(draft.peer).flatMap(([peer, rights]) =>
    (["may_read", "may_write"] as const).flatMap((key) =>
      (rights[key] ?? []).flatMap((store, index) =>
        known.includes(store) ? [] : [atValue(located, ["peer", peer, key, index], unknown("store", store, known))],
      ),
    ),
  );
}

const NAMED_MAX = 8;

function unknown(kind: "peer" | "store", name: string, known: readonly string[]) {
  const near = closest(name, known);
  const more = known.length > NAMED_MAX ? `, and ${known.length - NAMED_MAX} more` : "";
  const there = `there are ${known.slice(0, NAMED_MAX).map(formatKey).join(", ")}${more}`;
  const all = known.length === 0 ? `there is no [${kind}.NAME] at all` : there;
  const add = NAME_PATTERN.test(name) ? `add [${kind}.${name}]` : `name a [${kind}.NAME]`;
  const advice = near === undefined ? `${add}: ${all}` : `did you mean ${formatKey(near)}?`;
  return { why: `there is no ${kind} of that name`, advice };
}

/** A key says who dials in: with one key for two, nobody would know whose rights count. */
function judgeKeys(draft: DraftConfig, located: Located): ConfigProblem[] {
  const firstByKey = new Map<string, string>();
  return Object.entries(draft.peer).flatMap(([name, { key }]) => {
    if (key === undefined) return [];
    const first = firstByKey.get(key);
    firstByKey.set(key, first ?? name);
    const at = first === undefined ? undefined : nodeAt(located, ["peer", first, "key"])?.value?.at;
    if (first === undefined || at === undefined) return [];
    const why = `that is the key of [peer.${first}] (${formatPlace(at)}) too`;
    return [atValue(located, ["peer", name, "key"], { why, advice: "each peer has a key of its own" })];
  });
}

/** By TLS the other side proves who it is, by the key that is expected. */
function judgeTlsPeers(draft: DraftConfig, ends: readonly OtherEnd[], located: Located): ConfigProblem[] {
  return ends.flatMap(({ path, peer, endpoint }) => {
    if (peer === undefined || endpoint?.kind !== "tls") return [];
    if (draft.peer[peer] === undefined || nodeAt(located, ["peer", peer, "key"]) !== undefined) return [];
    const why = `TLS needs the key of [peer.${peer}], which has none`;
    return [atValue(located, [...path, "peer"], { why, advice: `add key = "sha256:..." to [peer.${peer}]` })];
  });
}

/** By TLS both sides prove who they are. */
function judgeIdentity(draft: DraftConfig, ends: readonly OtherEnd[], located: Located): ConfigProblem[] {
  if (draft.identity?.key !== undefined || nodeAt(located, ["identity", "key"]) !== undefined) return []; // a wrong one is told already.
  const listening = draft.listen.tls.length > 0 ? ["listen", "tls"] : undefined;
  const dialling = ends.find(({ endpoint }) => endpoint?.kind === "tls");
  const user = listening ?? (dialling === undefined ? undefined : [...dialling.path, dialling.dial]);
  if (user === undefined) return [];
  const advice = 'add [identity] with key = "/etc/mailtwin/identity.key"';
  return [atValue(located, user, { why: "TLS needs a key of this host, and [identity] has none", advice })];
}
