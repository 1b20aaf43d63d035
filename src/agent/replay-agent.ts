/**
 * The source's end of a link: the one sender of one replica. Has the log sent (log-sender.ts), grants wishes for bodies
 * (grant-wish.ts), has refusals resolved (refusals.ts), and keeps the cursor.
 *
 * INVARIANT: the cursor is what the replica has acknowledged as durable; it never passes a transaction that was neither
 * applied nor put into the rejection log.
 * INVARIANT: when `run` has ended nothing that it began is under way.
 */

import { BoundedQueue } from "../base/bounded-queue.js";
import type { Clock } from "../base/clock.js";
import { Gate } from "../base/gate.js";
import type { RawPath } from "../base/raw-name.js";
import type { StateReader, StateWriter } from "../log/state-ports.js";
import type { RejectionRow } from "../log/state-types.js";
import type { Transaction } from "../txn/transaction.js";
import { wireError } from "../wire/errors.js";
import { type Outcome, PROTOCOL_VERSION, type Want, type Welcome, type WireMessage } from "../wire/messages.js";
import { Asker } from "./asker.js";
import type { BodySenderPorts } from "./body-sender.js";
import { isLastWord } from "./conflict-rules.js";
import { CursorStore } from "./cursor-store.js";
import { agentError } from "./errors.js";
import { grantWish } from "./grant-wish.js";
import { LogSender } from "./log-sender.js";
import { OfferLine } from "./offer-line.js";
import { OfferWindow } from "./offer-window.js";
import { Refusals } from "./refusals.js";
import { Rejections } from "./rejections.js";
import type { SourceSide } from "./source-side.js";

export interface ReplayAgentPorts extends BodySenderPorts {
  readonly reader: StateReader;
  readonly writer: StateWriter;
  readonly clock: Clock;
  readonly source: SourceSide;
}

export interface Shipped {
  readonly lsn: number;
  readonly transaction: Transaction;
  readonly notes: readonly string[];
}

export interface ReplayAgentSinks {
  readonly onShipped: (shipped: Shipped) => void;
  readonly onBodyBytes: (bytes: number) => void;
  readonly onConflict: (path: RawPath, words: string) => void;
  readonly onRejected: (row: RejectionRow) => void;
}

/** Wishes that wait to be granted; a replica has a few for each offer, more is a peer that does not keep to the protocol. */
const WISHES_MAX = 256;

export class ReplayAgent {
  readonly name: string;
  readonly #ports: ReplayAgentPorts;
  readonly #sinks: ReplayAgentSinks;
  readonly #window = new OfferWindow();
  readonly #wishes = new BoundedQueue<Want>(WISHES_MAX);
  readonly #wake = new Gate();
  readonly #acked = new Gate();
  readonly #asker: Asker;
  readonly #rejections: Rejections;
  readonly #cursor: CursorStore;
  readonly #line: OfferLine;
  readonly #sender: LogSender;
  readonly #refusals: Refusals;
  /** Ends the run. */
  readonly #stop = new AbortController();
  #ackedLsn = 0;
  /** The cursor as the last run left it: it may be ahead of the replica by what that run rejected. */
  #storedLsn = 0;
  /** What an earlier run left in the rejection log was tried once more. */
  #hasResent = false;
  #welcome: Welcome | undefined;

