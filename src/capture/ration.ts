/**
 * When hints are worked off, and when a whole listing of a mailbox may be made. A listing costs in proportion to the mailbox, so it is paid back with quiet
 * time: after one that took t, the next of the same mailbox waits `REST_FACTOR` times t. Pure.
 */
import type { FullReason } from "./dirty-set.js";

/** A mailbox is listed at most this fraction of the time: 1 / (1 + REST_FACTOR). */
const REST_FACTOR = 9;
/** A small mailbox may be listed again at once. */
const FREE_MS = 2;
/** A listing only for the sake of a trusted fingerprint waits until the mailbox is quiet. */
export const QUIET_MS = 3_000;
/** But not for ever: in a mailbox that is never quiet, lost events would show nowhere else. */
export const RESTLESS_MS_MAX = 60_000;

export interface GatherLimits {
  /** One delivery, or one STORE, is several events within that time: to look at each would be to look three times. */
  readonly gatherMs: number;
  /** A busy mailbox is examined this often: what came meanwhile shares an examination, a transaction, and its sending. */
  readonly busyMs: number;
}

export interface CapturerLimits extends GatherLimits {
  /** A file without a record gets its UID from us after this long (R13). */
  readonly unnumberedMsMax: number;
  /** Pause between sweeps while watching. */
  readonly sweepMs: number;
}

export const CAPTURER_LIMITS: CapturerLimits = { unnumberedMsMax: 100, sweepMs: 20_000, gatherMs: 3, busyMs: 40 };

export interface HintTimes {
  readonly lastHintMs: number;
  /** When the first examination since the last listing relied on hints alone. */
  readonly restsSinceMs: number;
}

export interface LastListing {
  readonly endMs: number;
  readonly tookMs: number;
}

/** The earliest time of the next listing. */
export function listingDueMs(reason: FullReason, last: LastListing | undefined, hints: HintTimes): number {
  if (reason === "continue") return 0;
  const quietMs = Math.min(hints.lastHintMs + QUIET_MS, hints.restsSinceMs + RESTLESS_MS_MAX);
  const waited = reason === "quiet" ? quietMs : 0;
  if (last === undefined) return waited;
  const rested = last.tookMs <= FREE_MS ? last.endMs : last.endMs + last.tookMs * REST_FACTOR;
  return Math.max(rested, waited);
}

/** When a mailbox is to be examined whose first hint came then, and that was examined last then. */
export function hintsDueMs({ gatherMs, busyMs }: GatherLimits, hintedMs: number, examinedMs: number): number {
  return Math.max(hintedMs + gatherMs, examinedMs + busyMs);
}
