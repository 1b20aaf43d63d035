/**
 * What the daemon knows of a replica for as long as its store is open: what was sent, when it went well last, what is wrong and since when.
 * It outlasts the runner, which ends and begins anew when a reload changes a setting of the replica, or a right of its peer.
 */
import { RESYNC_ASKED } from "../../agent/recovery.js";
import type { Clock } from "../../base/clock.js";
import type { StateReader } from "../../log/state-ports.js";
import type { Replica } from "../config/config.js";
import { AskedComparisons } from "./asked-comparisons.js";
import type { BreachCount } from "./breaches.js";
import type { EventLog } from "./event-log.js";
import { ForeignMail } from "./foreign-mail.js";
import { LinkTroubles } from "./link-troubles.js";
import { Troubles } from "./troubles.js";

export interface ReplicaMemoryPorts {
  readonly replica: Replica;
  readonly reader: Pick<StateReader, "rejections">;
  readonly clock: Clock;
  readonly log: EventLog;
  /** Undefined: nobody counts them. */
  readonly breaches?: BreachCount;
}

export class ReplicaMemory {
  readonly troubles = new Troubles();
  readonly foreign = new ForeignMail();
  readonly asked: AskedComparisons;
  readonly #ports: ReplicaMemoryPorts;
  #replica: Replica;
  #link: LinkTroubles;
  #lastSuccessMs: number | undefined;
  #bytesSent = 0;
  #transactionsSent = 0;

  constructor(ports: ReplicaMemoryPorts) {
    const { replica, reader, log } = ports;
    this.#ports = ports;
    this.#replica = replica;
    const asked = reader.rejections(replica.name).filter(({ code }) => code === RESYNC_ASKED);
    this.asked = new AskedComparisons(
      log,
      asked.map(({ mailbox }) => mailbox),
    );
    this.#link = this.#newLink();
  }

  get replica(): Replica {
    return this.#replica;
  }

  get link(): LinkTroubles {
    return this.#link;
  }

  get sums() {
    return {
      ...{ bytesSent: this.#bytesSent, transactionsSent: this.#transactionsSent },
      lastSuccessMs: this.#lastSuccessMs,
    };
  }

  /** `replica`: as it is configured now, and the same one (`isSameReplica`). Call it while no runner has this. */
  configure(replica: Replica): void {
    const before = this.#replica;
    this.#replica = replica;
    if (isReachedAlike(before, replica)) this.#link.alarmAfter(replica.unreachableAlarmMs);
    else {
      // What failed on another way is none of this one's, which is tried at once.
      for (const subject of ["link", "stall"]) this.troubles.over(subject);
      this.#link = this.#newLink();
    }
  }

  /** A transaction is durable there. */
  noteShipped(): void {
    this.#transactionsSent += 1;
    this.#link.gotOn();
    this.noteSuccess();
  }

  noteBodyBytes(bytes: number): void {
    this.#bytesSent += bytes;
  }

  /** It was found equal. */
  noteSuccess(): void {
    this.#lastSuccessMs = this.#ports.clock.nowMs();
  }

  #newLink(): LinkTroubles {
    const { clock, log, breaches } = this.#ports;
    return new LinkTroubles({ clock, log, breaches, troubles: this.troubles, replica: this.#replica });
  }
}

/** Of two that have one name: whether both are the same store of the same host, whatever else is said of it. */
export function isSameReplica(one: Replica, other: Replica): boolean {
  if (one.storeThere !== other.storeThere || one.peer !== other.peer) return false;
  return one.peer !== undefined || isSameValue(one.to, other.to); // who has no name is whoever is at that address.
}

function isReachedAlike(one: Replica, other: Replica): boolean {
  return one.mode === other.mode && isSameValue(one.to, other.to);
}

function isSameValue(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
