/** The state of a running daemon, for people and programs. Reads, and changes nothing. */

import { displayRaw } from "../../base/raw-name.js";
import type { CaptureProblem } from "../../capture/capture-types.js";
import { formatAddress } from "../../wire/address.js";
import type { Replica } from "../config/config.js";
import type {
  DaemonStatus,
  MailboxProblem,
  ReplicaStatus,
  ReplicaStoreStatus,
  SourceStatus,
  Trouble,
} from "../control/status.js";
import { VERSION } from "../version.js";
import { mailboxName } from "../words.js";
import type { Daemon, Kept } from "./daemon.js";
import { hintInDaemon, hintOfRejection } from "./daemon-hints.js";
import type { ReplicaRunner } from "./replica-runner.js";
import type { SourceKeeper } from "./source-keeper.js";

export interface DaemonFacts {
  readonly daemon: Daemon;
  readonly startedMs: number;
  readonly nowMs: number;
}

export function statusOf({ daemon, startedMs, nowMs }: DaemonFacts): DaemonStatus {
  return {
    software: `mailtwin ${VERSION}`,
    pid: process.pid,
    ...{ startedMs, nowMs },
    stores: Array.from(daemon.kept.values(), (kept) =>
      kept.kind === "source" ? statusOfSource(kept, nowMs) : statusOfReplicaStore(kept, startedMs),
    ),
    troubles: daemon.troubles.all,
  };
}

const NO_COUNTS = { mailboxes: 0, messages: 0, sweeps: 0, caughtBySweep: 0 };

function statusOfSource({ config, keeper }: Extract<Kept, { kind: "source" }>, nowMs: number): SourceStatus {
  const { store } = keeper;
  const { mailboxes, messages, sweeps, caughtBySweep } = store?.side.capturer.counts ?? NO_COUNTS;
  const reader = store?.side.reader;
  return {
    ...{ role: "source", name: config.name, path: config.path, mailboxes, messages },
    log: { firstLsn: reader?.firstLsn() ?? 0, lastLsn: reader?.lastLsn() ?? 0, bytes: reader?.logBytes() ?? 0 },
    watch: {
      structure: store === undefined || store.isSweepingOnly ? "sweeping" : "watching",
      hotMailboxes: store?.hotMailboxes ?? 0,
    },
    sweeps: { count: sweeps, caught: caughtBySweep },
    problems: [...(store?.side.capturer.problems.values() ?? [])].map((problem) =>
      problemOf(problem, keeper.problems.sinceMs(problem) ?? nowMs),
    ),
    replicas: Array.from(keeper.replicas.values(), (replica) => statusOfReplica(replica, keeper)),
    troubles: keeper.troubles.all,
  };
}

/** Of one that is not captured: tried again by each sweep, and a person's matter all the same. */
function problemOf({ path, code, message, hint }: CaptureProblem, sinceMs: number): MailboxProblem {
  const words = { code, words: message, hint: hintInDaemon(code, hint) };
  return { mailbox: displayRaw(mailboxName(path)), ...words, sinceMs, level: "needs-you" };
}

function statusOfReplica(replica: Replica, keeper: SourceKeeper): ReplicaStatus {
  const runner = keeper.runner(replica.name);
  const { to, name, mode } = replica;
  const lag = runner?.lag;
  const rejects = keeper.store?.side.reader.rejections(name) ?? [];
  return {
    ...{ name, mode, address: to === undefined ? "dials in" : formatAddress(to), state: runner?.state ?? "idle" },
    cursor: runner?.ackedLsn ?? 0,
    lagTransactions: lag?.transactions ?? 0,
    lagMs: lag?.ms ?? 0,
    ...(runner?.sums ?? { bytesSent: 0, transactionsSent: 0 }),
    rejects: rejects.length,
    needsResync: runner?.needsResync === true || runner?.agent?.isComparing === true,
    comparison: runner?.agent?.comparison,
    foreign: keeper.store === undefined ? undefined : runner?.foreign.status(keeper.store.side.reader),
    troubles: [...(runner === undefined ? [] : troublesOf(runner)), ...troubleOfRejects(rejects)],
  };
}

function troublesOf(runner: ReplicaRunner): readonly Trouble[] {
  return runner.troubles.all;
}

/** What the agent writes into the rejection log so that it is not forgotten, and nobody has refused. */
const BEING_COMPARED: ReadonlySet<string> = new Set([
  "resync-asked",
  "replica-away",
  "replica-changed",
  "mailbox-shared",
]);

/** All together: each is in `mailtwin rejects list`. */
function troubleOfRejects(
  rejects: readonly {
    readonly path: string;
    readonly message: string;
    readonly firstMs: number;
    readonly code: string;
  }[],
): readonly Trouble[] {
  const refused = rejects.filter(({ code }) => !BEING_COMPARED.has(code));
  const [first] = refused;
  if (first === undefined) return [];
  const more = refused.length === 1 ? "" : `, and ${refused.length - 1} more`;
  return [
    {
      code: "mailbox-refused",
      words: `replicating ${mailboxName(first.path as Parameters<typeof mailboxName>[0])}: ${first.message}${more}`,
      hint: hintOfRejection(first.code),
      sinceMs: refused.reduce((earliest, { firstMs }) => Math.min(earliest, firstMs), first.firstMs),
      level: "needs-you",
    },
  ];
}

function statusOfReplicaStore(
  { config, store }: Extract<Kept, { kind: "replica" }>,
  startedMs: number,
): ReplicaStoreStatus {
  const { role, name, path } = config;
  const from = role.kind === "replica" && role.from !== undefined ? formatAddress(role.from) : undefined;
  const peer = (role.kind === "replica" ? role.peer : undefined) ?? from ?? "";
  const rows = store.side?.reader.mailboxes() ?? [];
  return {
    ...{ role: "replica", name, path, mailboxes: rows.length, isConnected: store.isConnected },
    messages: rows.reduce((sum, { messages }) => sum + messages, 0),
    peer,
    ...{ lastLinkMs: store.lastLinkMs, lastChangeMs: store.lastChangeMs },
    troubles: store.hasCome || store.troublesNow.length > 0 ? store.troublesNow : [awaited(peer, startedMs)],
  };
}

/** One that dials in by itself may be on demand: it is waited for, and that alarms nobody. */
function awaited(peer: string, sinceMs: number): Trouble {
  return {
    code: "source-awaited",
    words: `waiting for ${peer}: it has not come since the daemon began`,
    hint: "If it should be here by now, look at the log of mailtwin over there.",
    ...{ sinceMs, level: "healing" },
  };
}
