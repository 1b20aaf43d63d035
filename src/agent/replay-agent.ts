/**
 * The source's end of a link: the one sender of one replica. Has the log sent (log-sender.ts), grants wishes for bodies
 * (grant-wish.ts), has refusals resolved (refusals.ts) and mailboxes mended or compared (mender.ts, store-comparison.ts), and keeps
 * the cursor.
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
import type { MailboxGuid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import { wireError } from "../wire/errors.js";
import {
  type Outcome,
  PROTOCOL_VERSION,
  type Want,
  type Welcome,
  type WireFailure,
  type WireMessage,
} from "../wire/messages.js";
import { Asker } from "./asker.js";
import { readAlong } from "./bodies-along.js";
import type { BodySenderPorts } from "./body-sender.js";
import type { ComparisonStatus } from "./comparison-progress.js";
import { isLastWord } from "./conflict-rules.js";
import { CURSOR_PAUSE_MS, CursorStore } from "./cursor-store.js";
import { agentError } from "./errors.js";
import { errorOfFarewell, lastWordsOf } from "./farewell.js";
import { grantWishes, type WishPorts } from "./grant-wish.js";
import { FOR_LONG, IN_LINE, LockPatience } from "./lock-patience.js";
import { LogSender, type LogSenderParts } from "./log-sender.js";
import type { Mended } from "./mender.js";
import type { NextUidNews } from "./next-uids.js";
import { type MayHave, OfferLine } from "./offer-line.js";
import { OfferWindow } from "./offer-window.js";
import { PLAIN, Recovery, type ReplayAgentOptions, type ResyncWish } from "./recovery.js";
import { Refusals } from "./refusals.js";
import { Rejections } from "./rejections.js";
import type { SourceSide } from "./source-side.js";

export interface ReplayAgentPorts extends BodySenderPorts {
  readonly reader: StateReader;
  readonly writer: StateWriter;
  readonly clock: Clock;
  readonly source: SourceSide;
  /** Which mailboxes the replica may have; undefined: all. */
  readonly mayHave?: MayHave;
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
  /** The whole store was compared, and the replica's cursor is durable there. */
  readonly onCompared?: (lsn: number) => void;
  /** The source's next UID of a mailbox was raised to the replica's, or could not be. */
  readonly onNextUid?: (news: NextUidNews) => void;
  /** A mailbox was compared: how many of its messages only the replica has. They stay. */
  readonly onForeign?: (mailbox: MailboxGuid, messages: number) => void;
  /** A mailbox had a rejection, of a refusal or of a wish to compare it, and has none any more, durably. */
  readonly onMended?: (mended: Mended) => void;
}

/** Wishes that wait to be granted; a replica has a few for each offer, more is a peer that does not keep to the protocol. */
const WISHES_MAX = 256;

export class ReplayAgent {
  readonly name: string;
  readonly #ports: ReplayAgentPorts;
  readonly #sinks: ReplayAgentSinks;
  readonly #options: ReplayAgentOptions;
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
  readonly #recovery: Recovery;
  /** Ends the run. */
  readonly #stop = new AbortController();
  #ackedLsn = 0;
  /** The cursor as the last run left it: it may be ahead of the replica by what that run rejected. */
  #storedLsn = 0;
  /** What an earlier run left in the rejection log was tried once more. */
  #hasResent = false;
  #welcome: Welcome | undefined;

