/**
 * One party that waits for something, and stops waiting when its signal is aborted.
 *
 * INVARIANT: it settles once; afterwards nothing of it is left with the signal (signals live as long as the daemon).
 * One listener serves all that wait on a signal: to add and remove one is dear, and a delivery waits some fifteen times.
 */

/** What is to run when a signal is aborted, in the order in which it was added. */
const runsBySignal = new WeakMap<AbortSignal, Set<() => void>>();

function runsOf(signal: AbortSignal): Set<() => void> {
  const known = runsBySignal.get(signal);
  if (known !== undefined) return known;
  const runs = new Set<() => void>();
  runsBySignal.set(signal, runs);
  signal.addEventListener(
    "abort",
    () => {
      for (const run of [...runs]) if (runs.has(run)) run(); // one may settle another.
    },
    { once: true },
  );
  return runs;
}

export class Waiter<T> {
  readonly promise: Promise<T>;
  readonly #runs: Set<() => void>;
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
    this.#runs = runsOf(signal);
    this.#onAbort = () => {
      onAbort?.();
      this.fail(signal.reason);
    };
    this.#runs.add(this.#onAbort);
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
    this.#runs.delete(this.#onAbort);
    return true;
  }
}

function unset(): void {}
