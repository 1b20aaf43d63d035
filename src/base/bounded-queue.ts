/**
 * A queue between one or more producers and a consumer that is slower: `push` waits when it is full.
 *
 * INVARIANT: at most `itemsMax` items are held, plus one for each producer that waits in `push`.
 * INVARIANT: items come out in the order in which `push` was called, those that had to wait included.
 * An end has three forms: `close` (the producer is done), `fail` (the producer broke), and the consumer leaving its loop.
 */
import { assert } from "./assert.js";
import { Fifo } from "./fifo.js";
import { Waiter } from "./waiter.js";

type Taken<T> = IteratorResult<T, undefined>;

interface WaitingPush<T> {
  readonly item: T;
  readonly waiter: Waiter<boolean>;
}

type End = { readonly kind: "closed" | "left" } | { readonly kind: "failed"; readonly error: unknown };

const ENDED: IteratorResult<never, undefined> = { done: true, value: undefined };

/** The plain iterator protocol has no place for a signal; whoever needs one uses `drain`. */
const NEVER = new AbortController().signal;

export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #itemsMax: number;
  readonly #items = new Fifo<T>();
  // Sets, in order of arrival: one that is aborted leaves at once, however often a caller tries again.
  readonly #pushes = new Set<WaitingPush<T>>();
  readonly #takers = new Set<Waiter<Taken<T>>>();
  #end: End | undefined;

  constructor(itemsMax: number) {
    assert(Number.isSafeInteger(itemsMax) && itemsMax >= 1, "a queue holds one item at least");
    this.#itemsMax = itemsMax;
  }

  /** Items held, without those of waiting producers. */
  get length(): number {
    return this.#items.length;
  }

  /**
   * Resolves to true when the item is in the queue, to false when the queue has ended (closed, or the consumer left):
   * stop producing. Rejects with the abort reason (the item is not in the queue) or with the error given to `fail`.
   */
  async push(item: T, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (this.#hasEnded()) return false;
    if (this.#offer(item)) return true;
    const push: WaitingPush<T> = { item, waiter: new Waiter(signal, () => this.#pushes.delete(push)) };
    this.#pushes.add(push);
    return push.waiter.promise;
  }

  /** Without waiting; false when it is full or has ended. Throws the error given to `fail`. */
  tryPush(item: T): boolean {
    return !this.#hasEnded() && this.#offer(item);
  }

  /** Nothing follows: the consumer ends after everything that was pushed before, waiting pushes included. */
  close(): void {
    if (this.#hasStopped()) return;
    this.#end = { kind: "closed" };
    this.#settleTakers((taker) => taker.settle(ENDED)); // they wait only while nothing is queued.
  }

  /** Ends at once: what is queued is dropped; the consumer and all producers get the error. */
  fail(error: unknown): void {
    if (this.#end !== undefined && this.#end.kind !== "closed") return;
    this.#end = { kind: "failed", error };
    this.#items.clear();
    this.#settlePushes((waiter) => waiter.fail(error));
    this.#settleTakers((taker) => taker.fail(error));
  }

  /** The next item, or undefined at the end. Rejects with the abort reason (nothing is lost) or the error of `fail`. */
  async take(signal: AbortSignal): Promise<T | undefined> {
    return (await this.#next(signal)).value;
  }

  /** All items until the end. Leaving the loop early drops what is queued and lets the producers know. */
  drain(signal: AbortSignal): AsyncIterable<T> {
    return { [Symbol.asyncIterator]: () => this.#iterate(signal) };
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return this.#iterate(NEVER);
  }

  #iterate(signal: AbortSignal): AsyncIterator<T, undefined> {
    return {
      next: () => this.#next(signal),
      return: async () => {
        this.#leave();
        return ENDED;
      },
    };
  }

  async #next(signal: AbortSignal): Promise<Taken<T>> {
    signal.throwIfAborted();
    if (this.#items.length > 0) {
      const value = this.#items.shift() as T;
      this.#admitOne();
      return { done: false, value };
    }
    if (this.#hasEnded()) return ENDED;
    const taker = new Waiter<Taken<T>>(signal, () => this.#takers.delete(taker));
    this.#takers.add(taker);
    return taker.promise;
  }

  #hasEnded(): boolean {
    if (this.#end?.kind === "failed") throw this.#end.error;
    return this.#hasStopped();
  }

  #hasStopped(): boolean {
    return this.#end !== undefined;
  }

  #offer(item: T): boolean {
    for (const taker of this.#takers) {
      this.#takers.delete(taker);
      taker.settle({ done: false, value: item });
      return true;
    }
    if (this.#items.length >= this.#itemsMax) return false;
    this.#items.push(item);
    return true;
  }

  /** There is room again, and whoever came first gets it before anybody can ask: producers wait only while it is full. */
  #admitOne(): void {
    for (const push of this.#pushes) {
      this.#pushes.delete(push);
      this.#items.push(push.item);
      push.waiter.settle(true);
      return;
    }
  }

  #leave(): void {
    if (this.#end?.kind === "failed") return;
    this.#end = { kind: "left" };
    this.#items.clear();
    this.#settlePushes((waiter) => waiter.settle(false));
    this.#settleTakers((taker) => taker.settle(ENDED));
  }

  #settlePushes(settle: (waiter: Waiter<boolean>) => void): void {
    for (const { waiter } of this.#pushes) settle(waiter);
    this.#pushes.clear();
  }

  #settleTakers(settle: (taker: Waiter<Taken<T>>) => void): void {
    for (const taker of this.#takers) settle(taker);
    this.#takers.clear();
  }
}
