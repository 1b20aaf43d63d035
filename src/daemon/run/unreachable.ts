/**
 * A replica that is expected to be there always and cannot be reached is tried again for ever; after a while it is a person's matter.
 *
 * INVARIANT: while it lasts the time is counted from its first failure, whatever the reasons are that follow each other.
 */
import type { Clock } from "../../base/clock.js";
import { formatDuration } from "../../base/text-format.js";
import type { Trouble } from "./troubles.js";

export class Unreachable {
  readonly #clock: Pick<Clock, "monotonicMs" | "nowMs">;
  readonly #alarmMs: number | undefined;
  #isAlarm = false;
  #since: { readonly monotonicMs: number; readonly nowMs: number } | undefined;

  /** `alarmMs` undefined: never a person's matter. */
  constructor(clock: Pick<Clock, "monotonicMs" | "nowMs">, alarmMs: number | undefined) {
    this.#clock = clock;
    this.#alarmMs = alarmMs;
  }

  /** Both ends have agreed, or nobody tries. Returns whether it was a person's matter. */
  over(): boolean {
    const wasAlarm = this.#isAlarm;
    this.#since = undefined;
    this.#isAlarm = false;
    return wasAlarm;
  }

  /** What is told of a link that failed. `sinceMs`: since when it stands, should it be new. */
  failed(trouble: Omit<Trouble, "sinceMs">): Trouble {
    const [monotonicMs, nowMs] = [this.#clock.monotonicMs(), this.#clock.nowMs()];
    this.#since ??= { monotonicMs, nowMs };
    const lastsMs = monotonicMs - this.#since.monotonicMs;
    if (trouble.level === "needs-you" || this.#alarmMs === undefined || lastsMs < this.#alarmMs)
      return { ...trouble, sinceMs: nowMs };
    this.#isAlarm = true;
    const words = `there has been no link for ${formatDuration(lastsMs)}; the last failure: ${trouble.words}`;
    return { ...trouble, code: "replica-unreachable", level: "needs-you", words, sinceMs: this.#since.nowMs };
  }
}
