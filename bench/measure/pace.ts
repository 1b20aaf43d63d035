/**
 * Does something at a steady rate: each step has its own moment, so that a slow step is caught up with, not added.
 */
import { monotonicMs, pause } from "./clock.js";

/** Calls `step(0)`, `step(1)`, ... `perSecond` times a second for `seconds`, or until aborted. */
export async function atRate(
  rate: { readonly perSecond: number; readonly seconds: number },
  step: (at: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const startMs = monotonicMs();
  for (let at = 0; at < rate.perSecond * rate.seconds; at++) {
    const waitMs = startMs + (at * 1000) / rate.perSecond - monotonicMs();
    if (waitMs > 1) await pause(waitMs);
    if (signal?.aborted === true) return;
    step(at);
  }
}
