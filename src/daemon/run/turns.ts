/** What only one may do at a time, in the order in which it was asked for. */
import type { ReplayAgent } from "../../agent/replay-agent.js";

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

/**
 * Looks at the store of a replica, by the agent of its link. The other end knows of one look at a time: whoever asks for another one in the
 * middle of a comparison has its further pages tell of that, which an honest replica would be held to blame for.
 */
export const LOOKS = new Turns<ReplayAgent>();
