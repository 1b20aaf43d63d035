/**
 * Runs tasks: one at a time per key and in order, at most `tasksMax` at once over all keys.
 *
 * INVARIANT: two tasks of one key never overlap, also when the first one failed or its caller stopped waiting.
 * INVARIANT: a lane stands in the line exactly while it has something waiting and nothing running.
 * Fair between keys: a key that has more to do goes to the back of the line after each task.
 */
import { assert } from "./assert.js";
import { Waiter } from "./waiter.js";

/** The tasks of one key. */
interface Lane<Key> {
  readonly key: Key;
  /** Each is resolved when it is that task's turn; in order of arrival. */
  readonly waiting: Set<Waiter<void>>;
  isRunning: boolean;
}

export class KeyedQueue<Key> {
  readonly #tasksMax: number;
  readonly #laneByKey = new Map<Key, Lane<Key>>();
  readonly #line = new Set<Lane<Key>>();
  #runningCount = 0;

  constructor(tasksMax: number) {
    assert(Number.isSafeInteger(tasksMax) && tasksMax >= 1, "a queue runs one task at least");
    this.#tasksMax = tasksMax;
  }

  /** Keys with a task running or waiting. */
  get keyCount(): number {
    return this.#laneByKey.size;
  }

  /**
   * Runs the task when it is its turn and returns what it returns. An abort before that takes it out of the queue;
   * afterwards it is the task's own business to look at the signal.
   */
  async run<T>(key: Key, task: (signal: AbortSignal) => Promise<T> | T, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const lane = this.#laneFor(key);
    await this.#waitForTurn(lane, signal);
    try {
      return await task(signal);
    } finally {
      lane.isRunning = false;
      this.#runningCount -= 1;
      this.#place(lane);
      this.#startNext();
    }
  }

  #laneFor(key: Key): Lane<Key> {
    const existing = this.#laneByKey.get(key);
    if (existing !== undefined) return existing;
    const lane: Lane<Key> = { key, waiting: new Set(), isRunning: false };
    this.#laneByKey.set(key, lane);
    return lane;
  }

  #waitForTurn(lane: Lane<Key>, signal: AbortSignal): Promise<void> {
    const turn = new Waiter<void>(signal, () => {
      lane.waiting.delete(turn);
      this.#place(lane);
    });
    lane.waiting.add(turn);
    this.#place(lane);
    this.#startNext();
    return turn.promise;
  }

  /** Restores the invariants of a lane after a change: in the line, out of it, or forgotten. */
  #place(lane: Lane<Key>): void {
    if (lane.waiting.size > 0) {
      if (!lane.isRunning) this.#line.add(lane); // keeps its place if it stands there already.
      return;
    }
    this.#line.delete(lane);
    if (!lane.isRunning) this.#laneByKey.delete(lane.key);
  }

  #startNext(): void {
    for (const lane of this.#line) {
      if (this.#runningCount >= this.#tasksMax) return;
      this.#line.delete(lane);
      this.#startFirst(lane);
    }
  }

  #startFirst(lane: Lane<Key>): void {
    for (const turn of lane.waiting) {
      lane.waiting.delete(turn);
      lane.isRunning = true;
      this.#runningCount += 1;
      turn.settle();
      return;
    }
  }
}
