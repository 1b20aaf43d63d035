/**
 * Group commit: writes that wait together become one database transaction, so that they share one fsync.
 *
 * INVARIANT: a write's promise resolves after the commit that contains it, and promises settle in the order of the calls.
 * INVARIANT: a write that fails leaves nothing behind and takes no other with it: when a group fails, each of its writes
 * is tried alone.
 */
import { type Db, transact } from "./db.js";

/** Writes in one database transaction. */
const GROUP_WRITES_MAX = 256;

interface Waiting {
  readonly write: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

type Settled = { readonly result: unknown } | { readonly reason: unknown };

export class GroupCommit {
  readonly #db: Db;
  #queue: Waiting[] = [];

  constructor(db: Db) {
    this.#db = db;
  }

  /** Queues a synchronous write. It may run twice, the first time without effect. */
  run<T>(write: () => T): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      this.#queue.push({ write, resolve, reject });
      // The calls that have arrived by now are handed over before the next immediate runs: they make the group.
      if (this.#queue.length === 1) setImmediate(() => this.#drain());
    }) as Promise<T>;
  }

  #drain(): void {
    const group = this.#queue.slice(0, GROUP_WRITES_MAX);
    for (const [i, settled] of this.#commit(group).entries()) {
      if ("result" in settled) group[i]?.resolve(settled.result);
      else group[i]?.reject(settled.reason);
    }
    this.#queue = this.#queue.slice(group.length);
    if (this.#queue.length > 0) setImmediate(() => this.#drain());
  }

  #commit(group: readonly Waiting[]): readonly Settled[] {
    try {
      return this.#transact(group);
    } catch (reason) {
      if (group.length <= 1) return [{ reason }];
      return group.flatMap((one) => this.#commit([one]));
    }
  }

  #transact(group: readonly Waiting[]): readonly Settled[] {
    return transact(this.#db, () => group.map(({ write }) => ({ result: write() })));
  }
}
