/**
 * What is told of the links to one replica, and when that is over: of a link that failed, of a replica that does not get on, of one that is
 * out of reach for too long.
 *
 * INVARIANT: of who dials in a link that is gone is no trouble: it comes when it likes, and nobody here tries anything.
 */
import { isLinkClosed } from "../../wire/errors.js";
import type { Replica } from "../config/config.js";
import { fieldsOfError } from "./event-log.js";
import { type StallPorts, StallWatch } from "./stall-watch.js";
import { troubleOf } from "./troubles.js";
import { Unreachable } from "./unreachable.js";

export interface LinkTroublesPorts extends StallPorts {
  readonly replica: Pick<Replica, "to" | "unreachableAlarmMs">;
}

export class LinkTroubles {
  readonly stall: StallWatch;
  readonly #ports: LinkTroublesPorts;
  readonly #unreachable: Unreachable;

  constructor(ports: LinkTroublesPorts) {
    this.#ports = ports;
    this.stall = new StallWatch(ports);
    this.#unreachable = new Unreachable(ports.clock, ports.replica.unreachableAlarmMs);
  }

  /** Both ends have agreed. What failed before is told until it is live: a link may end again at once. */
  met(): void {
    if (this.#unreachable.over()) this.#ports.troubles.over("link");
  }

  live(): void {
    this.#ports.troubles.over("link");
  }

  /** Nothing is tried any more: what a next try might mend is no trouble. */
  paused(): void {
    const { troubles } = this.#ports;
    this.stall.ended(undefined);
    troubles.over("link", "healing");
    if (this.#unreachable.over()) troubles.over("link");
  }

  /** A link has ended, or never came to be. `error` undefined: as this end wished. */
  ended(error: unknown): void {
    if (this.stall.ended(error) || error === undefined) return;
    const { replica, troubles, log } = this.#ports;
    if (replica.to === undefined && isLinkClosed(error)) {
      const { code, message } = fieldsOfError(error);
      log.write("replica-gone", { code, message });
      troubles.over("link", "healing");
      return;
    }
    const { sinceMs: nowMs, ...seenAs } = this.#unreachable.failed(troubleOf(error));
    troubles.noteFailure("link", error, { of: "replica", log, nowMs, seenAs });
  }
}
