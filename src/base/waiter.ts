/**
 * One party that waits for something, and stops waiting when its signal is aborted.
 *
 * INVARIANT: it settles once; afterwards nothing of it is left with the signal (signals live as long as the daemon).
 * INVARIANT: signals on which nobody waits any more are not kept by what is here, but for the last IDLE_MAX.
 * One listener serves all that wait on a signal: to add and remove one is dear, and a delivery waits some fifteen times.
 */

interface Listening {
  /** What is to run when the signal is aborted, in the order in which it was added. */
  readonly runs: Set<() => void>;
  readonly onAbort: () => void;
}

const listeningBySignal = new WeakMap<AbortSignal, Listening>();

/**
 * Those that nobody waits on now, the longest first. Each keeps its listener for the next one that waits, but only so many: a signal that is
 * made of others lives as long as it has a listener.
 */
const idle = new Set<AbortSignal>();
const IDLE_MAX = 64;

function add(signal: AbortSignal, run: () => void): void {
  idle.delete(signal);
  let listening = listeningBySignal.get(signal);
  if (listening === undefined) {
    listening = listenTo(signal);
    listeningBySignal.set(signal, listening);
  }
  listening.runs.add(run);
}

function listenTo(signal: AbortSignal): Listening {
  const runs = new Set<() => void>();
  const onAbort = () => {
    for (const run of [...runs]) if (runs.has(run)) run(); // one may settle another.
    idle.delete(signal);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  return { runs, onAbort };
}

function remove(signal: AbortSignal, run: () => void): void {
  const runs = listeningBySignal.get(signal)?.runs;
  if (runs === undefined || !runs.delete(run) || runs.size > 0 || signal.aborted) return;
  idle.add(signal);
  if (idle.size > IDLE_MAX) forgetOldest();
}

function forgetOldest(): void {
  for (const signal of idle) {
    idle.delete(signal);
    const listening = listeningBySignal.get(signal);
    if (listening !== undefined) signal.removeEventListener("abort", listening.onAbort);
    listeningBySignal.delete(signal);
    return;
  }
}

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
    add(signal, this.#onAbort);
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
    remove(this.#signal, this.#onAbort);
    return true;
  }
}

function unset(): void {}
