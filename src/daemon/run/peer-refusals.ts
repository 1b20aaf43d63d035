/**
 * Who was refused as it dialled in, kept for the status of this host, which is the one that the refusal sends people to: known peers that
 * have no right or an expired certificate (a person has to act here), or that crowd the door, and the keys of strangers (whoever is waited for
 * may be one of them).
 *
 * INVARIANT: bounded, whoever dials in: REFUSED_MAX of each peer of the configuration and that it crowds, STRANGERS_MAX strangers; of a stranger nothing is kept
 * but the name of the key that it has proved to hold.
 * INVARIANT: what was not refused again for LASTING_MS is over; so is what the configuration would let in now, and what was let in.
 */
import type { Clock } from "../../base/clock.js";
import type { KeyName } from "../../wire/key-name.js";
import type { Opening } from "../../wire/opening.js";
import type { ShownToUs } from "../../wire/tls-listener.js";
import type { Config, Peer } from "../config/config.js";
import type { Proof } from "./arrivals.js";
import { hintOfCrowd } from "./daemon-hints.js";
import { routeOf } from "./route.js";
import { type Trouble, troubleOf } from "./troubles.js";

/** Several times as long as a daemon waits between two tries (back-off.ts). */
const LASTING_MS = 5 * 60_000;
/** Of one peer: it names the stores that it asks for. */
const REFUSED_MAX = 8;
const STRANGERS_MAX = 3;
/** A peer that crowds for longer is no honest one that came back with all its stores, or over a line that was bad for a moment. */
const CROWDING_MS = 60_000;

interface Refused {
  readonly peer: string;
  readonly trouble: Trouble;
  readonly lastMs: number;
  /** Whether it would be refused by that configuration, too. */
  readonly isRefusedBy: (config: Config) => boolean;
}

interface Crowd {
  readonly trouble: Trouble;
  /** Monotonic, as `lastMs`. */
  readonly firstMs: number;
  readonly lastMs: number;
}

export class PeerRefusals {
  readonly #clock: Pick<Clock, "nowMs" | "monotonicMs">;
  /** By peer and what it asked for. */
  readonly #refused = new Map<string, Refused>();
  /** By peer. */
  readonly #crowds = new Map<string, Crowd>();
  /** By key: when it was refused last; the latest is the last. */
  readonly #strangers = new Map<KeyName, number>();

  constructor(clock: Pick<Clock, "nowMs" | "monotonicMs">) {
    this.#clock = clock;
  }

  /** By what the router says of it. */
  noteAsked(error: unknown, opening: Opening, proof: Proof | undefined, config: Config): void {
    const peer = proof?.peer ?? opening.peer;
    if (peerOf(config, peer) === undefined) return;
    if (proof !== undefined) this.#refused.delete(subjectOf(peer)); // it came this far: its certificate is valid.
    const isRefusedBy = (now: Config): boolean => peerOf(now, peer) !== undefined && !mayCome(now, opening, proof);
    this.#note(subjectOf(peer, opening), { peer, error, isRefusedBy });
  }

  /** By what it showed in the handshake. */
  noteShown(error: unknown, { key, peerName: peer }: ShownToUs): void {
    if (peer !== undefined) {
      this.#note(subjectOf(peer), { peer, error, isRefusedBy: (now) => peerOf(now, peer)?.key === key });
      return;
    }
    this.#strangers.delete(key);
    this.#strangers.set(key, this.#clock.monotonicMs());
    const [oldest] = this.#strangers.keys();
    if (this.#strangers.size > STRANGERS_MAX && oldest !== undefined) this.#strangers.delete(oldest);
  }

  /** That a peer of the configuration has too many conversations under way. Returns it if that is news, or has become worse. */
  noteCrowd(error: unknown, peer: string): Trouble | undefined {
    this.#forgetOld();
    const before = this.#crowds.get(peer);
    const lastMs = this.#clock.monotonicMs();
    const { firstMs = lastMs, trouble: { sinceMs } = { sinceMs: this.#clock.nowMs() } } = before ?? {};
    const level = lastMs - firstMs >= CROWDING_MS ? "needs-you" : "healing";
    const trouble = { ...troubleOf(error), hint: hintOfCrowd(peer), level, sinceMs } as const;
    this.#crowds.set(peer, { trouble, firstMs, lastMs });
    return before?.trouble.level === level ? undefined : trouble;
  }

  letIn(opening: Opening, proof: Proof | undefined): void {
    const peer = proof?.peer ?? opening.peer;
    this.#refused.delete(subjectOf(peer, opening));
    if (proof !== undefined) this.#refused.delete(subjectOf(peer));
  }

  /** Call it when the configuration is another. */
  judgeAnew(config: Config): void {
    for (const [subject, { isRefusedBy }] of this.#refused) if (!isRefusedBy(config)) this.#refused.delete(subject);
    for (const peer of this.#crowds.keys()) if (peerOf(config, peer) === undefined) this.#crowds.delete(peer);
    const known = new Set(Array.from(config.peers.values(), ({ key }) => key));
    for (const key of this.#strangers.keys()) if (known.has(key)) this.#strangers.delete(key);
  }

  get troubles(): readonly Trouble[] {
    this.#forgetOld();
    return [...this.#refused.values(), ...this.#crowds.values()].map(({ trouble }) => trouble);
  }

  /** The latest first. */
  get strangers(): readonly KeyName[] {
    this.#forgetOld();
    return [...this.#strangers.keys()].reverse();
  }

  #note(
    subject: string,
    { error, ...rest }: Pick<Refused, "peer" | "isRefusedBy"> & { readonly error: unknown },
  ): void {
    this.#forgetOld();
    const before = this.#refused.get(subject);
    const ofPeer = [...this.#refused.values()].filter(({ peer }) => peer === rest.peer);
    if (before === undefined && ofPeer.length >= REFUSED_MAX) return; // those that stand are enough to look at.
    const sinceMs = before?.trouble.sinceMs ?? this.#clock.nowMs();
    const trouble: Trouble = { ...troubleOf(error), level: "needs-you", sinceMs };
    this.#refused.set(subject, { ...rest, trouble, lastMs: this.#clock.monotonicMs() });
  }

  #forgetOld(): void {
    const oldestMs = this.#clock.monotonicMs() - LASTING_MS;
    for (const [subject, { lastMs }] of this.#refused) if (lastMs < oldestMs) this.#refused.delete(subject);
    for (const [peer, { lastMs }] of this.#crowds) if (lastMs < oldestMs) this.#crowds.delete(peer);
    for (const [key, lastMs] of this.#strangers) if (lastMs < oldestMs) this.#strangers.delete(key);
  }
}

function mayCome(config: Config, opening: Opening, proof: Proof | undefined): boolean {
  try {
    routeOf(config, opening, proof);
    return true;
  } catch {
    return false;
  }
}

function peerOf({ peers }: Config, name: string): Peer | undefined {
  const all: ReadonlyMap<string, Peer> = peers;
  return all.get(name);
}

/** Undefined: it came no further than the handshake. */
function subjectOf(peer: string, opening?: Opening): string {
  const asked =
    opening === undefined ? [] : [opening.role, opening.target.kind === "store" ? opening.target.store : ""];
  return JSON.stringify([peer, ...asked]);
}
