/**
 * What a comparison of a mailbox with its baseline yields, before anything is decided about it.
 */
import type { FileStat } from "../base/disk.js";
import type { BaselineRecord } from "../log/state-types.js";
import type { BaseName, Uid } from "../maildir/ids.js";

/** A message as it stands on disk. */
export interface PresentMessage {
  readonly uid: Uid;
  readonly base: BaseName;
  /** What follows the base name (":2,S"), "" if nothing. */
  readonly info: string;
  readonly fields: string;
  readonly stat: FileStat;
}

/** One UID at which disk and baseline differ. Without `now` the message is expunged, and that is believed. */
export interface Finding {
  readonly uid: Uid;
  readonly before: BaselineRecord | undefined;
  readonly now: PresentMessage | undefined;
}

export interface Comparison {
  /** Ascending by UID. */
  readonly findings: readonly Finding[];
  /**
   * The lowest new record of which it is not known whether it has a file; undefined when all are known.
   * INVARIANT: no save of this UID or one above it is among the findings.
   */
  readonly openFrom: number | undefined;
  readonly needListing: boolean;
  readonly late: readonly Uid[];
  /** The findings are only the first part. */
  readonly more: boolean;
}
