/**
 * What can be asked of a running daemon, by whoever may open its control socket: the port between control-server.ts and the daemon.
 *
 * Names of stores and replicas are those of the last `status()` when a method gets them. A method throws a `MailtwinError` for what
 * it refuses; anything else it throws is a defect, and is told to the client as one.
 */

import type { MailboxGuid } from "../../maildir/ids.js";
import type { LimboFilesPage, LimboMark, LimboPage } from "../../wire/limbo.js";
import type { WantedFile } from "../undelete/fetch-limbo.js";
import type { Sample } from "../verify/deep.js";
import type { ToldVerdict } from "../verify/verdict-told.js";
import type { ExplainQuery, Explanation } from "./explain.js";
import type { MailboxWish } from "./find-mailbox.js";
import type { PlanAnswer } from "./plan-answer.js";
import type { DaemonStatus } from "./status.js";

export interface ReplicaTarget {
  readonly store: string;
  readonly replica: string;
}

/** Undefined: all of them. */
export interface Targets {
  readonly store?: string | undefined;
  readonly replica?: string | undefined;
}

/** What became of all that were meant. */
export interface FetchNowAnswer {
  /** They are dialled, or served, now: those that were not connected. */
  readonly asked: number;
  /** STORE/REPLICA: they get nothing. */
  readonly paused: readonly string[];
  /** STORE/REPLICA, and stores of this host that are replicas: what changes is sent as it comes, and there is nothing to ask for. */
  readonly connected: readonly string[];
  /** They cannot be asked, or let have anything, from here and now: which (STORE, STORE/REPLICA), and a sentence that says what helps. */
  readonly beyond: readonly { readonly name: string; readonly words: string }[];
}

export interface ResyncAnswer {
  /** They will be compared: each as often as there are replicas where it will be. */
  readonly mailboxes: number;
  /** The same, each once. */
  readonly ofSource: number;
  /** On how many replicas that will be. */
  readonly replicas: number;
  /** As of `FetchNowAnswer`; they are compared when they are resumed. */
  readonly paused: readonly string[];
  /** STORE/REPLICA: they are not connected, and are compared when they are. */
  readonly away: readonly string[];
  /** Of what was named by user or mailbox: replicas (STORE/REPLICA) that may not have some, or all, of it, and why: "users of [peer.f]". */
  readonly limited: readonly { readonly name: string; readonly mailboxes: number; readonly why: string }[];
}

export interface RejectsAnswer {
  readonly rejects: number;
  /** Mailboxes of the rejection log that nobody has refused: they are to be compared. */
  readonly toCompare: number;
  /** Nothing comes of it before the replica is resumed. */
  readonly paused: boolean;
}

/** Deletions of a source that are held back. */
export interface HeldDeletions {
  readonly store: string;
  /** Since when, and what would have gone within the window: more than `limit` messages. Not for "mount-missing", of which `mounts` tells. */
  readonly sinceMs: number;
  readonly why: "messages" | "deleted-mailboxes" | "mount-missing";
  readonly messages: number;
  readonly limit: number;
  /** Where file systems inside of the store are not mounted: what lies in them is held, too. */
  readonly mounts: readonly string[];
  /** Messages that are held back, of `mailboxes`. */
  readonly held: number;
  readonly mailboxes: number;
  /** Those with the most, as people know them (words.ts). `isWhole`: the mailbox is gone. `uids`: the first of them, else. */
  readonly named: readonly {
    readonly mailbox: string;
    readonly messages: number;
    readonly isWhole: boolean;
    readonly uids: readonly number[];
  }[];
}

export interface DeletionsAnswer {
  readonly stores: readonly HeldDeletions[];
}

/** Messages of a mailbox of a source that a replica still has, ascending; `look`: nothing is fetched, it is only said whether it could be. */
export interface FetchQuery extends ReplicaTarget {
  readonly mailbox: MailboxGuid;
  readonly uids: readonly number[];
  readonly look: boolean;
}

/** The first of those that were asked for (`look`: all). Without `why` it can be had, or its file is in the source's state directory. */
export interface FetchAnswer {
  readonly messages: readonly { readonly uid: number; readonly why?: string }[];
}

/** Files of the limbo of a replica. */
export interface LimboFetchQuery extends ReplicaTarget {
  readonly files: readonly WantedFile[];
}

/** Of the first of them, at least one. Without `why` its file is in the source's state directory, called as `fetchedFileName` says. */
export interface LimboFetchAnswer {
  readonly files: readonly ({ readonly why: string } | { readonly sha256: string; readonly virtualSize: number })[];
}

/** A replica that was compared with its source, or could not be. `a` is the source, `b` the replica. */
export type VerifiedReplica = ComparedReplica | UncomparedReplica;

interface ComparedReplica extends ReplicaTarget, ToldVerdict {
  readonly kind: "verified";
  readonly elapsedMs: number;
  /** So many mailboxes differed before, and were compared to be mended. */
  readonly repaired: number;
  /** So many of another UIDVALIDITY were left as they are, since nobody has accepted that. */
  readonly left: number;
}

interface UncomparedReplica extends ReplicaTarget {
  readonly kind: "unverified";
  readonly code: string;
  readonly words: string;
}

