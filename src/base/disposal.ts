/**
 * What an owner opened, to be released in reverse order (Node 20 has no `AsyncDisposableStack`).
 *
 * INVARIANT: every release runs, whatever the others throw; the next one starts when the one before has ended.
 * To build something of several parts: `await using parts = new Disposer()`, adopt each part, and at the very end let
 * the result own `parts.move()`. If anything throws on the way, what was opened is released.
 */
import { assert } from "./assert.js";

type Release = () => PromiseLike<void> | void;

export class Disposer implements AsyncDisposable {
  #releases: Release[] = [];
  #disposed: Promise<void> | undefined;

  get isDisposed(): boolean {
    return this.#disposed !== undefined;
  }

  /** Runs `release` at disposal. */
  defer(release: Release): void {
    assert(this.#disposed === undefined, "this owner has been disposed of");
    this.#releases.push(release);
  }

  /** Disposes of the resource at disposal; returns it. */
  adopt<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.defer(() => (Symbol.asyncDispose in resource ? resource[Symbol.asyncDispose]() : resource[Symbol.dispose]()));
    return resource;
  }

  /** Hands everything to a new owner; this one is done, with nothing left to release. */
  move(): Disposer {
    assert(this.#disposed === undefined, "this owner has been disposed of");
    const heir = new Disposer();
    heir.#releases = this.#releases;
    this.#releases = [];
    this.#disposed = Promise.resolve();
    return heir;
  }

  /**
   * Releases everything, last one first. Called again it returns the same promise. Rejects with the only error, or with
   * an `AggregateError` of all, in the order in which they came.
   */
  dispose(): Promise<void> {
    this.#disposed ??= this.#releaseAll();
    return this.#disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #releaseAll(): Promise<void> {
    const errors: unknown[] = [];
    for (let release = this.#releases.pop(); release !== undefined; release = this.#releases.pop()) {
      try {
        await release();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, `releasing ${errors.length} resources failed`);
  }
}
