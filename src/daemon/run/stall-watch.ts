/**
 * "No progress" is an alarm of its own: a link stands, the replica owes something, and there is no sign that it works on it. Its main
 * thread may say all the while that it is there.
 *
 * INVARIANT: each answer that was asked for, each outcome and each piece of a body that is taken is progress: a long comparison is no
 * alarm, nor a large body. All else that the replica says is none (watched-link.ts).
 * INVARIANT: a replica that hangs is still the same trouble on the next link; any other end of a link ends it.
 */
import type { ReplayAgent } from "../../agent/replay-agent.js";
import type { Clock } from "../../base/clock.js";
import { formatDuration } from "../../base/text-format.js";
import { isNoProgress, wireError } from "../../wire/errors.js";
import type { EventLog } from "./event-log.js";
import { type Troubles, troubleOf } from "./troubles.js";
import type { WatchedLink } from "./watched-link.js";

/** A large transaction over a thin line may take that long. */
const STALLED_MS = 60_000;
const NEEDS_YOU_MS = 15 * 60_000;
/** How long the replica may take to greet: it ends its last link before. */
const GREETING_MS_MAX = 2 * 60_000;
/** How long it may take over one request, and over all that it owes. */
const ANSWER_MS_MAX = 60 * 60_000;
const LOOK_MS = 1_000;

export type WatchedAgent = Pick<ReplayAgent, "owed" | "waitedMs">;

export interface StallPorts {
  readonly clock: Pick<Clock, "monotonicMs" | "nowMs" | "sleep">;
  readonly troubles: Troubles;
  readonly log: EventLog;
}

export class StallWatch {
  readonly #ports: StallPorts;
  /** Since when nothing has moved; undefined: all is well. */
  #sinceMs: number | undefined;

  constructor(ports: StallPorts) {
    this.#ports = ports;
  }

  /**
   * Looks again and again. `link.progress` grows while the replica gets on. Throws: no-progress, when the link is to be given up; the
   * abort reason.
   */
  async watch(agent: WatchedAgent, link: Pick<WatchedLink, "progress">, signal: AbortSignal): Promise<never> {
    const { clock } = this.#ports;
    const startMs = clock.monotonicMs();
    for (let last = 0; ; ) {
      const { progress } = link;
      if (progress !== last || agent.owed === undefined) this.#over();
      last = progress;
      if (agent.owed !== undefined) this.#look(agent, startMs);
      await clock.sleep(LOOK_MS, signal);
    }
  }

  /** A link has ended, or never came to be. Whether it was for want of progress: that is noted here then. */
  ended(error: unknown): boolean {
    if (!isNoProgress(error)) {
      this.#over();
      return false;
    }
    this.#note(error instanceof Error ? error.message : "");
    return true;
  }

  #look({ owed, waitedMs }: WatchedAgent, startMs: number): void {
    const nowMs = this.#ports.clock.monotonicMs();
    this.#sinceMs ??= nowMs;
    const stalledMs = nowMs - this.#sinceMs;
    const words = `the link stands, and for ${formatDuration(stalledMs)} the replica has ${OWED[owed ?? "outcome"]}`;
    if (stalledMs >= STALLED_MS) this.#note(words);
    const isLate = owed === "welcome" && nowMs - startMs >= GREETING_MS_MAX;
    if (isLate || stalledMs >= ANSWER_MS_MAX || waitedMs >= ANSWER_MS_MAX)
      throw wireError("no-progress", `talking with the replica: ${words}`);
  }

  #note(words: string): void {
    const { clock, troubles, log } = this.#ports;
    this.#sinceMs ??= clock.monotonicMs();
    const isForPerson = clock.monotonicMs() - this.#sinceMs >= NEEDS_YOU_MS;
    const level = isForPerson ? "needs-you" : "healing";
    const trouble = { ...troubleOf(wireError("no-progress", words)), level } as const;
    if (troubles.note("stall", trouble, clock.nowMs())) log.write("replica-stalled", { ...trouble });
  }

  #over(): void {
    this.#sinceMs = undefined;
    this.#ports.troubles.over("stall");
  }
}

const OWED: Readonly<Record<NonNullable<WatchedAgent["owed"]>, string>> = {
  welcome: "not answered the greeting",
  answer: "not answered what it was asked",
  outcome: "acknowledged nothing of what it was sent",
};
