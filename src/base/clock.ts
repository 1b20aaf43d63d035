/**
 * Time as a port. Decisions take `nowMs`; whatever waits takes a `Clock`, so that tests and the simulator own time.
 *
 * This file is the only door to `UnixMs` and, in the program, the only user of `Date.now` and `setTimeout`.
 */
import { assert } from "./assert.js";
import type { Brand } from "./brand.js";
import { Waiter } from "./waiter.js";

/** Milliseconds since 1970, whole. The wall clock: it may jump; never measure a duration with it. */
export type UnixMs = Brand<number, "UnixMs">;

export function isUnixMs(value: number): value is UnixMs {
  return Number.isSafeInteger(value) && value >= 0;
}

/** For values of our own arithmetic; test input from outside with `isUnixMs` first. */
export function unixMs(value: number): UnixMs {
  assert(isUnixMs(value), `not a time in milliseconds: ${value}`);
  return value;
}

export interface Timer {
  /** The callback does not run after this. May be called at any time, more than once. */
  cancel(): void;
}

export interface Clock {
  nowMs(): UnixMs;
  /** Milliseconds with fraction since some fixed moment; never goes back. */
  monotonicMs(): number;
  /** Rejects with the abort reason. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Runs `run` once, not before `ms` have passed. Keeps the process alive until then. */
  setTimer(ms: number, run: () => void): Timer;
}

/** Node fires at once when asked for more (24.8 days). */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => unixMs(Date.now()),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
  setTimer: startTimer,
};

/** Lets what waits for this thread have its turn. */
export async function nextTurn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

/** `sleep` made of `setTimer`, for every implementation of the port. */
export async function sleepOn(clock: Pick<Clock, "setTimer">, ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const waiter = new Waiter<void>(signal, () => timer.cancel());
  const timer = clock.setTimer(ms, () => waiter.settle());
  await waiter.promise;
}

function startTimer(ms: number, run: () => void): Timer {
  assert(ms >= 0, "a timer cannot run in the past");
  const dueMs = performance.now() + ms;
  let handle: NodeJS.Timeout;
  const arm = (leftMs: number): void => {
    handle = setTimeout(fire, Math.min(leftMs, TIMEOUT_MS_MAX));
  };
  const fire = (): void => {
    const leftMs = dueMs - performance.now();
    // Node's timers may be a fraction of a millisecond early; only a cut wait is continued.
    if (leftMs >= 1) arm(leftMs);
    else run();
  };
  arm(ms);
  return { cancel: () => clearTimeout(handle) };
}
