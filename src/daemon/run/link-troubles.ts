/**
 * What is told of the links to one replica, and when that is over: of a link that failed, of a replica that does not get on, of one that is
 * out of reach for too long. It outlasts the runner that has the links.
 *
 * INVARIANT: of who dials in a link that is gone is no trouble: it comes when it likes, and nobody here tries anything; but that it has not
 * come for as long as its operator has said (`unreachable_alarm`) is one.
 * INVARIANT: one timer at most, while there is no link.
 */
import type { Clock, Timer } from "../../base/clock.js";
import { isLinkClosed } from "../../wire/errors.js";
import type { Replica } from "../config/config.js";
import { fieldsOfError } from "./event-log.js";
import { type StallPorts, StallWatch } from "./stall-watch.js";
import { type Trouble, troubleOf } from "./troubles.js";
import { Unreachable } from "./unreachable.js";

export interface LinkTroublesPorts extends StallPorts {
  readonly clock: StallPorts["clock"] & Pick<Clock, "setTimer">;
  readonly replica: Pick<Replica, "to" | "unreachableAlarmMs">;
}

export class LinkTroubles {
  readonly stall: StallWatch;
  readonly #ports: LinkTroublesPorts;
  readonly #unreachable: Unreachable;
  #isConnected = false;
  #timer: Timer | undefined;

  constructor(ports: LinkTroublesPorts) {
    this.#ports = ports;
    this.stall = new StallWatch(ports);
    const { to, unreachableAlarmMs } = ports.replica;
    this.#unreachable = new Unreachable(ports.clock, unreachableAlarmMs, to === undefined);
  }

  /** As it is configured from now on; since when there is no link stays. */
  alarmAfter(alarmMs: number | undefined): void {
    const former = this.#unreachable.alarmAfter(alarmMs);
    if (former === undefined) return;
    const { troubles, clock } = this.#ports;
    troubles.over("link");
    if (former.last !== undefined) troubles.note("link", former.last, clock.nowMs());
  }

  /** There is no link, and one is waited for, or tried: until `connected`, `paused` or `rest` the clock is watched. */
  lacking(): void {
    this.#unreachable.lacking();
    this.#arm();
  }

  /** There is one: whether it gets on is the stall's to say. */
  connected(): void {
    this.#isConnected = true;
    this.#timer?.cancel();
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
    this.#timer?.cancel();
    troubles.over("link", "healing");
    if (this.#unreachable.over()) troubles.over("link");
  }

  /** A link has ended, or never came to be. `error` undefined: as this end wished. */
  ended(error: unknown): void {
    this.#isConnected = false;
    if (this.stall.ended(error))
      this.met(); // it is there, and hangs: that is told.
    else if (error !== undefined) this.#failed(error);
  }

  #failed(error: unknown): void {
    const { replica, troubles, log } = this.#ports;
    if (replica.to === undefined && isLinkClosed(error)) {
      const { code, message } = fieldsOfError(error);
      log.write("replica-gone", { code, message });
      troubles.over("link", "healing");
      this.#unreachable.gone();
      return;
    }
    const { sinceMs: nowMs, ...seenAs } = this.#unreachable.failed(troubleOf(error));
    troubles.noteFailure("link", error, { of: "replica", log, nowMs, seenAs });
  }

  /** Nobody serves it for now. */
  rest(): void {
    this.#isConnected = false;
    this.#timer?.cancel();
  }

  /** Call it before its troubles are told: the timer may be late, where the host has slept. */
  judge(): void {
    const trouble = this.#isConnected ? undefined : this.#unreachable.judge();
    if (trouble !== undefined) this.#note(trouble);
  }

  #note({ sinceMs, ...trouble }: Trouble): void {
    const { troubles, log } = this.#ports;
    if (!troubles.note("link", trouble, sinceMs)) return;
    const { code, words: message, hint } = trouble;
    log.write("replica-needs-you", { code, message, hint });
  }

  #arm(): void {
    this.#timer?.cancel();
    const { leftMs } = this.#unreachable;
    if (leftMs === undefined) return;
    this.#timer = this.#ports.clock.setTimer(leftMs, () => {
      this.judge();
      this.#arm(); // timers may be early by a moment.
    });
  }
}
