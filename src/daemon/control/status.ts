/**
 * What a running daemon says of itself: values, and what they mean for a person. Pure; the texts are in status-text.ts.
 *
 * Two levels beside "ok". Healing: something is behind or tries again, and gets well by itself. Needs you: it does not, and the
 * hint says what to do. A state (a replica that is away, or paused) is no trouble as such: whoever makes the status says whether it is.
 */
import type { ComparisonStatus } from "../../agent/comparison-progress.js";
import { unreachable } from "../../base/assert.js";
import type { ReplicaState } from "../run/replica-state.js";

export const LEVELS = ["ok", "healing", "needs-you"] as const;
export type Level = (typeof LEVELS)[number];

export interface Trouble {
  /** Of docs/errors.md, or a stable word of the daemon's own. */
  readonly code: string;
  /** "What was being done, to what: why it failed", without a full stop. */
  readonly words: string;
  readonly hint: string;
  readonly sinceMs: number;
  readonly level: Exclude<Level, "ok">;
}

export interface DaemonStatus {
  /** "mailtwin 0.1.0" */
  readonly software: string;
  readonly pid: number;
  readonly startedMs: number;
  /** When this was true. */
  readonly nowMs: number;
  readonly stores: readonly StoreStatus[];
  /** Of no store: a configuration that was not taken, an address that is not listened at. */
  readonly troubles?: readonly Trouble[] | undefined;
}

export type StoreStatus = SourceStatus | ReplicaStoreStatus;

/** A store of this host that others get. */
export interface SourceStatus {
  readonly role: "source";
  readonly name: string;
  readonly path: string;
  /** Absent, as are the four that follow, while the store is not open: it was not opened yet, or failed. */
  readonly mailboxes?: number | undefined;
  readonly messages?: number | undefined;
  readonly log?: { readonly firstLsn: number; readonly lastLsn: number; readonly bytes: number } | undefined;
  /** "sweeping": some directories at least are not watched; `why` says what the system says. */
  readonly watch?:
    | {
        readonly structure: "watching" | "sweeping";
        readonly why?: string | undefined;
        readonly hotMailboxes: number;
      }
    | undefined;
  /**
   * Comparisons of the whole store with the log, since it was opened. `caught`: changes of which no event had told. `lastMs`: when the
   * last one ended; absent before that.
   */
  readonly sweeps?:
    | { readonly count: number; readonly caught: number; readonly lastMs?: number | undefined }
    | undefined;
  /** Mailboxes that are not captured, each with the reason. */
  readonly problems: readonly MailboxProblem[];
  readonly replicas: readonly ReplicaStatus[];
  readonly troubles: readonly Trouble[];
}

export interface MailboxProblem extends Trouble {
  /** As people know it (words.ts). */
  readonly mailbox: string;
}

/** One replica of a source. */
export interface ReplicaStatus {
  readonly name: string;
  /** Where it is dialled, or "dials in". */
  readonly address: string;
  readonly mode: "live" | "on-demand";
  readonly state: ReplicaState;
  /** The highest LSN such that it and all before are durable there, or refused. Absent, as are the lag and `rejects`, while the store is not open. */
  readonly cursor?: number | undefined;
  readonly lagTransactions?: number | undefined;
  /** Age of the oldest transaction that it lacks; 0 when it lacks none. */
  readonly lagMs?: number | undefined;
  /** What it lacks, or the rest of the comparison of all of it, takes so long at the pace of the last minute. Absent: nothing, or nobody knows. */
  readonly etaMs?: number | undefined;
  /** When it last acknowledged something, or was found equal. */
  readonly lastSuccessMs?: number | undefined;
  /** When it is tried again. */
  readonly nextTryMs?: number | undefined;
  readonly rejects?: number | undefined;
  /** Since the store was opened. */
  readonly bytesSent: number;
  readonly transactionsSent: number;
  readonly needsResync: boolean;
  /** How far the comparison of all of it has come. Absent: none is under way. */
  readonly comparison?: ComparisonStatus | undefined;
  /** Mailboxes of it that were asked to be compared, alone. Absent: none is left of them. */
  readonly asked?: { readonly done: number; readonly all: number } | undefined;
  /** Mail that only it had when each mailbox was compared last, since the store was opened. Absent: there was none. */
  readonly foreign?: ForeignStatus | undefined;
  /** What it does not get, as the configuration says. Absent: its peer is not limited to some users, or the store is not open. */
  readonly limited?: LimitedStatus | undefined;
  /** How far the reading of all bodies is, here and there. Absent: they are not read again, or the store is not open. */
  readonly scrub?: ScrubStatus | undefined;
  /** Absent: there was none. */
  readonly breaches?: BreachesStatus | undefined;
  readonly troubles: readonly Trouble[];
}

/** Links that ended since the daemon began because the other end did not keep to the protocol. */
export interface BreachesStatus {
  /** At least 1. */
  readonly count: number;
  /** Of docs/errors.md. */
  readonly lastCode: string;
  readonly lastMs: number;
}

