/** Statuses as a daemon would give them. */
import type {
  DaemonStatus,
  ReplicaStatus,
  ReplicaStoreStatus,
  SourceStatus,
  Trouble,
} from "../../../../src/daemon/control/status.js";

export const NOW_MS = 1_700_000_000_000;

export function trouble(level: Trouble["level"], more: Partial<Trouble> = {}): Trouble {
  const words = "connecting to tls://b.example.org:4417: ECONNREFUSED: connection refused";
  return {
    code: "peer-unreachable",
    words,
    hint: "Check that mailtwin runs there.",
    sinceMs: NOW_MS - 125_000,
    level,
    ...more,
  };
}

export function replica(name: string, more: Partial<ReplicaStatus> = {}): ReplicaStatus {
  return {
    ...{ name, address: `tls://${name}.example.org:4417`, mode: "live", state: "live" },
    ...{ cursor: 1310, lagTransactions: 0, lagMs: 0, lastSuccessMs: NOW_MS - 200 },
    ...{ rejects: 0, bytesSent: 12_345_678, transactionsSent: 110, needsResync: false, troubles: [] },
    ...more,
  };
}

export function source(name: string, more: Partial<SourceStatus> = {}): SourceStatus {
  return {
    ...{ role: "source", name, path: "/var/vmail", mailboxes: 312, messages: 48_210 },
    log: { firstLsn: 1200, lastLsn: 1310, bytes: 2_300_000 },
    watch: { structure: "watching", hotMailboxes: 14 },
    sweeps: { count: 96, caught: 2, lastMs: NOW_MS - 5_000 },
    ...{ problems: [], replicas: [replica("b")], troubles: [] },
    ...more,
  };
}

export function replicaStore(name: string, more: Partial<ReplicaStoreStatus> = {}): ReplicaStoreStatus {
  return {
    ...{ role: "replica", name, path: "/srv/twin", mailboxes: 1, messages: 7, peer: "a", isConnected: true },
    ...{ lastLinkMs: NOW_MS - 61_000, troubles: [] },
    ...more,
  };
}

export function status(...stores: DaemonStatus["stores"]): DaemonStatus {
  return { software: "mailtwin 0.1.0", pid: 4711, startedMs: NOW_MS - 180_000_000, nowMs: NOW_MS, stores };
}
