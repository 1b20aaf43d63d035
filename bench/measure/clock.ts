/**
 * The harness's only clocks and pauses.
 *
 * `monotonicMs` is CLOCK_MONOTONIC: the same in every process of this machine, so that a delivery in one process and its
 * arrival seen by another can be subtracted.
 */
import { setTimeout as delay } from "node:timers/promises";

/** Milliseconds since boot, with microseconds behind the point. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Milliseconds since 1970. */
export function unixMs(): number {
  return Date.now();
}

export async function pause(ms: number): Promise<void> {
  await delay(ms);
}

const NEVER = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread; for waits of a millisecond inside synchronous file work. */
export function blockFor(ms: number): void {
  Atomics.wait(NEVER, 0, 0, ms);
}
