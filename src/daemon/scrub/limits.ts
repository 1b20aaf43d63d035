/** How often all bodies of a source and its replicas are read again, and how fast at the most: bounds and defaults. */
import type { Bounds, ByteCount } from "../../base/quantity.js";

export interface ScrubLimits {
  /** All are read once within that time. */
  readonly everyMs: number;
  /** Bytes a second, on each side. */
  readonly maxRate: ByteCount;
}

/** Shorter than the time that it takes at `maxRate` means: without a pause. */
export const SCRUB_EVERY: Bounds = { least: "10s", most: "3650d" };
export const SCRUB_RATE: Bounds = { least: "64KiB", most: "1TiB" };
/** What one disk reads beside its other work without anybody noticing: 10 TB a month. */
export const SCRUB_RATE_DEFAULT = "4MiB";
