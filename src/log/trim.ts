/**
 * Decides how far the replication log is trimmed, and for which replicas it is not kept any longer. Pure.
 *
 * A transaction stays until every replica has it. A replica that lags behind by more than the limits is marked: the log waits for it
 * no more, it is compared instead (resync), and the log goes on from where the others are. So what is left is within the limits,
 * whoever is away and for how long.
 * INVARIANT: nothing goes that a replica lacks which is not marked, nor what `heldLsn` names while it is within the limits.
 * INVARIANT: what stays is at most `maxBytes`.
 *
 * Without any replica nobody is waited for: one that is added later is compared in any case. The newest entries stay all the same, as
 * they do when every replica has them, for people to look at (`log tail`, `explain`).
 */
import type { ReplicaRow, ResyncWhy } from "./state-types.js";

/** What the log has; `StateReader` is one. */
export interface LogExtent {
  /** lastLsn() + 1 when it is empty. */
  firstLsn(): number;
  lastLsn(): number;
  logBytes(afterLsn?: number): number;
  oldestEntryMs(afterLsn?: number): number | undefined;
}

export interface TrimLimits {
  readonly maxBytes: number;
  /** How long the log is kept for a replica that lags; by the wall clock, from when an entry was captured. */
  readonly maxAgeMs: number;
  /** So many of the newest entries stay though everybody has them; half of them, or a quarter, where they would take more than a sixteenth of `maxBytes`. */
  readonly recentEntries: number;
}

export interface TrimReplica extends Pick<ReplicaRow, "replica" | "lsn" | "needsResyncSinceMs"> {
  /**
   * The lowest LSN that is needed beside what follows the cursor: a rejected transaction that will be sent again, or for a replica
   * that is marked the first one after the state with which it is being compared just now.
   */
  readonly heldLsn?: number | undefined;
}

export interface TrimPlan {
  /** Below firstLsn(): nothing goes. */
  readonly upTo: number;
  /** Those that are to be marked. */
  readonly needsResync: readonly { readonly replica: string; readonly why: ResyncWhy }[];
}

export interface TrimQuestion {
  readonly log: LogExtent;
  readonly replicas: readonly TrimReplica[];
  readonly limits: TrimLimits;
  readonly nowMs: number;
}

export function planTrim({ log, replicas, limits, nowMs }: TrimQuestion): TrimPlan {
  const needsResync: { readonly replica: string; readonly why: ResyncWhy }[] = [];
  const lastLsn = log.lastLsn();
  let upTo = lastLsn;
  for (const replica of replicas) {
    const hasLsn = standingOf(replica);
    if (hasLsn === undefined || hasLsn >= lastLsn) continue;
    const why = whyTooFar(hasLsn, log, limits, nowMs);
    if (why === undefined) upTo = Math.min(upTo, hasLsn);
    else if (replica.needsResyncSinceMs === undefined) needsResync.push({ replica: replica.replica, why });
  }
  return { upTo: Math.min(upTo, lastOfNoUse(log, limits)), needsResync };
}

/** All up to there is of no use to that replica; undefined: it needs nothing of the log. */
function standingOf({ lsn, needsResyncSinceMs, heldLsn }: TrimReplica): number | undefined {
  const held = heldLsn === undefined ? undefined : heldLsn - 1;
  if (needsResyncSinceMs !== undefined) return held;
  return held === undefined ? lsn : Math.min(lsn, held);
}

function whyTooFar(hasLsn: number, log: LogExtent, limits: TrimLimits, nowMs: number): ResyncWhy | undefined {
  if (log.logBytes(hasLsn) > limits.maxBytes) return "log-size";
  const oldestMs = log.oldestEntryMs(hasLsn);
  return oldestMs !== undefined && nowMs - oldestMs > limits.maxAgeMs ? "log-age" : undefined;
}

/** Of `maxBytes`, what is kept though everybody has it. */
const RECENT_PART = 1 / 16;

/** The last one that is not even kept to be looked at. */
function lastOfNoUse(log: LogExtent, { maxBytes, recentEntries }: TrimLimits): number {
  const lastLsn = log.lastLsn();
  let kept = recentEntries;
  while (kept > 0 && log.logBytes(lastLsn - kept) > maxBytes * RECENT_PART) kept = Math.floor(kept / 2);
  return lastLsn - kept;
}
