/**
 * Follows up what a replica refused: has it resolved beside the stream, and tells the replica to try again or to give up.
 *
 * INVARIANT: the rejection is durable before the replica hears that it is to give a transaction up.
 * INVARIANT: one refusal of a transaction is resolved at a time, so that a replica cannot pile them up.
 */
import type { Clock } from "../base/clock.js";
import type { RejectionRow } from "../log/state-types.js";
import type { Link } from "../wire/link.js";
import type { WireDivergence } from "../wire/messages.js";
import { type Cause, isOfLock } from "./conflict-rules.js";
import { agentError } from "./errors.js";
import type { Offered, OfferWindow } from "./offer-window.js";
import type { Rejections } from "./rejections.js";
import { type ConflictPorts, ruleOn } from "./resolve-conflict.js";

export interface RefusalParts extends ConflictPorts {
  readonly clock: Clock;
  readonly link: Link;
  readonly window: OfferWindow;
  readonly rejections: Rejections;
  readonly onRejected: (row: RejectionRow) => void;
  /** What ends the run. */
  readonly onError: (error: unknown) => void;
}

export class Refusals {
  readonly #parts: RefusalParts;
  readonly #resolving = new Set<Promise<void>>();

  constructor(parts: RefusalParts) {
    this.#parts = parts;
  }

  /** Returns at once: what it takes to resolve it comes over the link that the caller reads. Throws: peer-confused. */
  resolveBeside(offered: Offered, divergence: WireDivergence, signal: AbortSignal): void {
    if (offered.isBeingResolved) {
      const words = `reading what the replica refused: it has not tried transaction ${offered.id} again meanwhile`;
      throw agentError("peer-confused", words);
    }
    offered.isBeingResolved = true;
    if (!isOfLock(divergence.code)) offered.refusals += 1;
    const resolving = this.#resolve(offered, divergence, signal)
      .catch(this.#parts.onError)
      .finally(() => this.#resolving.delete(resolving));
    this.#resolving.add(resolving);
  }

  /** Gives its mailbox up for this run, and tells the replica. */
  async giveUp(offered: Offered, cause: Cause, signal: AbortSignal): Promise<void> {
    if (!this.#parts.window.has(offered)) return; // settled meanwhile.
    await this.hold(offered, cause);
    await this.#advise(offered, { voidBelow: 0, giveUp: true }, signal);
  }

  /** Returns after a rejection that covers it is on stable storage. */
  async hold(offered: Offered, { code, words }: Cause): Promise<void> {
    const { window, rejections, onRejected } = this.#parts;
    const { mailbox, path } = offered.transaction;
    const fromLsn = window.firstLsnOfMailbox(offered);
    const row = await rejections.add({ fromLsn, mailbox, path, code, words });
    if (row !== undefined) onRejected(row);
  }

  /** Resolves when nothing is being resolved any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#resolving);
  }

  async #resolve(offered: Offered, divergence: WireDivergence, signal: AbortSignal): Promise<void> {
    const { transaction, refusals, voidBelow } = offered;
    const ruling = await ruleOn(this.#parts, { transaction, divergence, refusals, voidBelow }, signal);
    offered.isBeingResolved = false; // from here on the replica may try, and refuse, again.
    if (ruling.kind === "give-up") await this.giveUp(offered, ruling.cause, signal);
    else if (this.#parts.window.has(offered)) {
      offered.voidBelow = ruling.voidBelow;
      await this.#advise(offered, { voidBelow: ruling.voidBelow, giveUp: false }, signal);
    }
  }

  async #advise(
    { id }: Offered,
    advice: { readonly voidBelow: number; readonly giveUp: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    await this.#parts.link.send({ kind: "retry", id, ...advice }, signal);
  }
}
