/**
 * Work that goes on beside the loop that hands it out: so much at a time, the loop waits before there would be more.
 *
 * INVARIANT: a failure is told to `onFailure` at once, also when nobody waits; nothing is left unhandled.
 */
import { assert } from "./assert.js";

export class Beside {
  readonly #running = new Set<Promise<void>>();
  readonly #max: number;
  readonly #onFailure: (error: unknown) => void;

  constructor(max: number, onFailure: (error: unknown) => void) {
    assert(max > 0, "there is room for something");
    this.#max = max;
    this.#onFailure = onFailure;
  }

  /** Takes work that has begun. Returns when there is room for more. */
  async add(work: Promise<void>): Promise<void> {
    const watched = work.catch(this.#onFailure).finally(() => this.#running.delete(watched));
    this.#running.add(watched);
    if (this.#running.size >= this.#max) await Promise.race(this.#running);
  }

  /** Returns when nothing goes on any more, however it ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }
}

interface InTurns<T> {
  readonly lanesMax: number;
  /** It may take so long that others would wait for it. */
  readonly isLarge: (item: T) => boolean;
  readonly work: (item: T) => Promise<void>;
}

/**
 * Does `work` with each item, `lanesMax` of them at a time, in order; but of the large ones one at a time for as long as others have not
 * begun, which overtake them: large ones never take all the room. After a failure no more is begun. Returns, or throws the first failure, when
 * nothing goes on any more.
 */
export async function eachInTurn<T>(items: readonly T[], { lanesMax, isLarge, work }: InTurns<T>): Promise<void> {
  const failures: unknown[] = [];
  const lanes = new Beside(lanesMax, (error) => failures.push(error));
  let large = 0;
  const doOne = async (item: T): Promise<void> => {
    const weight = isLarge(item) ? 1 : 0;
    large += weight;
    try {
      await work(item);
    } finally {
      large -= weight;
    }
  };
  const begin = async (item: T | undefined): Promise<void> => {
    if (item !== undefined && failures.length === 0) await lanes.add(doOne(item));
  };
  const overtaken: T[] = [];
  for (const item of items) {
    if (large === 0) await begin(overtaken.shift());
    if (large > 0 && isLarge(item)) overtaken.push(item);
    else await begin(item);
  }
  for (const item of overtaken) await begin(item);
  await lanes.ended();
  if (failures.length > 0) throw failures[0];
}