/** Of all that were meant, as the command writes it. */
interface VerifyAnswer {
  readonly equal: boolean;
  readonly replicas: readonly VerifiedReplica[];
}

export interface VerifyWish {
  readonly settleMs: number;
  /** Which messages are read; undefined: none but those that changed. */
  readonly sample?: Sample | undefined;
  /** What differs is compared by the replica's agent and mended, and looked at again. */
  readonly repair?: boolean | undefined;
  /** With `repair`: of bodies that differ the source's are right, whatever else says. */
  readonly trustSource?: boolean | undefined;
  /** Mailboxes of another UIDVALIDITY take the source's then; else they are left as they are. */
  readonly acceptsUidValidity?: boolean | undefined;
}

/**
 * `clearsPlace`: what stands on the replica where a mailbox of the source belongs, and is none of the source's, goes to the limbo there. Only
 * with a mailbox, and on one replica that is connected.
 */
export interface ResyncQuery extends Targets, MailboxWish {
  readonly clearsPlace?: boolean | undefined;
}

/** `verbose`: mailboxes that are equal are named, too. */
export interface PlanQuery extends Targets, MailboxWish {
  readonly verbose?: boolean | undefined;
}

type Awaitable<T> = T | Promise<T>;

export interface DaemonControl {
  /** Cheap: it may be asked many times a second. */
  status(): DaemonStatus;
  /** Stays so until `resume`, also over a restart of the daemon if the daemon says so. */
  pause(target: ReplicaTarget): Awaitable<void>;
  resume(target: ReplicaTarget): Awaitable<void>;
  /**
   * Ends a back-off, and lets on-demand replicas have what they lack: `store` alone is a replica of this host. `paused`: those (STORE/REPLICA)
   * that were meant, are paused, and get nothing.
   */
  fetchNow(target: Targets): Awaitable<FetchNowAnswer>;
  /**
   * Compares what is meant, and mends it. Returns when that is decided, not when it is done. The signal is as that of `explain`.
   * Throws: target-unknown, not-the-source; with `clearsPlace` target-ambiguous, target-away.
   */
  resync(query: ResyncQuery, signal: AbortSignal): Awaitable<ResyncAnswer>;
  /**
   * What `resync` would do. Compares what is meant, and changes nothing. Returns when all has been compared, which may take minutes.
   * Throws as `resync`.
   */
  planResync(query: PlanQuery, signal: AbortSignal): Promise<PlanAnswer>;
  /**
   * Compares what is meant, and changes nothing. Returns when all have been compared, which may take minutes. `settleMs`: how long what
   * differs has to stay so. The signal is as that of `explain`. Throws: target-unknown, not-the-source.
   */
  verify(query: Targets & VerifyWish, signal: AbortSignal): Promise<VerifyAnswer["replicas"]>;
  /**
   * Tries what the replica had refused once more, and compares what is to be compared; of one mailbox if there is a wish, which may
   * name it as `rejectionsMeant` says. The signal is as that of `explain`.
   * Throws: target-unknown; not-rejected, where there is a wish, and the replica refuses nothing of that.
   */
  retry(query: ReplicaTarget & MailboxWish, signal: AbortSignal): Awaitable<RejectsAnswer>;
  /** In the place of what was refused comes the wish to compare its mailbox, on a new link. As `retry`. */
  skip(query: ReplicaTarget & MailboxWish, signal: AbortSignal): Awaitable<RejectsAnswer>;
  /** What is held back now, of one store or of all. Throws: target-unknown, not-the-source. */
  deletions(query: Pick<Targets, "store">): Awaitable<readonly HeldDeletions[]>;
  /**
   * Lets go what is held back now, and nothing that goes later; durable when it returns. Returns that.
   * Throws: as `deletions`; target-ambiguous, where several stores are meant; store-not-ready, where it is not known yet what is held.
   */
  approveDeletions(query: Pick<Targets, "store">): Promise<readonly HeldDeletions[]>;
  /**
   * Has messages back from a replica, into files that only mailtwin's user can read, called by mailbox and UID (`fetchedName`); those of
   * the call before go. The signal is as that of `explain`. Throws: target-unknown, store-not-ready, compared-confused, what ends the link.
   */
  fetchHeld(query: FetchQuery, signal: AbortSignal): Promise<FetchAnswer>;
  /**
   * What is in the limbo of a replica of what this source has sent, as `LimboSide` says: a page of rows, of files of a mailbox; and files of
   * it, into files as those of `fetchHeld`. Each throws as that; what the limbo is refused with.
   */
  limboPage(query: ReplicaTarget & { readonly after: LimboMark | undefined }, signal: AbortSignal): Promise<LimboPage>;
  limboFiles(
    query: ReplicaTarget & { readonly name: string; readonly after: string },
    signal: AbortSignal,
  ): Promise<LimboFilesPage>;
  fetchLimbo(query: LimboFetchQuery, signal: AbortSignal): Promise<LimboFetchAnswer>;
  /** See `explainUid`. The signal is aborted when the client has gone. */
  explain(query: ExplainQuery, signal: AbortSignal): Promise<Explanation>;
  /** All or nothing. One line for each thing that is different now. Throws: config-wrong. */
  reload(): Promise<{ readonly changes: readonly string[] }>;
}
