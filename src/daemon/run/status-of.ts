/** The state of a running daemon, for people and programs. Reads, and changes nothing. */

import { assert } from "../../base/assert.js";
import { formatCount } from "../../base/text-format.js";
import type { CaptureProblem } from "../../capture/capture-types.js";
import type { MailboxRow, RejectionRow } from "../../log/state-types.js";
import { formatAddress } from "../../wire/address.js";
import type { KeyName } from "../../wire/key-name.js";
import type { Replica } from "../config/config.js";
import type {
  DaemonStatus,
  MailboxProblem,
  RefusedStatus,
  ReplicaStatus,
  ReplicaStoreStatus,
  SourceStatus,
  Trouble,
} from "../control/status.js";
import { VERSION } from "../version.js";
import { mailboxName } from "../words.js";
import type { Daemon, Kept } from "./daemon.js";
import { hintInDaemon, hintOfRejection, isRefused, levelOfRefusal } from "./daemon-hints.js";
import { troubleOfPause } from "./pause-trouble.js";
import type { ReplicaRunner } from "./replica-runner.js";
import type { SourceKeeper } from "./source-keeper.js";
import type { SourceStore } from "./source-store.js";

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
      kept.kind === "source" ? statusOfSource(kept, daemon, nowMs) : statusOfReplicaStore(kept, daemon, startedMs),
    ),
    troubles: [...daemon.troubles.all, ...daemon.refusals.troubles],
  };
}

function statusOfSource(
  { config, keeper }: Extract<Kept, { kind: "source" }>,
  { breaches }: Pick<Daemon, "breaches">,
  nowMs: number,
): SourceStatus {
  const { store } = keeper;
  return {
    ...{ role: "source", name: config.name, path: config.path },
    ...(store === undefined ? {} : statusOfOpened(store)),
    problems: [...(store?.side.capturer.problems.values() ?? [])].map((problem) =>
      problemOf(problem, keeper.problems.sinceMs(problem) ?? nowMs),
    ),
    replicas: Array.from(keeper.replicas.values(), (replica) => ({
      ...statusOfReplica(replica, { store: config.name, keeper }),
      breaches: breaches.ofReplica(config.name, replica.name).status,
    })),
    troubles: keeper.troubles.all,
  };
}

function watchOf(watch: SourceStore["watch"]): SourceStatus["watch"] {
  const failure = watch?.structure.failure;
  const why = failure === undefined ? {} : { why: failure.message };
  return { structure: failure === undefined ? "watching" : "sweeping", ...why, hotMailboxes: watch?.hot.size ?? 0 };
}

/** What nobody knows of a store that is not open. */
function statusOfOpened(store: SourceStore): Pick<SourceStatus, "mailboxes" | "messages" | "log" | "watch" | "sweeps"> {
  const { capturer, reader } = store.side;
  const { mailboxes, messages, sweeps, sweptMs, caughtBySweep } = capturer.counts;
  return {
    ...{ mailboxes, messages },
    log: { firstLsn: reader.firstLsn(), lastLsn: reader.lastLsn(), bytes: reader.logBytes() },
    watch: watchOf(store.watch),
    sweeps: { count: sweeps, caught: caughtBySweep, lastMs: sweptMs },
  };
}

/** Of one that is not captured: tried again by each sweep, and a person's matter all the same. */
function problemOf({ path, code, message, hint }: CaptureProblem, sinceMs: number): MailboxProblem {
  const words = { code, words: message, hint: hintInDaemon(code, hint) };
  return { mailbox: mailboxName(path), ...words, sinceMs, level: "needs-you" };
}

function statusOfReplica(
  replica: Replica,
  { store: storeName, keeper }: { readonly store: string; readonly keeper: SourceKeeper },
): ReplicaStatus {
  const runner = keeper.runner(replica.name);
  const { to, name, mode } = replica;
  const address = to === undefined ? "dials in" : formatAddress(to);
  const { store } = keeper;
  if (runner === undefined || store === undefined) {
    const known = keeper.memory(name); // between two runners: a reload is under way.
    const { sums = { bytesSent: 0, transactionsSent: 0 }, troubles } = known ?? {};
    return { ...{ name, mode, address, state: "idle", needsResync: false, troubles: troubles?.all ?? [] }, ...sums };
  }
  const { lag, agent } = runner;
  const { reader } = store.side;
  const rejects = reader.rejections(name);
  return {
    ...{ name, mode, address, state: runner.state, cursor: runner.ackedLsn },
    ...{ lagTransactions: lag.transactions, lagMs: lag.ms, ...runner.sums, rejects: rejects.length },
    etaMs: agent === undefined || runner.state === "live" ? undefined : runner.pace.leftMs,
    needsResync: runner.needsResync || agent?.isComparing === true,
    ...{ comparison: agent?.comparison, asked: runner.asked.status, foreign: runner.foreign },
    ...{ limited: runner.leftOut.status, scrub: keeper.scrub(replica.name)?.status },
    troubles: [...troublesOfPause(runner, storeName), ...runner.troubles.all, ...troublesOfRejects(rejects)],
  };
}

