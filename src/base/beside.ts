/**
 * Work that goes on beside the loop that hands it out: so much at a time, the loop waits before there would be more.
 *
 * INVARIANT: a failure is told to `onFailure` at once, also when nobody waits; nothing is left unhandled.
 */
import { assert } from "./assert.js";

export class Beside {
  readonly #running = new Set<Promise<void>>();
  readonly #max: number;
  readonly #onFailure: (error: unknown) => void;

  constructor(max: number, onFailure: (error: unknown) => void) {
    assert(max > 0, "there is room for something");
    this.#max = max;
    this.#onFailure = onFailure;
  }

  /** Takes work that has begun. Returns when there is room for more. */
  async add(work: Promise<void>): Promise<void> {
    const watched = work.catch(this.#onFailure).finally(() => this.#running.delete(watched));
    this.#running.add(watched);
    if (this.#running.size >= this.#max) await Promise.race(this.#running);
  }

  /** Returns when nothing goes on any more, however it ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }
}
