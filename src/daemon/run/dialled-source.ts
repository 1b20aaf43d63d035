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

export class DialledSource {
  readonly #ports: DialledSourcePorts;
  readonly #backOff: BackOff;
  readonly #wake = new Gate();

  constructor(ports: DialledSourcePorts) {
    this.#ports = ports;
    this.#backOff = new BackOff(ports.random);
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
      try {
        const { link, source } = await dial(signal);
        await orClose(link, () => store.open(source));
        store.troubles.over("link");
        failingSinceMs = undefined;
        await store.serve(link, peer, signal);
        if (signal.aborted) return;
        if (clock.monotonicMs() - startMs > LONG_MS) this.#backOff.reset();
      } catch (error) {
        if (signal.aborted) return;
        failingSinceMs ??= clock.monotonicMs();
        const hasLasted = clock.monotonicMs() - failingSinceMs > LASTING_MS;
        store.troubles.noteFailure("link", error, { of: "replica", log, nowMs: clock.nowMs(), hasLasted });
      }
      await this.#pause(this.#backOff.nextMs(), signal);
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const timer = this.#ports.clock.setTimer(ms, () => this.#wake.wake());
    await this.#wake.wait(signal).catch(() => undefined);
    timer.cancel();
  }
}

/** A link that stood that long was a good one. */
const LONG_MS = 30_000;
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
