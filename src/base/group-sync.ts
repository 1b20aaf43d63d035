/**
 * One expensive flush for many who wait: at most one runs, and whoever asks while it runs shares the next one.
 *
 * INVARIANT: a caller's promise resolves only after a flush that began after the call.
 */
export class GroupSync<T> {
  readonly #flush: () => Promise<T>;
  #running: Promise<unknown> | undefined;
  #next: Promise<T> | undefined;

  constructor(flush: () => Promise<T>) {
    this.#flush = flush;
  }

  /** Rejects with what the flush rejected with, for all who shared it. */
  run(): Promise<T> {
    this.#next ??= this.#afterRunning();
    return this.#next;
  }

  async #afterRunning(): Promise<T> {
    await this.#running; // never rejects: see below.
    this.#next = undefined; // from here on a new caller needs the flush after this one.
    const flush = this.#flush();
    this.#running = flush.catch(() => undefined);
    return flush;
  }
}
