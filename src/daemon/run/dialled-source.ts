/**
 * A replica that fetches: it dials its source, says that it is the replica, and serves the link; again and again.
 */
import { farewellOf } from "../../agent/farewell.js";
import type { Clock } from "../../base/clock.js";
import { Gate } from "../../base/gate.js";
import { BackOff } from "./back-off.js";
import type { EventLog } from "./event-log.js";
import type { OpenedLink } from "./open-link.js";
import type { ReplicaStore } from "./replica-store.js";

export interface DialledSourcePorts {
  readonly store: ReplicaStore;
  readonly peer: string;
  readonly dial: (signal: AbortSignal) => Promise<OpenedLink>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: EventLog;
}

/** Times in ms since 1970. */
interface Waiting {
  /** When it last failed to get a link; undefined: it has not tried since its last one. */
  readonly lastTryMs: number | undefined;
  readonly nextTryMs: number;
}

export class DialledSource {
  readonly #ports: DialledSourcePorts;
  readonly #backOff: BackOff;
  readonly #wake = new Gate();
  #waiting: Waiting | undefined;

  constructor(ports: DialledSourcePorts) {
    this.#ports = ports;
    this.#backOff = new BackOff(ports.random);
  }

  /** Undefined while it tries, or has a link. */
  get waiting(): Waiting | undefined {
    return this.#waiting;
  }

  /** Does not wait out the time until the next try. */
  dialNow(): void {
    this.#wake.wake();
  }

  /** Until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, peer, dial, clock, log } = this.#ports;
    let failingSinceMs: number | undefined;
    for (;;) {
      const startMs = clock.monotonicMs();
      let lastTryMs: number | undefined;
      try {
        const { link, source } = await dial(signal);
        await orClose(link, () => store.open(source));
        store.troubles.over("link");
        failingSinceMs = undefined;
        const ended = await store.serve(link, peer, signal);
        if (signal.aborted) return;
        const lost = ended?.lost;
        if (clock.monotonicMs() - startMs > LONG_MS || (lost !== undefined && ended?.hasApplied === true))
          this.#backOff.reset();
        if (lost !== undefined) {
          failingSinceMs = clock.monotonicMs();
          store.troubles.noteFailure("link", lost, { of: "replica", log, nowMs: clock.nowMs() });
        }
      } catch (error) {
        if (signal.aborted) return;
        lastTryMs = clock.nowMs();
        failingSinceMs ??= clock.monotonicMs();
        const hasLasted = clock.monotonicMs() - failingSinceMs > LASTING_MS;
        store.troubles.noteFailure("link", error, { of: "replica", log, nowMs: clock.nowMs(), hasLasted });
      }
      if (!(await this.#pause(lastTryMs, signal))) return;
    }
  }

  /** Returns false when `signal` aborts. */
  async #pause(lastTryMs: number | undefined, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#ports;
    const ms = this.#backOff.nextMs();
    this.#waiting = { lastTryMs, nextTryMs: clock.nowMs() + ms };
    await this.#wake.waitUntil(clock.monotonicMs() + ms, clock, signal).catch(() => undefined);
    this.#waiting = undefined;
    return !signal.aborted;
  }
}

/** A link that stood that long was a good one; so was one over which something came, if no end failed. */
const LONG_MS = 10_000;
/** A source that this end is to dial, and that has not been reached for so long, is a person's matter: no night or outage takes longer. */
const LASTING_MS = 24 * 3_600_000;

async function orClose(link: OpenedLink["link"], step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    link.close(farewellOf(error)); // else the source would see no more than that the link is closed.
    throw error;
  }
}
