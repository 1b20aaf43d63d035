/** Refusals of those who dial in: others decide how many there are, so that many are logged in a minute and no more are. */
import type { Clock } from "../../base/clock.js";
import { type EventLog, fieldsOfError } from "./event-log.js";

/** Of all others in that minute the number is logged. */
const REFUSALS_MAX = 20;
const MINUTE_MS = 60_000;

export class RefusalLog {
  readonly #ports: { readonly log: EventLog; readonly clock: Pick<Clock, "monotonicMs"> };
  #minuteMs = Number.NEGATIVE_INFINITY;
  #refusals = 0;

  constructor(ports: { readonly log: EventLog; readonly clock: Pick<Clock, "monotonicMs"> }) {
    this.#ports = ports;
  }

  /** `peer`: undefined where nobody knows who it was. */
  note(error: unknown, peer?: string): void {
    const { clock, log } = this.#ports;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#minuteMs >= MINUTE_MS) {
      const unsaid = this.#refusals - REFUSALS_MAX;
      if (unsaid > 0) log.write("links-refused-unsaid", { count: unsaid });
      this.#minuteMs = nowMs;
      this.#refusals = 0;
    }
    this.#refusals += 1;
    if (this.#refusals > REFUSALS_MAX) return;
    log.write("link-refused", { ...(peer === undefined ? {} : { peer }), ...fieldsOfError(error) });
  }
}
