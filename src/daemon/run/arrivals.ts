/**
 * Those who dial in: greeted, asked what they want, judged, and handed to the store that they mean.
 *
 * INVARIANT: before the router has let it in, nothing but the greeting and one bounded message of it was read.
 * INVARIANT: whoever dials in holds a bounded number of conversations that have not come that far.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../../base/clock.js";
import { wireError } from "../../wire/errors.js";
import { greet } from "../../wire/greeting.js";
import type { Link } from "../../wire/link.js";
import { letOpen, type OpenedSource, type Opening, readOpening, refuseToOpen } from "../../wire/opening.js";
import { openStreamLink } from "../../wire/stream-link.js";
import { OUR_GREETING } from "./open-link.js";

/** Conversations that have not led to a link yet; a peer needs one for each store. */
const UNDER_WAY_MAX = 128;

/** Who it is, as the carrier has proved it. */
export interface Proof {
  readonly peer: string;
  /** By which key. */
  readonly key: string;
}

/** Where the link goes that was asked for. */
export interface Welcome {
  /** Of this end's store, if it is the source. */
  readonly source: OpenedSource | undefined;
  /** The link is the taker's. */
  readonly take: (link: Link) => void;
}

export interface ArrivalPorts {
  readonly clock: Clock;
  /** Judges. Rejects with what the other end is to be told. `proof`: undefined where the carrier does not say who it is. */
  readonly route: (opening: Opening, proof: Proof | undefined, signal: AbortSignal) => Promise<Welcome>;
  /** A conversation that led to nothing. */
  readonly onRefused: (error: unknown, peer: string) => void;
}

export class Arrivals {
  readonly #ports: ArrivalPorts;
  #underWay = 0;

  constructor(ports: ArrivalPorts) {
    this.#ports = ports;
  }

  /** Never rejects. */
  async receive(stream: Duplex, proof: Proof | undefined, signal: AbortSignal): Promise<void> {
    const { clock, route, onRefused } = this.#ports;
    let shown = proof?.peer ?? "whoever dialled in";
    if (this.#underWay >= UNDER_WAY_MAX) {
      stream.destroy();
      onRefused(
        wireError("link-refused", `accepting ${shown}: ${UNDER_WAY_MAX} others have not said yet what they want`),
        shown,
      );
      return;
    }
    this.#underWay += 1;
    const ports = { stream, clock, peer: shown };
    try {
      await greet(ports, OUR_GREETING, signal);
      const opening = await readOpening(ports, signal);
      if (opening.peer !== "") shown = proof?.peer ?? opening.peer;
      const { source, take } = await this.#judge(ports, () => route(opening, proof, signal));
      letOpen(ports, source);
      take(openStreamLink({ ...ports, peer: shown }));
    } catch (error) {
      if (!signal.aborted) onRefused(error, shown);
      if (signal.aborted) stream.destroy();
    } finally {
      this.#underWay -= 1;
    }
  }

  /** Whoever is refused is told why. */
  async #judge<T>(
    ports: { readonly stream: Duplex; readonly clock: Clock; readonly peer: string },
    judge: () => Promise<T>,
  ): Promise<T> {
    try {
      return await judge();
    } catch (error) {
      refuseToOpen(ports, error);
      throw error;
    }
  }
}
