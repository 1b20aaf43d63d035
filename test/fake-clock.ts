/**
 * A clock that stands still until `advance`. Timers run in the order of their time, those of one moment in the order
 * in which they were set, and what they start gets to run before time moves on.
 */
import { setImmediate } from "node:timers/promises";
import { assert } from "../src/base/assert.js";
import { type Clock, sleepOn, type Timer, type UnixMs, unixMs } from "../src/base/clock.js";

const START_MS = 1_700_000_000_000;

interface Pending {
  readonly dueMs: number;
  readonly run: () => void;
}

export class FakeClock implements Clock {
  readonly #startMs: number;
  #elapsedMs = 0;
  #pending: Pending[] = [];

  constructor(startMs: number = START_MS) {
    this.#startMs = startMs;
  }

  /** Timers that have not run yet: a test may assert that none is left. */
  get timerCount(): number {
    return this.#pending.length;
  }

  nowMs(): UnixMs {
    return unixMs(Math.floor(this.#startMs + this.#elapsedMs));
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  setTimer(ms: number, run: () => void): Timer {
    assert(ms >= 0, "a timer cannot run in the past");
    const pending = { dueMs: this.#elapsedMs + ms, run };
    this.#pending.push(pending);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== pending);
      },
    };
  }

  /** Moves time by `ms`, stopping at each timer on the way (also at those that are set on the way). */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms;
    await settle();
    for (let next = this.#earliest(endMs); next !== undefined; next = this.#earliest(endMs)) {
      const due = next;
      this.#pending = this.#pending.filter((other) => other !== due);
      this.#elapsedMs = due.dueMs;
      due.run();
      await settle();
    }
    this.#elapsedMs = endMs;
  }

  #earliest(endMs: number): Pending | undefined {
    let earliest: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.dueMs <= endMs && (earliest === undefined || pending.dueMs < earliest.dueMs)) earliest = pending;
    }
    return earliest;
  }
}

/** All promise reactions that are ready, and those that they make ready, run before this returns. */
async function settle(): Promise<void> {
  await setImmediate();
}
