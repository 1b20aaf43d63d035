/**
 * Who writes for a replica, and who begins to talk with it, take turns: an agent reads the rejection log once, as it is made, and knows
 * of nothing that is written beside it.
 *
 * INVARIANT: what was begun before an agent is made has ended when it is.
 */
import { Gate } from "../../base/gate.js";

export class AgentTurns {
  readonly #ended = new Gate();
  #underWay = 0;

  /** Make no agent, in the turn in which you have asked. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  /** No agent is made before `step` has ended. Any number of steps go on at a time. */
  async hold<T>(step: () => Promise<T>): Promise<T> {
    this.#underWay += 1;
    try {
      return await step();
    } finally {
      this.#underWay -= 1;
      this.#ended.wake();
    }
  }

  /** Something has ended: ask again. */
  async wait(signal: AbortSignal): Promise<void> {
    await this.#ended.wait(signal);
  }
}
