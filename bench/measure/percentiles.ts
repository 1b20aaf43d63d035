/**
 * Percentiles of durations, one way for everything that is reported: three significant digits, in steps of a microsecond.
 */
import { build } from "hdr-histogram-js";

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Of milliseconds, in milliseconds with two digits behind the point. All are 0 without values. */
export function percentilesOf(valuesMs: readonly number[]): Percentiles {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 600_000_000,
    numberOfSignificantValueDigits: 3,
  });
  for (const ms of valuesMs) histogram.recordValue(Math.max(1, Math.round(ms * 1000)));
  const at = (p: number): number =>
    valuesMs.length === 0 ? 0 : Math.round(histogram.getValueAtPercentile(p) / 10) / 100;
  return { p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}
