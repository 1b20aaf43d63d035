/**
 * The configuration of `mailtwin run` as the program has it: typed, whole, with its defaults. `makeConfig` is its one door, and
 * takes only what was judged.
 */

import { assert } from "../../base/assert.js";
import type { ByteCount, Reading } from "../../base/quantity.js";
import type { BrakeLimits } from "../../capture/brake.js";
import type { Address, HostPort } from "../../wire/address.js";
import type { LogLevel } from "../log-reporter.js";
import type { ScrubLimits } from "../scrub/limits.js";
import {
  type PeerName,
  type ReplicaName,
  readPeerName,
  readReplicaName,
  readStoreName,
  type StoreName,
} from "./names.js";
import type { FOREIGN, MODES, WrittenConfig } from "./schema.js";

export interface Config {
  readonly stateDir: string;
  /** The daemon's own socket. */
  readonly control: string;
  readonly logLevel: LogLevel;
  readonly log: LogLimits;
  readonly listen: { readonly tls: readonly HostPort[]; readonly unix: readonly string[] };
  /** The file of the private key; undefined where nothing goes by TLS. */
  readonly identityKey: string | undefined;
  /** What this host calls itself where no key says who it is. */
  readonly identityName: string | undefined;
  readonly peers: ReadonlyMap<PeerName, Peer>;
  readonly stores: ReadonlyMap<StoreName, Store>;
}

/** How far a replica may lag before it is compared anew. */
export interface LogLimits {
  readonly maxSize: ByteCount;
  readonly maxAgeMs: number;
}

export interface Peer {
  readonly name: PeerName;
  /** "sha256:" and base64, of its public key (SPKI); undefined for one that never comes by TLS. */
  readonly key: string | undefined;
  /** What it may fetch when it dials in. */
  readonly mayRead: ReadonlySet<StoreName>;
  /** What it may send to when it dials in. */
  readonly mayWrite: ReadonlySet<StoreName>;
  /** Patterns of users; undefined: all of them. */
  readonly users: readonly string[] | undefined;
}

export interface Store {
  readonly name: StoreName;
  readonly path: string;
  /** Undefined: beside the store. */
  readonly scratch: string | undefined;
  /** How long, and how much, what replication removed here stays. */
  readonly undelete: { readonly keptMs: number; readonly bytesMax: ByteCount | undefined };
  /** Of a source: a file in it. Undefined: none is needed. */
  readonly sentinel: string | undefined;
  /** Of a source. Undefined: no deletion is held back. */
  readonly brake: BrakeLimits | undefined;
  /** Of a source. Undefined: bodies are not read again by themselves. */
  readonly scrub: ScrubLimits | undefined;
  readonly role: SourceRole | ReplicaRole;
}

/** Others get what changes here. */
export interface SourceRole {
  readonly kind: "source";
  readonly replicas: ReadonlyMap<ReplicaName, Replica>;
}

/** This store gets what changes elsewhere. */
export interface ReplicaRole {
  readonly kind: "replica";
  readonly peer: PeerName | undefined;
  /** The store's name on the other side. */
  readonly storeThere: StoreName;
  /** Undefined: it dials in. */
  readonly from: Address | undefined;
}

export interface Replica {
  readonly name: ReplicaName;
  /** Undefined: it dials in. */
  readonly to: Address | undefined;
  readonly peer: PeerName | undefined;
  /** The store's name on the other side. */
  readonly storeThere: StoreName;
  readonly mode: (typeof MODES)[number];
  /** How long it may have no link before a person has to look; undefined where nobody expects it to be there. */
  readonly unreachableAlarmMs: number | undefined;
  /** What becomes of mail that only the replica has at first contact. */
  readonly foreign: "refuse" | (typeof FOREIGN)[number];
}

export interface Defaults {
  readonly stateDir: string;
  readonly control: string;
}

const UNREACHABLE_ALARM_MS = 3_600_000;

/** `written` has no problem, of form or as a whole. */
export function makeConfig(written: WrittenConfig, defaults: Defaults): Config {
  return {
    stateDir: written.state_dir ?? defaults.stateDir,
    control: written.control ?? defaults.control,
    logLevel: written.log_level,
    log: { maxSize: written.log.max_size, maxAgeMs: written.log.max_age },
    listen: written.listen,
    identityKey: written.identity?.key,
    identityName: written.identity?.name,
    peers: byName(written.peer, readPeerName, makePeer),
    stores: byName(written.store, readStoreName, makeStore),
  };
}

function makePeer(name: PeerName, peer: WrittenConfig["peer"][string]): Peer {
  const stores = (names: readonly string[]) => new Set(names.map((store) => judged(readStoreName(store))));
  return { name, key: peer.key, mayRead: stores(peer.may_read), mayWrite: stores(peer.may_write), users: peer.users };
}

type WrittenStore = WrittenConfig["store"][string];

function makeStore(name: StoreName, written: WrittenStore): Store {
  const { path, scratch, sentinel, brake, scrub, source, replica } = written;
  const undelete = { keptMs: written.undelete_for, bytesMax: written.undelete_max_size };
  const role: Store["role"] =
    source === undefined
      ? { kind: "source", replicas: byName(replica ?? {}, readReplicaName, (own, it) => makeReplica(name, own, it)) }
      : { kind: "replica", ...otherSide(name, source), from: source.from };
  return { name, path, scratch, undelete, sentinel, brake: makeBrake(brake), scrub: makeScrub(scrub), role };
}

function makeBrake({ enabled, ...written }: WrittenStore["brake"]): BrakeLimits | undefined {
  if (!enabled) return undefined;
  const { messages, share, uncounted, window: windowMs, in_deleted_mailboxes: inDeletedMailboxes } = written;
  const { small_store_share: smallStoreShare, small_store_messages: smallStoreMessages } = written;
  return { messages, share, smallStoreShare, smallStoreMessages, inDeletedMailboxes, windowMs, uncounted };
}

function makeScrub({ every, max_rate: maxRate }: WrittenStore["scrub"]): ScrubLimits | undefined {
  return every === undefined ? undefined : { everyMs: every, maxRate };
}

function makeReplica(
  store: StoreName,
  name: ReplicaName,
  replica: NonNullable<WrittenStore["replica"]>[string],
): Replica {
  const { to, mode, unreachable_alarm: written, foreign } = replica;
  // Who dials in may be a laptop: when it is late, only its operator can say.
  const unreachableAlarmMs = written ?? (to === undefined || mode !== "live" ? undefined : UNREACHABLE_ALARM_MS);
  return { name, to, ...otherSide(store, replica), mode, unreachableAlarmMs, foreign: foreign ?? "refuse" };
}

function otherSide(
  name: StoreName,
  written: { readonly peer?: string | undefined; readonly store?: string | undefined },
): { readonly peer: PeerName | undefined; readonly storeThere: StoreName } {
  return {
    peer: written.peer === undefined ? undefined : judged(readPeerName(written.peer)),
    storeThere: written.store === undefined ? name : judged(readStoreName(written.store)),
  };
}

function byName<Name extends string, Written, Made>(
  written: Readonly<Record<string, Written>>,
  read: (text: string) => Reading<Name>,
  make: (name: Name, written: Written) => Made,
): ReadonlyMap<Name, Made> {
  return new Map(
    Object.entries(written).map(([text, value]) => {
      const name = judged(read(text));
      return [name, make(name, value)];
    }),
  );
}

function judged<T>(reading: Reading<T>): T {
  assert(reading.kind === "value", "a name of a configuration was judged before");
  return reading.value;
}
