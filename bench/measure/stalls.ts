/**
 * Which stretches of time the disk stood still, and which mails met one. Pure; all times on one monotonic clock.
 *
 * Only what the probe itself saw counts as a stall. One that began and ended between two of its writes is not known, and the
 * mails that met it are not excused.
 */
import { type Percentiles, percentilesOf } from "./percentiles.js";

export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

export const STALL_MS_MIN = 50;

/** One measurement of the disk floor. */
export interface DiskFloor extends Percentiles {
  readonly probes: number;
  /** The probe's writes that took longer than `STALL_MS_MIN`, in order; milliseconds after the measurement began. */
  readonly stalls: readonly Stretch[];
  /** All stalls together: a long one is one value among the percentiles, however many writes it kept from happening. */
  readonly stalledMs: number;
  readonly seconds: number;
}

/** Sums up the probe's writes between two moments. */
export function summarizeFloor(writes: readonly Stretch[], span: Stretch): DiskFloor {
  const stalls = stallsIn(writes);
  return {
    ...percentilesOf(writes.map(({ fromMs, toMs }) => toMs - fromMs)),
    probes: writes.length,
    stalls: stalls.map(({ fromMs, toMs }) => ({
      fromMs: rounded(fromMs - span.fromMs),
      toMs: rounded(toMs - span.fromMs),
    })),
    stalledMs: rounded(stalls.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0)),
    seconds: Math.round((span.toMs - span.fromMs) / 100) / 10,
  };
}

export function stallsIn(writes: readonly Stretch[]): readonly Stretch[] {
  return writes.filter(({ fromMs, toMs }) => toMs - fromMs > STALL_MS_MIN);
}

export interface LagOutsideStalls {
  /** Undefined when every mail met a stall. */
  readonly p99: number | undefined;
  readonly counted: number;
  readonly leftOut: number;
}

/** The 99th percentile of the mails whose way, from delivered to visible, does not overlap a stall. */
export function lagOutside(stalls: readonly Stretch[], mails: readonly Stretch[]): LagOutsideStalls {
  const kept = mails.filter((mail) => !stalls.some((stall) => overlaps(mail, stall)));
  return {
    p99: kept.length === 0 ? undefined : percentilesOf(kept.map(({ fromMs, toMs }) => toMs - fromMs)).p99,
    counted: kept.length,
    leftOut: mails.length - kept.length,
  };
}

/** Stretches that only touch do not overlap. */
export function overlaps(a: Stretch, b: Stretch): boolean {
  return a.fromMs < b.toMs && b.fromMs < a.toMs;
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
