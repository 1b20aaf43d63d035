/**
 * How coarse file times are: within one tick a second change leaves no trace. The kernel stamps with a clock that moves every
 * 10 ms or less; some file systems keep whole seconds, which shows in the time itself.
 */

/** With a margin, for the clocks of the caller and of the file system are read one after the other. */
const TICK_MS = 20;
const SECOND_TICK_MS = 1_100;

/** Milliseconds within which another change would leave the same time. */
export function tickOf(timeMs: number): number {
  return Number.isInteger(timeMs / 1000) ? SECOND_TICK_MS : TICK_MS;
}
