/**
 * What is told of the links to one replica, and when that is over: of a link that failed, of a replica that does not get on, of one that is
 * out of reach for too long. It outlasts the runner that has the links.
 *
 * INVARIANT: of who dials in a link that is gone is no trouble: it comes when it likes, and nobody here tries anything; but that it has not
 * come for as long as its operator has said (`unreachable_alarm`) is one.
 * INVARIANT: what kept a link from being is over when there is one; that one was cut, when the next one stands or carries something. What
 * ended a link over which both had agreed is told until all is there: the next one may end of it again.
 * INVARIANT: one timer at most.
 */
import type { Clock, Timer } from "../../base/clock.js";
import { isLinkClosed } from "../../wire/errors.js";
import type { Replica } from "../config/config.js";
import type { BreachCount } from "./breaches.js";
import { fieldsOfError } from "./event-log.js";
import { type StallPorts, StallWatch } from "./stall-watch.js";
import { type Trouble, troubleOf } from "./troubles.js";
import { Unreachable } from "./unreachable.js";

/** A link that has stood so long is not one that is cut again at once. */
const STOOD_MS = 10_000;

export interface LinkTroublesPorts extends StallPorts {
  readonly clock: StallPorts["clock"] & Pick<Clock, "setTimer">;
  readonly replica: Pick<Replica, "to" | "unreachableAlarmMs">;
  readonly breaches?: BreachCount | undefined;
}

export class LinkTroubles {
  readonly stall: StallWatch;
  readonly #ports: LinkTroublesPorts;
  readonly #unreachable: Unreachable;
  #isConnected = false;
  /** With what the last failure is over, if not before. */
  #lastsUntil: "connected" | "standing" | "live" = "live";
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
    if (this.#lastsUntil === "connected" && !this.#unreachable.isAlarm) this.#ports.troubles.over("link");
  }

  /** Both ends have agreed. */
  met(): void {
    const { troubles, clock } = this.#ports;
    if (this.#unreachable.over()) troubles.over("link");
    if (!this.#isConnected || this.#lastsUntil !== "standing") return;
    this.#timer?.cancel();
    this.#timer = clock.setTimer(STOOD_MS, () => troubles.over("link"));
  }

  /** Something that was sent is durable there. */
  gotOn(): void {
    if (this.#lastsUntil === "standing") this.#ports.troubles.over("link");
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
    const hadLink = this.#isConnected;
    this.#isConnected = false;
    this.#timer?.cancel();
    if (hadLink) this.#ports.breaches?.note(error);
    if (this.stall.ended(error))
      this.met(); // it is there, and hangs: that is told.
    else if (error !== undefined) this.#failed(error, hadLink);
  }

  #failed(error: unknown, hadLink: boolean): void {
    const { replica, troubles, log } = this.#ports;
    this.#lastsUntil = hadLink ? (isLinkClosed(error) ? "standing" : "live") : "connected";
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