  constructor(name: string, ports: ReplayAgentPorts, sinks: ReplayAgentSinks) {
    this.name = name;
    this.#ports = ports;
    this.#sinks = sinks;
    this.#asker = new Asker(ports.link);
    this.#rejections = new Rejections(name, ports);
    const onError = (error: unknown) => this.#stop.abort(error);
    this.#cursor = new CursorStore((lsn) => ports.writer.setCursor(name, lsn), onError);
    const parts = { ...ports, window: this.#window, rejections: this.#rejections };
    this.#line = new OfferLine({ link: ports.link, window: this.#window, wake: this.#wake });
    this.#sender = new LogSender({ ...parts, name, line: this.#line, wake: this.#wake });
    const { onConflict, onRejected } = sinks;
    this.#refusals = new Refusals({ ...parts, asker: this.#asker, onConflict, onRejected, onError });
  }

  /** Requests beside the stream. Only while `run` is running. */
  get asker(): Asker {
    return this.#asker;
  }

  get ackedLsn(): number {
    return this.#ackedLsn;
  }

  /** Nobody needs log entries up to here any more. */
  get trimmableLsn(): number {
    return this.rejections.reduce((lsn, row) => Math.min(lsn, row.lsn - 1), this.#ackedLsn);
  }

  get rejections(): readonly RejectionRow[] {
    return this.#rejections.rows;
  }

  /** New transactions are in the log. */
  wake(): void {
    this.#wake.wake();
  }

  /**
   * Everything in the log up to `lsn` is applied, or was refused by the replica in this run. Rejects only when `signal` aborts:
   * it must do so when `run` has ended.
   */
  async untilAcked(lsn: number, signal: AbortSignal): Promise<void> {
    while (!this.#hasResent || this.#ackedLsn < lsn) await this.#acked.wait(signal);
  }

  /**
   * Greets the replica and reads its answers until the link closes or `signal` aborts; call it once. `prepare` runs after the
   * greeting and before the first offer (first contact).
   */
  async run(prepare: (welcome: Welcome, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { link } = this.#ports;
    const stop = this.#stop;
    const both = AbortSignal.any([signal, stop.signal]);
    const beside = [this.#readAll(both), this.#grantAll(both)];
    for (const work of beside) work.catch((error: unknown) => stop.abort(error));
    try {
      const welcome = await this.#greet(both);
      await prepare(welcome, both);
      this.#startAt(welcome.appliedLsn);
      await this.#sender.resendRejected(both);
      if (this.#ackedLsn >= this.#storedLsn) await this.#rejections.dropUpTo(this.#ackedLsn);
      this.#hasResent = true;
      this.#acked.wake();
      for (;;) {
        both.throwIfAborted();
        if (!(await this.#offerMore(both))) await this.#wake.wait(both);
      }
    } catch (error) {
      const reason: unknown = stop.signal.aborted && !signal.aborted ? stop.signal.reason : error;
      this.#asker.fail(reason);
      throw reason;
    } finally {
      stop.abort(new Error("the agent has ended"));
      link.close();
      await Promise.allSettled(beside);
      await Promise.allSettled([this.#refusals.settled(), this.#cursor.settled()]);
    }
  }

  async #greet(signal: AbortSignal): Promise<Welcome> {
    const { link, reader } = this.#ports;
    const logId = reader.meta("log-id") ?? "";
    await link.send({ kind: "hello", protocol: PROTOCOL_VERSION, logId, software: "mailtwin" }, signal);
    while (this.#welcome === undefined) await this.#wake.wait(signal);
    const { protocol } = this.#welcome;
    if (protocol !== PROTOCOL_VERSION) {
      throw wireError(
        "protocol-differs",
        `greeting ${this.name}: it speaks protocol ${protocol}, this end speaks ${PROTOCOL_VERSION}`,
      );
    }
    return this.#welcome;
  }

  #startAt(appliedLsn: number): void {
    this.#sender.startAt(appliedLsn);
    this.#ackedLsn = appliedLsn;
    this.#storedLsn = this.#ports.reader.cursor(this.name) ?? 0;
  }

  /** False when there was nothing to offer, or no room. */
  async #offerMore(signal: AbortSignal): Promise<boolean> {
    const offered = await this.#sender.offerNext(signal);
    if (offered === "nothing") await this.#moveCursor(); // past what belongs to mailboxes that are held.
    return offered === "sent";
  }

  async #readAll(signal: AbortSignal): Promise<void> {
    for await (const message of this.#ports.link.messages(signal)) await this.#receive(message, signal);
    throw wireError("link-closed", `talking with ${this.name}: it closed the link`);
  }

  async #receive(message: WireMessage, signal: AbortSignal): Promise<void> {
    switch (message.kind) {
      case "welcome":
        this.#welcome = message;
        this.#wake.wake();
        return;
      case "want":
        if (!this.#wishes.tryPush(message)) throw this.#confused("it asks for more bodies than it may");
        return;
      case "outcome":
        await this.#settle(message, signal);
        return;
      case "reply":
        this.#asker.settle(message);
        return;
      default:
        throw this.#confused(`it sent "${message.kind}", which only a source sends`);
    }
  }

  #confused(words: string) {
    return agentError("peer-confused", `talking with ${this.name}: ${words}`);
  }

  /** One wish after the other, beside the reading of messages. */
  async #grantAll(signal: AbortSignal): Promise<void> {
    const ports = { ...this.#ports, onBodyBytes: this.#sinks.onBodyBytes };
    for await (const { id, indexes } of this.#wishes.drain(signal)) {
      const offered = this.#window.get(id);
      if (offered === undefined) continue; // settled meanwhile.
      const cause = await grantWish(ports, { id, transaction: offered.transaction, indexes }, signal);
      if (cause !== undefined) await this.#refusals.giveUp(offered, cause, signal);
    }
  }

  async #settle(outcome: Outcome, signal: AbortSignal): Promise<void> {
    const { id, divergence, notes } = outcome;
    if (this.#line.settleMark(id)) return;
    const offered = this.#window.get(id);
    if (offered === undefined) throw this.#confused(`it acknowledged transaction ${id}, which was not offered`);
    if (divergence !== undefined && !isLastWord(divergence)) {
      this.#refusals.resolveBeside(offered, divergence, signal);
      return;
    }
    const { transaction, lsn } = offered;
    // It was held before, if the replica gives up only what it was told to; the cursor must not rest on that.
    if (divergence === undefined) {
      if (lsn > 0) await this.#rejections.step(transaction.mailbox, lsn);
    } else {
      this.#line.noteRefused(transaction.mailbox);
      await this.#refusals.hold(offered, divergence);
    }
    this.#window.delete(id);
    if (divergence === undefined) this.#sinks.onShipped({ lsn, transaction, notes });
    await this.#moveCursor();
    this.#wake.wake();
  }

  async #moveCursor(): Promise<void> {
    const lsn = this.#window.settledUpTo(this.#sender.sentLsn);
    if (lsn <= this.#ackedLsn) return;
    // Not before: what was refused in an earlier run may lie before the stored cursor, and only the rejection tells.
    if (lsn >= this.#storedLsn) await this.#rejections.dropUpTo(lsn);
    if (lsn <= this.#ackedLsn) return;
    this.#ackedLsn = lsn;
    this.#acked.wake();
    this.#cursor.put(lsn);
  }
}
