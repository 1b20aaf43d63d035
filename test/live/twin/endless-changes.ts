/**
 * Changes of a source that go on until this is disposed of, no more at a time than a replica can follow: after some the next ones wait for it,
 * whatever else the machine does.
 */
import { until } from "../lab/until.js";
import { MixedChanges, type MixedOptions } from "./mixed-changes.js";

export interface EndlessOptions extends MixedOptions {
  /** Whether what was changed has arrived. Undefined: nobody waits for that. */
  readonly hasFollowed?: () => boolean;
}

/** With some 20 messages each; of more than 250 in ten minutes the deletion brake holds the rest back. */
const DELETED_MAX = 8;
const AT_ONCE_MAX = 4;
const FOLLOWS = { deadlineMs: 120_000, pollMs: 20 };

export class EndlessChanges implements AsyncDisposable {
  readonly #changes: MixedChanges;
  readonly #hasFollowed: () => boolean;
  readonly #running: Promise<void>;
  #isOver = false;
  #failure: Error | undefined;
  #steps = 0;

  private constructor(changes: MixedChanges, hasFollowed: () => boolean) {
    this.#changes = changes;
    this.#hasFollowed = hasFollowed;
    this.#running = this.#run().catch((error: unknown) => {
      this.#failure = new Error("a change of the source failed", { cause: error });
    });
  }

  static async begin({ hasFollowed = () => true, ...options }: EndlessOptions): Promise<EndlessChanges> {
    return new EndlessChanges(await MixedChanges.open({ deletedMax: DELETED_MAX, ...options }), hasFollowed);
  }

  /** Changes that were made so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Returns when so many more were made. Throws what a change met. */
  async further(count: number): Promise<void> {
    const end = this.#steps + count;
    const isThere = () => this.#failure !== undefined || this.#steps >= end;
    await until(`${count} more changes`, isThere, { deadlineMs: FOLLOWS.deadlineMs, pollMs: 5 });
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Throws what a change met. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      await this.#changes.step();
      this.#steps += 1;
      if (this.#steps % AT_ONCE_MAX === 0) await until("the replica to follow", () => this.#hasFollowed(), FOLLOWS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#running;
    await this.#changes[Symbol.asyncDispose]();
  }
}
