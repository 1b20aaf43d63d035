/**
 * One party that waits for something, and stops waiting when its signal is aborted.
 *
 * INVARIANT: it settles once; afterwards no listener is left on the signal (signals live as long as the daemon).
 */
export class Waiter<T> {
  readonly promise: Promise<T>;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;
  #resolve: (value: T) => void = unset;
  #reject: (reason: unknown) => void = unset;
  #settled = false;

  /** The signal must not be aborted yet. `onAbort` runs before the promise rejects with the signal's reason. */
  constructor(signal: AbortSignal, onAbort?: () => void) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#signal = signal;
    this.#onAbort = () => {
      onAbort?.();
      this.fail(signal.reason);
    };
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** False when it had been settled before: whatever was offered is still the caller's. */
  settle(value: T): boolean {
    if (!this.#finish()) return false;
    this.#resolve(value);
    return true;
  }

  fail(reason: unknown): boolean {
    if (!this.#finish()) return false;
    this.#reject(reason);
    return true;
  }

  #finish(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#signal.removeEventListener("abort", this.#onAbort);
    return true;
  }
}

function unset(): void {}
