/** What is different between two configurations, for whoever reloads, and for what has to be judged anew. Pure. */
import type { UnixMs } from "../../base/clock.js";
import type { SiteKey } from "../../wire/keys.js";
import { whenInvalid } from "../../wire/shown-key.js";
import type { Config } from "../config/config.js";

/** One line for each thing that is different. */
export function changesOf(before: Config, after: Config): readonly string[] {
  const [old, now] = [partsOf(before), partsOf(after)];
  const names = new Set([...old.keys(), ...now.keys()]);
  return [...names].flatMap((name) => {
    if (!old.has(name)) return [`${name} is new`];
    if (!now.has(name)) return [`${name} is gone`];
    return old.get(name) === now.get(name) ? [] : [`${name} is different`];
  });
}

/** The file is named as before, and holds something else. */
export function changesOfKey(
  before: SiteKey | undefined,
  after: SiteKey | undefined,
  nowMs: UnixMs,
): readonly string[] {
  if (before === undefined || after === undefined || before.certificate === after.certificate) return [];
  if (before.name !== after.name) return [`this host's key is another: ${after.name}`];
  const what = "the certificate of this host's key is another";
  const when = whenInvalid(after, nowMs);
  if (when !== undefined) return [`${what}, and it ${when}`]; // nothing here shows it: else it is refused.
  if (after.validUntilMs >= before.validUntilMs) return [`${what}: it was renewed`];
  return [`${what}, which runs out earlier: on ${new Date(after.validUntilMs).toISOString()}`];
}

/** Those whose keys or rights are others now. */
export function changedPeers(before: Config, after: Config): ReadonlySet<string | undefined> {
  const [old, now] = [partsOf(before), partsOf(after)];
  const names = [...before.peers.values(), ...after.peers.values()].map(({ name }) => name);
  return new Set(names.filter((name) => old.get(`peer ${name}`) !== now.get(`peer ${name}`)));
}

function partsOf({ stores, peers, listen, log, logLevel, identityKey }: Config): ReadonlyMap<string, string> {
  const parts = new Map([
    ["listen", JSON.stringify(listen)],
    ["log", JSON.stringify([log, logLevel])],
    ["identity", JSON.stringify(identityKey)],
  ]);
  for (const { name, mayRead, mayWrite, ...peer } of peers.values())
    parts.set(`peer ${name}`, JSON.stringify([peer, [...mayRead], [...mayWrite]]));
  for (const { name, role, ...store } of stores.values()) {
    parts.set(`store ${name}`, JSON.stringify([store, role.kind === "source" ? role.kind : role]));
    if (role.kind !== "source") continue;
    for (const replica of role.replicas.values()) parts.set(`replica ${name}/${replica.name}`, JSON.stringify(replica));
  }
  return parts;
}
