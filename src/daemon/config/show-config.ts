/**
 * The configuration in effect, for people as a file that could stand in its place, for machines as JSON with plain numbers.
 *
 * INVARIANT: what `configAsToml` writes reads as the same configuration, on any host and for any user.
 */

import { stringify } from "smol-toml";
import { writeByteCount, writeDurationMs } from "../../base/quantity.js";
import type { BrakeLimits } from "../../capture/brake.js";
import { formatAddress, formatHostPort } from "../../wire/address.js";
import type { ScrubLimits } from "../scrub/limits.js";
import type { Config, Peer, Replica, Store } from "./config.js";

export function configAsToml(config: Config): string {
  return stringify(
    present({
      state_dir: config.stateDir,
      control: config.control,
      log_level: config.logLevel,
      log: { max_size: writeByteCount(config.log.maxSize), max_age: writeDurationMs(config.log.maxAgeMs) },
      listen: { tls: config.listen.tls.map(formatHostPort), unix: config.listen.unix },
      identity: identityTable(config),
      peer: Object.fromEntries([...config.peers].map(([name, peer]) => [name, peerTable(peer)])),
      store: Object.fromEntries([...config.stores].map(([name, store]) => [name, storeTable(store)])),
    }),
  );
}

export function configAsJson(config: Config): Record<string, unknown> {
  const { log, listen, peers, stores, ...rest } = config;
  return {
    ...rest,
    log: { maxSizeBytes: log.maxSize, maxAgeMs: log.maxAgeMs },
    listen: { tls: listen.tls.map(formatHostPort), unix: listen.unix },
    peers: [...peers.values()].map((peer) => ({ ...peer, mayRead: [...peer.mayRead], mayWrite: [...peer.mayWrite] })),
    stores: [...stores.values()].map(({ role, undelete: { keptMs, bytesMax }, ...store }) => ({
      ...{ ...store, undeleteForMs: keptMs, undeleteMaxSizeBytes: bytesMax },
      ...roleAsJson(role),
    })),
  };
}

function identityTable({ identityKey: key, identityName: name }: Config): Record<string, unknown> | undefined {
  return key === undefined && name === undefined ? undefined : present({ key, name });
}

function peerTable({ key, mayRead, mayWrite, users }: Peer): Record<string, unknown> {
  return present({ key, may_read: [...mayRead], may_write: [...mayWrite], users });
}

function storeTable({ path, scratch, undelete, sentinel, brake: limits, scrub, role }: Store): Record<string, unknown> {
  const { keptMs, bytesMax } = undelete;
  const own = {
    ...{ path, scratch, undelete_for: writeDurationMs(keptMs) },
    undelete_max_size: bytesMax === undefined ? undefined : writeByteCount(bytesMax),
    ...{ sentinel, brake: brakeTable(limits) },
    scrub: scrub === undefined ? { every: "off" } : scrubTable(scrub),
  };
  if (role.kind === "source") {
    const replica = Object.fromEntries([...role.replicas].map(([name, it]) => [name, replicaTable(it)]));
    return present({ ...own, replica });
  }
  const from = role.from === undefined ? undefined : formatAddress(role.from);
  return present({ ...own, source: present({ peer: role.peer, store: role.storeThere, from }) });
}

function brakeTable(limits: BrakeLimits | undefined): Record<string, unknown> {
  if (limits === undefined) return { enabled: false };
  const { messages, share, smallStoreShare, smallStoreMessages, inDeletedMailboxes, windowMs, uncounted } = limits;
  const window = writeDurationMs(windowMs);
  return {
    messages,
    share: writeShare(share),
    small_store_share: writeShare(smallStoreShare),
    small_store_messages: smallStoreMessages,
    in_deleted_mailboxes: inDeletedMailboxes,
    window,
    uncounted,
  };
}

function writeShare(share: number): string {
  return `${Math.round(share * 100)}%`;
}

function scrubTable({ everyMs, maxRate }: ScrubLimits): Record<string, unknown> {
  return { every: writeDurationMs(everyMs), max_rate: writeByteCount(maxRate) };
}

function replicaTable({ to, peer, storeThere, mode, unreachableAlarmMs, foreign }: Replica): Record<string, unknown> {
  return present({
    to: to === undefined ? undefined : formatAddress(to),
    unreachable_alarm: unreachableAlarmMs === undefined ? undefined : writeDurationMs(unreachableAlarmMs),
    ...{ peer, store: storeThere, mode, foreign: foreign === "refuse" ? undefined : foreign },
  });
}

function roleAsJson(role: Store["role"]): Record<string, unknown> {
  if (role.kind === "replica") {
    const { kind, from, ...source } = role;
    return { role: kind, source: { ...source, from: from && formatAddress(from) } };
  }
  const replicas = [...role.replicas.values()].map(({ to, ...replica }) => ({
    ...replica,
    to: to && formatAddress(to),
  }));
  return { role: role.kind, replicas };
}

/** Without what is undefined: TOML has no word for it. */
function present(table: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
}
