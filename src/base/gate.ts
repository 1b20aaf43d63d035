/**
 * "Something happened": the loop that decides waits here, and whoever has news wakes it.
 *
 * INVARIANT: a wake is never lost and never counted. One that comes while nobody waits lets the next wait pass at
 * once; a thousand of them do the same. So the loop must look at all its inputs each time it passes.
 */
import type { Clock } from "./clock.js";
import { Waiter } from "./waiter.js";

export class Gate {
  readonly #waiters = new Set<Waiter<void>>();
  #awake = false;

  wake(): void {
    if (this.#waiters.size === 0) this.#awake = true;
    for (const waiter of this.#waiters) waiter.settle();
    this.#waiters.clear();
  }

  /** Passes when something happened since the last pass. All that wait pass together. Rejects with the abort reason. */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#awake) {
      this.#awake = false;
      return;
    }
    const waiter = new Waiter<void>(signal, () => this.#waiters.delete(waiter));
    this.#waiters.add(waiter);
    await waiter.promise;
  }

  /** As `wait`, and passes at that time of the monotonic clock; a millisecond later if it is past. Infinity: never by time. */
  async waitUntil(untilMs: number, clock: Pick<Clock, "monotonicMs" | "setTimer">, signal: AbortSignal): Promise<void> {
    const ms = Math.max(1, untilMs - clock.monotonicMs());
    const timer = Number.isFinite(ms) ? clock.setTimer(ms, () => this.wake()) : undefined;
    try {
      await this.wait(signal);
    } finally {
      timer?.cancel();
    }
  }
}