function troublesOfPause(runner: ReplicaRunner, store: string): readonly Trouble[] {
  const { pausedSinceMs: sinceMs, lag, resyncWhy, asked, name } = runner;
  if (sinceMs === undefined) return [];
  const lacks = { behind: lag.transactions, resyncWhy, isAsked: asked.status !== undefined };
  return [troubleOfPause({ target: `${store}/${name}`, sinceMs, ...lacks }) ?? []].flat();
}

/** Those of each code together, but for what may pass by itself: each is in `mailtwin rejects list`, under the same code. */
export function troublesOfRejects(rejects: readonly RejectionRow[]): readonly Trouble[] {
  const refused = rejects.filter(({ code }) => isRefused(code));
  const kindOf = (row: RejectionRow) => `${row.code} ${levelOf(row)}`;
  const kinds = [...new Set(refused.map(kindOf))];
  return kinds.map((kind) => troubleOfRejects(refused.filter((row) => kindOf(row) === kind)));
}

function levelOf({ code, firstMs, lastMs }: RejectionRow): Trouble["level"] {
  return levelOfRefusal(code, lastMs - firstMs);
}

/** `rows`: of one code and level, at least one. */
function troubleOfRejects(rows: readonly RejectionRow[]): Trouble {
  const [first] = rows;
  assert(first !== undefined, "there is a trouble only where something is refused");
  const more = rows.length === 1 ? "" : `, and ${formatCount(rows.length - 1)} more`;
  return {
    code: first.code,
    words: `replicating ${mailboxName(first.path)}: ${first.message}${more}`,
    hint: hintOfRejection(first.code),
    sinceMs: rows.reduce((earliest, { firstMs }) => Math.min(earliest, firstMs), first.firstMs),
    level: levelOf(first),
  };
}

function statusOfReplicaStore(
  { config, store, dialled }: Extract<Kept, { kind: "replica" }>,
  { breaches, refusals: { strangers } }: Pick<Daemon, "breaches" | "refusals">,
  startedMs: number,
): ReplicaStoreStatus {
  const { role, name, path } = config;
  const from = role.kind === "replica" && role.from !== undefined ? formatAddress(role.from) : undefined;
  const peer = (role.kind === "replica" ? role.peer : undefined) ?? from ?? "";
  const refused = store.refusedNow;
  const own =
    store.hasCome || store.troublesNow.length > 0
      ? store.troublesNow
      : [awaited(peer, { startedMs, lastLinkMs: store.lastLinkMs, strangers })];
  return {
    ...{ role: "replica", name, path, ...sizeOf(store.side?.reader.mailboxes()), isConnected: store.isConnected },
    peer,
    ...{ lastLinkMs: store.lastLinkMs, lastChangeMs: store.lastChangeMs, refused },
    breaches: breaches.ofSource(name).status,
    ...dialled?.waiting,
    troubles: [...own, ...troubleOfUnnamed(refused)],
  };
}

function sizeOf(rows: readonly MailboxRow[] | undefined): Pick<ReplicaStoreStatus, "mailboxes" | "messages"> {
  if (rows === undefined) return {}; // it is not open.
  return { mailboxes: rows.length, messages: rows.reduce((sum, { messages }) => sum + messages, 0) };
}

/** Of thousands not all are named. */
function troubleOfUnnamed(refused: RefusedStatus | undefined): readonly Trouble[] {
  if (refused === undefined || refused.mailboxes === refused.named.length) return [];
  const { mailboxes, named, sinceMs } = refused;
  return [
    {
      code: "mailboxes-refused",
      words: `replicating ${formatCount(mailboxes - named.length)} more mailboxes: they are refused here, too`,
      hint: "`mailtwin rejects list` on the source's host has all of them, with what stands in the way.",
      ...{ sinceMs, level: "needs-you" },
    },
  ];
}

/** One that dials in by itself may be on demand: it is waited for, and that alarms nobody. `strangers`: keys that were refused lately. */
function awaited(
  peer: string,
  known: {
    readonly startedMs: number;
    readonly lastLinkMs: number | undefined;
    readonly strangers: readonly KeyName[];
  },
): Trouble {
  const { startedMs, lastLinkMs, strangers } = known;
  const since = lastLinkMs === undefined ? "the daemon began" : "a reload changed its key or its rights";
  const sinceMs = lastLinkMs ?? startedMs;
  const waiting = `waiting for ${peer}: it has not come since ${since}`;
  const hint = "If it should be here by now, look at the log of mailtwin over there.";
  const heals = { code: "source-awaited", sinceMs, level: "healing" } as const;
  if (strangers.length === 0) return { ...heals, words: waiting, hint };
  return {
    ...heals,
    words: `${waiting}; meanwhile somebody was refused whose key no peer has (peer-unknown): ${strangers.join(", ")}`,
    hint: `Is that the key of ${peer}? mailtwin pair there says its name: put it into the configuration here (mailtwin pair NAME KEY, or key of its [peer.NAME]), and mailtwin reload. If not, look at the log of mailtwin over there.`,
  };
}
