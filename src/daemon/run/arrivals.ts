/**
 * Those who dial in: greeted, asked what they want, judged, and handed to the store that they mean.
 *
 * INVARIANT: before the router has let it in, nothing but the greeting and one bounded message of it was read.
 * INVARIANT: whoever dials in holds a bounded number of conversations that have not come that far, and takes no room from anybody of another
 * key. Those that have not said what they want give way when there are too many, the oldest first: an honest one has said it within two
 * round trips, and who shares its key (or can connect to the same socket) keeps it out only by being faster than that, again and again. Of
 * those that have said it there is one for each wish, the latest: any other wish than the configuration allows is refused at once.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../../base/clock.js";
import { wireError } from "../../wire/errors.js";
import { type Agreement, greet } from "../../wire/greeting.js";
import type { Link } from "../../wire/link.js";
import { letOpen, type OpenedSource, type Opening, readOpening, refuseToOpen } from "../../wire/opening.js";
import type { MessagePorts } from "../../wire/prefixed.js";
import { OUR_GREETING, openAgreedLink } from "./open-link.js";

/** Conversations of one peer that have not said yet what they want, beside one for each of its stores. */
const SILENT_OF_PEER_MAX = 8;
/** The same of all together of whom nobody knows who they are: those who came by a unix socket. */
const SILENT_UNPROVED_MAX = 64;

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
  /** One had to give way to another one of the same peer. */
  readonly onCrowded: (error: unknown, peer: string) => void;
  /** To how many stores it has a right: an honest one has as many conversations under way. */
  readonly storesOf: (peer: string) => number;
}

/** One that has not led to a link yet. */
interface Conversation {
  readonly ports: MessagePorts;
  /** Why this end has ended it in favour of another one. */
  gaveWay: Error | undefined;
}

interface Heard {
  readonly opening: Opening;
  readonly agreement: Agreement;
}

export class Arrivals {
  readonly #ports: ArrivalPorts;
  /** Those that have not said what they want, by key ("": nobody knows), the oldest first. */
  readonly #silent = new Map<string, Set<Conversation>>();
  /** Those that have, by who and what. */
  readonly #asking = new Map<string, Conversation>();

  constructor(ports: ArrivalPorts) {
    this.#ports = ports;
  }

  /** Never rejects. */
  async receive(stream: Duplex, proof: Proof | undefined, signal: AbortSignal): Promise<void> {
    const { clock, route, onRefused } = this.#ports;
    let shown = proof?.peer ?? "whoever dialled in";
    const ports = { stream, clock, peer: shown };
    const conversation: Conversation = { ports, gaveWay: undefined };
    try {
      const { opening, agreement } = await this.#hear(conversation, proof, signal);
      if (opening.peer !== "") shown = proof?.peer ?? opening.peer;
      const { source, take } = await this.#ask(conversation, wishOf(opening, proof), () =>
        route(opening, proof, signal),
      );
      if (stream.destroyed) throw wireError("link-closed", `opening a link with ${shown}: it hung up`);
      letOpen(ports, source);
      take(openAgreedLink({ ...ports, peer: shown }, agreement));
    } catch (error) {
      if (!signal.aborted && conversation.gaveWay === undefined) onRefused(error, shown);
      if (signal.aborted) stream.destroy();
    }
  }

  /** What it can and wants. While it has not said that it gives way to those that come later. */
  async #hear(conversation: Conversation, proof: Proof | undefined, signal: AbortSignal): Promise<Heard> {
    const whose = proof?.key ?? "";
    const silent = this.#silent.get(whose) ?? new Set();
    this.#silent.set(whose, silent.add(conversation));
    const greeting = greet(conversation.ports, OUR_GREETING, signal); // said first: who gives way is told so behind it.
    this.#makeRoom(silent, proof);
    try {
      const agreement = await greeting;
      refuseGone(conversation);
      const opening = await readOpening(conversation.ports, signal);
      refuseGone(conversation);
      return { opening, agreement };
    } finally {
      silent.delete(conversation);
      if (silent.size === 0 && this.#silent.get(whose) === silent) this.#silent.delete(whose);
    }
  }

  #makeRoom(silent: Set<Conversation>, proof: Proof | undefined): void {
    const { storesOf, onCrowded, onRefused } = this.#ports;
    const room = proof === undefined ? SILENT_UNPROVED_MAX : SILENT_OF_PEER_MAX + storesOf(proof.peer);
    const [oldest] = silent;
    if (oldest === undefined || silent.size <= room) return;
    silent.delete(oldest);
    const [who, tell] = proof === undefined ? ["such", onRefused] : [`"${proof.peer}"`, onCrowded];
    const { peer } = oldest.ports;
    const words = `accepting ${peer}: more than ${room} conversations of ${who} had not said what they want, and it was the oldest of them`;
    const error = wireError("link-crowded", words);
    giveWay(oldest, error);
    tell(error, peer);
  }

  async #ask<T>(conversation: Conversation, wish: string, judge: () => Promise<T>): Promise<T> {
    const before = this.#asking.get(wish);
    if (before !== undefined) {
      const words = `opening a link with ${before.ports.peer}: it has asked for the same once more, and this was the earlier time`;
      giveWay(before, wireError("link-closed", words));
    }
    this.#asking.set(wish, conversation);
    try {
      const judged = await this.#judge(conversation, judge);
      refuseGone(conversation);
      return judged;
    } finally {
      if (this.#asking.get(wish) === conversation) this.#asking.delete(wish);
    }
  }

  /** Whoever is refused is told why. */
  async #judge<T>(conversation: Conversation, judge: () => Promise<T>): Promise<T> {
    try {
      return await judge();
    } catch (error) {
      if (conversation.gaveWay === undefined) refuseToOpen(conversation.ports, error);
      throw error;
    }
  }
}

function wishOf({ peer, role, target }: Opening, proof: Proof | undefined): string {
  return JSON.stringify([proof?.key ?? "", proof?.peer ?? peer, role, target.kind === "store" ? target.store : ""]);
}

function giveWay(conversation: Conversation, error: Error): void {
  conversation.gaveWay = error;
  refuseToOpen(conversation.ports, error);
}

/** What it says after it has given way is not heard. */
function refuseGone({ gaveWay }: Conversation): void {
  if (gaveWay !== undefined) throw gaveWay;
}
