/** What only one may do at a time, in the order in which it was asked for. */

export class Turns<K extends object> {
  readonly #lastByKey = new WeakMap<K, Promise<unknown>>();

  /** `work` begins when all that came before for that key has ended, and not at all where `signal` has aborted by then. */
  take<T>(key: K, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#lastByKey.get(key) ?? Promise.resolve();
    const turn = before.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    this.#lastByKey.set(
      key,
      turn.catch(() => undefined),
    );
    return turn;
  }
}