export interface ScrubStatus {
  /** A round is under way; else the counts are those of the last one. */
  readonly isInRound: boolean;
  /** Messages that were looked at in this round, of all that there are. */
  readonly done: number;
  readonly all: number;
  /** Of these those whose bytes could be read on both sides, and those that were repaired on the replica. */
  readonly read: number;
  readonly repaired: number;
  /** Messages that need a person. */
  readonly unresolved: number;
  /** When the round began, and when the last whole one ended. */
  readonly startedMs?: number | undefined;
  readonly endedMs?: number | undefined;
  /** The first of `unresolved`. `bad`: which side's bytes are not what they were. */
  readonly named: readonly {
    readonly mailbox: string;
    readonly uid: number;
    readonly bad: "source" | "replica" | "both" | "unknown";
    readonly words: string;
    readonly sinceMs: number;
  }[];
}

export interface LimitedStatus {
  /** They are not sent, of `all` that the store has. */
  readonly mailboxes: number;
  readonly all: number;
  /** "users of [peer.b]" */
  readonly why: string;
  /** The first few of them, as people know them (words.ts). */
  readonly named: readonly string[];
}

export interface ForeignStatus {
  readonly messages: number;
  readonly mailboxes: number;
  /** Those with the most, as people know them (words.ts). */
  readonly named: readonly { readonly mailbox: string; readonly messages: number; readonly comparedMs: number }[];
}

/** A store of this host that gets what changes elsewhere. */
export interface ReplicaStoreStatus {
  readonly role: "replica";
  readonly name: string;
  readonly path: string;
  /** Absent, as are the messages, while the store is not open: its source has not come yet, or it failed. */
  readonly mailboxes?: number | undefined;
  readonly messages?: number | undefined;
  /** Who sends: the peer's name, or the address where it is dialled. */
  readonly peer: string;
  readonly isConnected: boolean;
  /** When it was connected the last time; now, while it is. Since the daemon began. */
  readonly lastLinkMs?: number | undefined;
  /** Where it dials, and is not connected: when it last failed to, since its last link, and when it tries again. */
  readonly lastTryMs?: number | undefined;
  readonly nextTryMs?: number | undefined;
  /** When something was last applied, since the daemon began. */
  readonly lastChangeMs?: number | undefined;
  /** What it did not take, as the last try of each mailbox ended, since the daemon began. Absent: it takes all. */
  readonly refused?: RefusedStatus | undefined;
  /** Of the source. Absent: there was none. */
  readonly breaches?: BreachesStatus | undefined;
  readonly troubles: readonly Trouble[];
}

export interface RefusedStatus {
  readonly mailboxes: number;
  /** Of the first of them. */
  readonly sinceMs: number;
  /** Not all of them where they are thousands. */
  readonly named: readonly MailboxProblem[];
}

/** A trouble and whose it is: "mail/b", "mail: alice/.Work", "mail", or "" for the daemon itself. */
export interface PlacedTrouble extends Trouble {
  readonly where: string;
}

/** All of them, in the order of the status. */
export function troublesOf(status: DaemonStatus): readonly PlacedTrouble[] {
  return [...(status.troubles ?? []).map((trouble) => ({ where: "", ...trouble })), ...status.stores.flatMap(ofStore)];
}

function ofStore(store: StoreStatus): readonly PlacedTrouble[] {
  const own = store.troubles.map((trouble) => ({ where: store.name, ...trouble }));
  const problems = store.role === "replica" ? (store.refused?.named ?? []) : store.problems;
  const ofMailboxes = problems.map((problem) => ({ where: `${store.name}: ${problem.mailbox}`, ...problem }));
  if (store.role === "replica") return [...own, ...ofMailboxes];
  const ofReplicas = store.replicas.flatMap(({ name, troubles }) =>
    troubles.map((trouble) => ({ where: `${store.name}/${name}`, ...trouble })),
  );
  return [...own, ...ofMailboxes, ...ofReplicas];
}

/** The worst of all that is in it. */
export function levelOf(thing: DaemonStatus | StoreStatus | ReplicaStatus): Level {
  if ("stores" in thing) return worstOf(troublesOf(thing));
  return worstOf("role" in thing ? ofStore(thing) : thing.troubles);
}

function worstOf(troubles: readonly Pick<Trouble, "level">[]): Level {
  const rank = troubles.reduce((worst, { level }) => Math.max(worst, LEVELS.indexOf(level)), 0);
  return LEVELS[rank] ?? "ok";
}

export function wordsOfLevel(level: Level): string {
  switch (level) {
    case "ok":
      return "all is well";
    case "healing":
      return "healing: nobody has to do anything";
    case "needs-you":
      return "needs you: a person has to do something";
    default:
      return unreachable(level);
  }
}

/** For machines: the same, each with its level. */
export function withLevels(status: DaemonStatus) {
  const leveled = <T extends StoreStatus | ReplicaStatus>(thing: T) => ({ level: levelOf(thing), ...thing });
  const stores = status.stores.map((store) =>
    store.role === "replica" ? leveled(store) : { ...leveled(store), replicas: store.replicas.map(leveled) },
  );
  return { level: levelOf(status), ...status, stores };
}
