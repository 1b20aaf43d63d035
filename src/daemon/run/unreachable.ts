/**
 * A replica that is expected to be there and has no link is waited for, or tried again, for ever; after a while it is a person's matter.
 *
 * INVARIANT: while it lasts the time is counted from its begin, whatever the failures are that follow each other, and whether there is one.
 * INVARIANT: the clock decides, not the next try: whoever asks when the time has passed is told so.
 */
import type { Clock } from "../../base/clock.js";
import { formatDuration } from "../../base/text-format.js";
import { hintOfAbsent } from "./daemon-hints.js";
import type { Trouble } from "./troubles.js";

type Failure = Omit<Trouble, "sinceMs">;

export class Unreachable {
  readonly #clock: Pick<Clock, "monotonicMs" | "nowMs">;
  readonly #dialsIn: boolean;
  #alarmMs: number | undefined;
  #isAlarm = false;
  #since: { readonly monotonicMs: number; readonly nowMs: number } | undefined;
  #last: Failure | undefined;

  /** `alarmMs` undefined: never a person's matter. */
  constructor(clock: Pick<Clock, "monotonicMs" | "nowMs">, alarmMs: number | undefined, dialsIn = false) {
    this.#clock = clock;
    this.#alarmMs = alarmMs;
    this.#dialsIn = dialsIn;
  }

  get isAlarm(): boolean {
    return this.#isAlarm;
  }

  /** What is left until it is a person's matter; undefined: it is one, or does not become one by time alone. */
  get leftMs(): number | undefined {
    if (this.#alarmMs === undefined || this.#since === undefined || this.#isAlarm) return undefined;
    return this.#last?.level === "needs-you" ? undefined : Math.max(0, this.#alarmMs - this.#lastsMs());
  }

  /** From now on, whatever was before. Returns whether what was a person's matter is none any more, with what failed last. */
  alarmAfter(alarmMs: number | undefined): { readonly last: Failure | undefined } | undefined {
    this.#alarmMs = alarmMs;
    if (!this.#isAlarm || this.#isDue()) return undefined;
    this.#isAlarm = false;
    return { last: this.#last };
  }

  /** There is no link, and one is waited for, or tried. Call it as often as you like. */
  lacking(): void {
    this.#since ??= { monotonicMs: this.#clock.monotonicMs(), nowMs: this.#clock.nowMs() };
  }

  /** Both ends have agreed, or nobody tries. Returns whether it was a person's matter. */
  over(): boolean {
    const wasAlarm = this.#isAlarm;
    this.#since = undefined;
    this.#last = undefined;
    this.#isAlarm = false;
    return wasAlarm;
  }

  /** What is told of a link that failed. `sinceMs`: since when it stands, should it be new. */
  failed(trouble: Failure): Trouble {
    this.lacking();
    this.#last = trouble;
    return this.judge() ?? { ...trouble, sinceMs: this.#clock.nowMs() };
  }

  /** A link has ended, and that is no failure. */
  gone(): void {
    this.#last = undefined;
    this.lacking();
  }

  /** What it has come to by now; undefined: nothing beyond what has failed. */
  judge(): Trouble | undefined {
    const since = this.#since;
    if (since === undefined || !this.#isDue() || this.#last?.level === "needs-you") return undefined;
    this.#isAlarm = true;
    const { words, hint } = this.#told();
    return { code: "replica-unreachable", level: "needs-you", words, hint, sinceMs: since.nowMs };
  }

  #told(): Pick<Trouble, "words" | "hint"> {
    const words = `there has been no link for ${formatDuration(this.#lastsMs())}`;
    if (this.#last !== undefined)
      return { words: `${words}; the last failure: ${this.#last.words}`, hint: this.#last.hint };
    const waiting = this.#dialsIn ? "waiting for the replica, which dials in: " : "";
    return { words: `${waiting}${words}`, hint: hintOfAbsent({ dialsIn: this.#dialsIn }) };
  }

  #isDue(): boolean {
    return this.#alarmMs !== undefined && this.#lastsMs() >= this.#alarmMs;
  }

  #lastsMs(): number {
    return this.#since === undefined ? 0 : this.#clock.monotonicMs() - this.#since.monotonicMs;
  }
}
