/** What crosses between whoever says when the limbo is purged and the thread that does it. Plain values only. */
import type { LimboRow } from "../log/state-types.js";

export interface UndeleteLimits {
  readonly keptMs: number;
  /** Undefined: as much as comes. */
  readonly bytesMax: number | undefined;
}

/** One slice. */
export interface PurgeOutcome {
  /** Whole mailboxes with their sizes, to be recorded. */
  readonly counted: readonly LimboRow[];
  /** Their files are gone, durably: the rows are to be dropped before the next call. */
  readonly dropped: readonly LimboRow[];
  /** What could not be removed, in words: the first of them. It stays, and its row. */
  readonly failed?: string;
  /** Call again. */
  readonly more: boolean;
}

export interface PurgeMethods {
  /** Goes on with the purge that the call before has begun, or begins one. Throws: scratch-missing, scratch-foreign, system errors. */
  purgeLimbo(limits: UndeleteLimits): PurgeOutcome;
}
