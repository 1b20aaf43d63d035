/**
 * Links that ended because the other end did not keep to the protocol: it said what cannot be, or more than it may. How many that were since
 * the daemon began, whatever was opened anew meanwhile, and what the last one was. In memory.
 *
 * INVARIANT: this end has found it out itself: what another end says of this one is none, whatever code it gives.
 */
import { isSaid } from "../../agent/farewell.js";
import type { Clock } from "../../base/clock.js";
import { MailtwinError } from "../../base/errors.js";
import type { BreachesStatus } from "../control/status.js";

/** Which end has broken it. */
export type Breaker = "source" | "replica";

const OF_BOTH = ["wire-invalid", "peer-confused", "compared-confused"];
/** Only a source sends transactions: at its own end such an error is of its own log. */
const CODES: Readonly<Record<Breaker, ReadonlySet<string>>> = {
  replica: new Set(OF_BOTH),
  source: new Set([...OF_BOTH, "transaction-invalid"]),
};

/** Whether that is no way to talk, of an end that is `by`. */
export function isBreach(error: unknown, by: Breaker): error is MailtwinError {
  return error instanceof MailtwinError && CODES[by].has(error.code) && !isSaid(error);
}

export class BreachCount {
  readonly #by: Breaker;
  readonly #clock: Pick<Clock, "nowMs">;
  #status: BreachesStatus | undefined;

  constructor(by: Breaker, clock: Pick<Clock, "nowMs">) {
    this.#by = by;
    this.#clock = clock;
  }

  /** Undefined: there was none. */
  get status(): BreachesStatus | undefined {
    return this.#status;
  }

  /** Why a link has ended. Counts it if that is a breach. */
  note(error: unknown): void {
    if (!isBreach(error, this.#by)) return;
    this.#status = { count: (this.#status?.count ?? 0) + 1, lastCode: error.code, lastMs: this.#clock.nowMs() };
  }
}

export class BreachCounts {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #counts = new Map<string, BreachCount>();

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  /** Of a replica of a store. */
  ofReplica(store: string, replica: string): BreachCount {
    return this.#of(JSON.stringify([store, replica]), "replica");
  }

  /** Of the source of a store that is a replica. */
  ofSource(store: string): BreachCount {
    return this.#of(JSON.stringify([store]), "source");
  }

  #of(key: string, by: Breaker): BreachCount {
    const count = this.#counts.get(key) ?? new BreachCount(by, this.#clock);
    this.#counts.set(key, count);
    return count;
  }
}