  constructor(
    name: string,
    ports: ReplayAgentPorts,
    sinks: ReplayAgentSinks,
    options: Partial<ReplayAgentOptions> = {},
  ) {
    this.name = name;
    this.#ports = ports;
    this.#sinks = sinks;
    this.#options = { ...PLAIN, ...options };
    this.#asker = new Asker(ports);
    this.#rejections = new Rejections(name, ports);
    const onError = (error: unknown) => this.#stop.abort(error);
    const write = (lsn: number) => ports.writer.setCursor(name, lsn);
    this.#cursor = new CursorStore({ write, onError, clock: ports.clock, pauseMs: CURSOR_PAUSE_MS });
    const { mayHave } = ports;
    const parts = { ...ports, mayHave, window: this.#window, rejections: this.#rejections };
    this.#line = new OfferLine({ link: ports.link, window: this.#window, mayHave });
    const onMovedIn: LogSenderParts["onMovedIn"] = (place) => this.#recovery.compareMovedIn(place);
    const along: LogSenderParts["readAlong"] = (run) => readAlong(ports, run);
    const { onConflict, onBodyBytes } = sinks;
    const senderSinks = { onMovedIn, onBodyBytes, readAlong: along };
    this.#sender = new LogSender({ ...parts, name, line: this.#line, wake: this.#wake, ...senderSinks });
    const onRejected = (row: RejectionRow) => {
      sinks.onRejected(row);
      this.#recovery.noteRejected(row);
    };
    const { heals } = this.#options;
    const patience = new LockPatience(ports.clock, heals ? IN_LINE : FOR_LONG);
    const refusalSinks = { onConflict, onRejected, onError };
    this.#refusals = new Refusals({ ...parts, asker: this.#asker, patience, heals, ...refusalSinks });
    const common = { ...parts, name, asker: this.#asker, line: this.#line, sender: this.#sender };
    const onEnd = () => {
      this.#acked.wake();
      if (this.#recovery.isToCompare) this.#wake.wake(); // more is amiss on the replica than what was mended.
    };
    const onCompared = (lsn: number) => this.#noteCompared(lsn);
    const { onForeign = () => undefined, onMended = () => undefined, onNextUid = () => undefined } = sinks;
    const recoverySinks = { onRejected: sinks.onRejected, onCompared, onForeign, onNextUid, onMended, onEnd, onError };
    this.#recovery = new Recovery({ ...common, ...recoverySinks }, this.#options);
  }

  /** Requests beside the stream. Only while `run` is running. */
  get asker(): Asker {
    return this.#asker;
  }

  get ackedLsn(): number {
    return this.#ackedLsn;
  }

  /** What the replica has to say next. Undefined: nothing is asked of it. */
  get owed(): "welcome" | "answer" | "outcome" | undefined {
    if (this.#welcome === undefined) return "welcome";
    if (this.#asker.waitedMs !== undefined) return "answer";
    return this.#window.isEmpty && !this.#line.isMarking ? undefined : "outcome";
  }

  /** How long the request that has waited longest for its answer has. */
  get waitedMs(): number {
    return this.#asker.waitedMs ?? 0;
  }

  /** The whole store is being compared. */
  get isComparing(): boolean {
    return this.#recovery.isComparing;
  }

  /** How far the comparison of the whole store is; undefined: none is under way. */
  get comparison(): ComparisonStatus | undefined {
    return this.#recovery.comparison;
  }

  /** A comparison of the whole store is asked for, and has not begun. */
  get isToCompare(): boolean {
    return this.#recovery.isToCompare;
  }

  /** Mailboxes are being compared, or sent again, beside the log; not those that wait for their next try. */
  get isMending(): boolean {
    return this.#recovery.isBusy;
  }

  /** Nobody needs log entries up to here any more. */
  get trimmableLsn(): number {
    const { lowestPosition, isComparing } = this.#recovery;
    if (isComparing) return Math.min(this.#window.settledUpTo(this.#sender.sentLsn), lowestPosition);
    if (this.#options.heals) return Math.min(this.#ackedLsn, lowestPosition);
    const inLog = this.rejections.filter(({ lsn }) => lsn > 0);
    return inLog.reduce((lsn, row) => Math.min(lsn, row.lsn - 1), this.#ackedLsn);
  }

  get rejections(): readonly RejectionRow[] {
    return this.#rejections.rows;
  }

  /** New transactions are in the log. */
  wake(): void {
    this.#wake.wake();
  }

  /**
   * Everything in the log up to `lsn` is applied, or was refused by the replica in this run. Where mailboxes are not mended within
   * the run, what was found to need it at its begin has been mended, or was refused as well. Rejects only when `signal` aborts:
   * it must do so when `run` has ended.
   */
  async untilAcked(lsn: number, signal: AbortSignal): Promise<void> {
    const isWaitedFor = () => !this.#options.heals && this.isMending;
    while (!this.#hasResent || this.#ackedLsn < lsn || isWaitedFor()) await this.#acked.wait(signal);
  }

  /** As `Recovery.resync`. Only while `run` is running, of an agent that compares. */
  async resync(what: MailboxGuid | "all", wish: ResyncWish = {}): Promise<boolean> {
    const isKnown = await this.#recovery.resync(what, wish);
    this.#wake.wake();
    return isKnown;
  }

  /** As `Recovery.plan`: what `resync` would do. Only while `run` is running, with which it ends. */
  plan(...[wish, tell, signal]: Parameters<Recovery["plan"]>): Promise<boolean> {
    const ended = this.#stop.signal;
    return this.#recovery.plan(wish, tell, AbortSignal.any([signal, ended])).catch((error: unknown) => {
      if (!ended.aborted || signal.aborted) throw error;
      throw wireError("link-closed", `looking at what ${this.name} lacks: its link has ended`, error);
    });
  }

  /** The whole store is compared before anything is sent. Only in `prepare`, of an agent that compares. */
  compareFirst(): void {
    this.#recovery.mustCompare();
  }

  /** Tries a mailbox that was refused again, without waiting for its time. False when it was not refused. */
  retry(mailbox: MailboxGuid): boolean {
    return this.#recovery.retry(mailbox);
  }

  /**
   * Greets the replica and reads its answers until the link closes or `signal` aborts; call it once. `prepare` runs after the
   * greeting and before the first offer (first contact).
   */
  async run(prepare: (welcome: Welcome, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { link } = this.#ports;
    const stop = this.#stop;
    const both = AbortSignal.any([signal, stop.signal]);
    const beside = [this.#readAll(both), this.#grantAll(both), this.#recovery.run(both)];
    for (const work of beside) work.catch((error: unknown) => stop.abort(error));
    let why: WireFailure | undefined;
    try {
      const welcome = await this.#greet(both);
      await prepare(welcome, both);
      await this.#begin(welcome, both);
      this.#recovery.begin();
      this.#hasResent = true;
      this.#acked.wake();
      for (;;) {
        both.throwIfAborted();
        await this.#recovery.compareIfAsked(both);
        if (!(await this.#offerMore(both))) await this.#wake.wait(both);
      }
    } catch (error) {
      const reason: unknown = stop.signal.aborted && !signal.aborted ? stop.signal.reason : error;
      this.#asker.fail(reason);
      why = lastWordsOf(reason);
      throw reason;
    } finally {
      stop.abort(new Error("the agent has ended"));
      link.close(why);
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

  async #begin(welcome: Welcome, signal: AbortSignal): Promise<void> {
    this.#storedLsn = this.#ports.reader.cursor(this.name) ?? 0;
    const { heals } = this.#options;
    await this.#recovery.dropUnshared();
    if (await this.#recovery.compareFirst(welcome, signal)) return;
    const { appliedLsn, firstContact } = welcome;
    this.#sender.startAt(appliedLsn);
    this.#ackedLsn = appliedLsn;
    this.#recovery.mendRejected();
    if (!heals) {
      await this.#sender.resendRejected(signal);
      if (appliedLsn >= this.#storedLsn) await this.#rejections.dropUpTo(appliedLsn);
    }
    if (!firstContact) await this.#recovery.compareChanged(signal);
    if (!firstContact) await this.#recovery.compareInOrder(appliedLsn);
  }

  #noteCompared(lsn: number): void {
    this.#sinks.onCompared?.(lsn);
    this.#wake.wake(); // the log moves the cursor from here on.
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
      case "farewell":
        throw errorOfFarewell(this.name, message.failure);
      default:
        throw this.#confused(`it sent "${message.kind}", which only a source sends`);
    }
  }

  #confused(words: string) {
    return agentError("peer-confused", `talking with ${this.name}: ${words}`);
  }

  /** Beside the reading of messages. */
  #grantAll(signal: AbortSignal): Promise<void> {
    const giveUp: WishPorts["giveUp"] = (...args) => this.#refusals.giveUp(...args);
    const { onBodyBytes } = this.#sinks;
    return grantWishes({ ...this.#ports, window: this.#window, onBodyBytes, giveUp }, this.#wishes, signal);
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
    this.#line.noteLeft();
    if (divergence === undefined) this.#sinks.onShipped({ lsn, transaction, notes });
    await this.#moveCursor();
    this.#wake.wake();
  }

  async #moveCursor(): Promise<void> {
    if (this.#recovery.isComparing) return;
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
