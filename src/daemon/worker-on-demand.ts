/**
 * A worker that is started when it is first needed, and ended when it has not been needed for a while: a thread costs memory
 * also while it does nothing.
 *
 * INVARIANT: between `take` and `giveBack` the worker is not ended, so it may keep a state for whoever took it. One that ends by itself fails
 * those who have it; whoever comes next gets another one.
 */
import { assert } from "../base/assert.js";
import type { Clock, Timer } from "../base/clock.js";
import type { WorkerClient } from "../base/worker-rpc.js";

/** Large batches come one soon after the other, or not at all. */
const IDLE_MS_MAX = 5_000;

export class WorkerOnDemand<M> implements AsyncDisposable {
  readonly #start: () => WorkerClient<M>;
  readonly #clock: Pick<Clock, "setTimer">;
  #client: WorkerClient<M> | undefined;
  #users = 0;
  #idle: Timer | undefined;
  /** What was ended before. */
  #ending: Promise<void> = Promise.resolve();

  constructor(start: () => WorkerClient<M>, clock: Pick<Clock, "setTimer">) {
    this.#start = start;
    this.#clock = clock;
  }

  take(): WorkerClient<M> {
    this.#idle?.cancel();
    this.#users += 1;
    this.#client ??= this.#begin();
    return this.#client;
  }

  giveBack(): void {
    assert(this.#users > 0, "what is given back was taken");
    this.#users -= 1;
    if (this.#users === 0) this.#idle = this.#clock.setTimer(IDLE_MS_MAX, () => this.#end());
  }

  /** Call it when nobody uses it any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#idle?.cancel();
    this.#end();
    await this.#ending;
  }

  #begin(): WorkerClient<M> {
    const client = this.#start();
    void client.ended.then(() => {
      if (this.#client === client) this.#client = undefined;
    });
    return client;
  }

  #end(): void {
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    const earlier = this.#ending;
    this.#ending = Promise.all([earlier, client[Symbol.asyncDispose]()]).then(() => undefined);
  }
}
