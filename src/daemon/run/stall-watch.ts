/**
 * "No progress" is an alarm of its own: a link that stands, with something to ship, and nothing is acknowledged.
 */
import type { Clock } from "../../base/clock.js";
import type { Trouble } from "./troubles.js";

/** A large transaction over a thin line may take that long. */
const STALLED_MS = 60_000;
const NEEDS_YOU_MS = 15 * 60_000;

export class StallWatch {
  readonly #clock: Pick<Clock, "monotonicMs">;
  #ackedLsn = -1;
  #sinceMs = 0;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** Call it again and again while a link stands. Undefined while all is well. */
  look(ackedLsn: number, behind: number): Omit<Trouble, "sinceMs"> | undefined {
    const nowMs = this.#clock.monotonicMs();
    if (behind === 0 || ackedLsn !== this.#ackedLsn) {
      this.#ackedLsn = ackedLsn;
      this.#sinceMs = nowMs;
      return undefined;
    }
    const stalledMs = nowMs - this.#sinceMs;
    if (stalledMs < STALLED_MS) return undefined;
    const minutes = Math.floor(stalledMs / 60_000);
    return {
      code: "no-progress",
      level: stalledMs < NEEDS_YOU_MS ? "healing" : "needs-you",
      words: `the link stands, and for ${minutes} min the replica has acknowledged nothing, with ${behind} transactions to go`,
      hint: "Look at the log of mailtwin over there, at the load of that host, and at what the line carries.",
    };
  }
}
