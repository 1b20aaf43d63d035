/**
 * The source's end of a link: the one sender of one replica. Sends the log in order from where the replica is, answers its
 * wishes for bodies, and resolves what it could not take.
 *
 * INVARIANT: the cursor is what the replica has acknowledged as durable; it never passes a transaction that was neither
 * applied nor put into the rejection log.
 * INVARIANT: what a mailbox's rejection covers is sent again from that transaction on, in order, before anything newer of it.
 */

import type { Clock } from "../base/clock.js";
import { Fifo } from "../base/fifo.js";
import { Gate } from "../base/gate.js";
import type { RawPath } from "../base/raw-name.js";
import type { CaptureProblem } from "../capture/capture-types.js";
import type { StateReader, StateWriter } from "../log/state-ports.js";
import type { LogEntry, RejectionRow } from "../log/state-types.js";
import { type MailboxGuid, parseUid, type Uid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import { decodeTransaction } from "../txn/transaction-codec.js";
import { wireError } from "../wire/errors.js";
import {
  type Outcome,
  PROTOCOL_VERSION,
  type Want,
  type Welcome,
  type WireDivergence,
  type WireMessage,
} from "../wire/messages.js";
import { ABSENT_PAUSE_MS, settleAbsent } from "./absent-bodies.js";
import { Asker } from "./asker.js";
import { type BodySenderPorts, sendBodies, sendGone } from "./body-sender.js";
import { agentError } from "./errors.js";
import { isUidConflict, makeRoom } from "./make-room.js";
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

/** Transactions on their way. */
const OFFERS_IN_FLIGHT_MAX = 40;
const READ_BYTES_MAX = 2 * 1024 * 1024;
/** How often, and how far apart, the source is looked at again for what it should have. */
const ABSENT_LOOKS_MAX = 200;
/** Times that one transaction is resolved before it goes to the rejection log. */
const RETRIES_MAX = 4;
interface Offered {
  readonly entry: LogEntry;
  readonly transaction: Transaction;
  retries: number;
}

export class ReplayAgent {
  readonly name: string;
  readonly #ports: ReplayAgentPorts;
  readonly #sinks: ReplayAgentSinks;
  readonly #offered = new Map<number, Offered>();
  readonly #wake = new Gate();
  readonly #acked = new Gate();
  readonly #asker: Asker;
  readonly #rejections: Rejections;
  /** Read from the log and not offered yet. */
  readonly #ahead = new Fifo<LogEntry>();
  /** Ends the run. */
  readonly #stop = new AbortController();
  #sentLsn = 0;
  #ackedLsn = 0;
  /** The cursor as the last run left it: it may be ahead of the replica by what that run rejected. */
  #storedLsn = 0;
  /** What an earlier run left in the rejection log was tried once more. */
  #hasResent = false;
  #welcome: Welcome | undefined;
  #wishes: Promise<void> = Promise.resolve();

  constructor(name: string, ports: ReplayAgentPorts, sinks: ReplayAgentSinks) {
    this.name = name;
    this.#ports = ports;
    this.#sinks = sinks;
    this.#asker = new Asker(ports.link);
    this.#rejections = new Rejections(name, ports);
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

  /** Everything in the log up to `lsn` is applied, or was refused by the replica in this run. */
  async untilAcked(lsn: number, signal: AbortSignal): Promise<void> {
    while (!this.#hasResent || this.#ackedLsn < lsn) await this.#acked.wait(signal);
  }

  /**
   * Greets the replica and reads its answers until the link closes or `signal` aborts; call it once. `prepare` runs after the
   * greeting and before the first offer (first contact).
   */
  async run(prepare: (welcome: Welcome, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { link, reader } = this.#ports;
    const stop = this.#stop;
    const both = AbortSignal.any([signal, stop.signal]);
    const reading = this.#readAll(both);
    reading.catch((error: unknown) => stop.abort(error));
    try {
      await link.send(
        { kind: "hello", protocol: PROTOCOL_VERSION, logId: reader.meta("log-id") ?? "", software: "mailtwin" },
        both,
      );
      const welcome = await this.#untilWelcome(both);
      await prepare(welcome, both);
      this.#startAt(welcome.appliedLsn);
      await this.#resendRejected(both);
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
      await Promise.allSettled([reading, this.#wishes]);
    }
  }

  #startAt(appliedLsn: number): void {
    const { reader } = this.#ports;
    if (appliedLsn + 1 < reader.firstLsn()) {
      throw agentError(
        "log-trimmed",
        `sending the log to ${this.name}: it needs transaction ${appliedLsn + 1}, the log begins at ${reader.firstLsn()}`,
      );
    }
    if (appliedLsn > reader.lastLsn()) {
      throw agentError(
        "log-trimmed",
        `sending the log to ${this.name}: it has transaction ${appliedLsn} already, the log ends at ${reader.lastLsn()}`,
      );
    }
    this.#sentLsn = appliedLsn;
    this.#ackedLsn = appliedLsn;
    this.#storedLsn = reader.cursor(this.name) ?? 0;
  }

  async #untilWelcome(signal: AbortSignal): Promise<Welcome> {
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

  /** Offers the next transaction; false when there was nothing to offer or no room. */
  async #offerMore(signal: AbortSignal): Promise<boolean> {
    if (this.#offered.size >= OFFERS_IN_FLIGHT_MAX) return false;
    for (let entry = this.#nextEntry(); entry !== undefined; entry = this.#nextEntry()) {
      if (!this.#rejections.isHeld(entry.mailbox)) {
        await this.#offer(entry, signal);
        return true;
      }
      this.#sentLsn = entry.lsn;
    }
    await this.#moveCursor();
    return false;
  }

  #nextEntry(): LogEntry | undefined {
    if (this.#ahead.length === 0) {
      for (const entry of this.#ports.reader.entriesAfter(this.#sentLsn, READ_BYTES_MAX)) this.#ahead.push(entry);
    }
    return this.#ahead.shift();
  }

  /** INVARIANT: it is among the offered before it counts as sent, so that the cursor cannot pass it. */
  async #offer(entry: LogEntry, signal: AbortSignal): Promise<void> {
    this.#offered.set(entry.lsn, { entry, transaction: decodeTransaction(entry.bytes), retries: 0 });
    this.#sentLsn = Math.max(this.#sentLsn, entry.lsn);
    await this.#ports.link.send(
      { kind: "offer", lsn: entry.lsn, mailbox: entry.mailbox, payload: entry.bytes },
      signal,
    );
  }

  /** What a rejection covers, from its transaction on. One mailbox that is refused again does not stop the others. */
  async #resendRejected(signal: AbortSignal): Promise<void> {
    for (const row of this.#rejections.rows) {
      if (row.lsn > this.#sentLsn) continue; // the replica is not that far: it comes in its turn.
      const isHeld = () => this.#rejections.isHeld(row.mailbox);
      let lsn = row.lsn - 1;
      while (lsn < this.#sentLsn && !isHeld()) {
        const entries = this.#ports.reader.entriesAfter(lsn, READ_BYTES_MAX);
        if (entries.length === 0) break;
        for (const entry of entries) {
          lsn = entry.lsn;
          if (lsn > this.#sentLsn || isHeld()) break;
          if (entry.mailbox !== row.mailbox) continue;
          await this.#offer(entry, signal);
          while (this.#offered.size > 0) await this.#wake.wait(signal);
        }
      }
    }
    if (this.#ackedLsn >= this.#storedLsn) await this.#rejections.dropUpTo(this.#ackedLsn);
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
        this.#queueWish(message, signal);
        return;
      case "outcome":
        await this.#settle(message, signal);
        return;
      case "reply":
        this.#asker.settle(message);
        return;
      default:
        throw agentError(
          "peer-confused",
          `talking with ${this.name}: it sent "${message.kind}", which only a source sends`,
        );
    }
  }

  /** Wishes are answered beside the reading of messages, one after the other. */
  #queueWish(want: Want, signal: AbortSignal): void {
    this.#wishes = this.#wishes.then(() => this.#grant(want, signal));
    this.#wishes.catch((error: unknown) => this.#stop.abort(error));
  }

  async #grant({ lsn, indexes }: Want, signal: AbortSignal): Promise<void> {
    const offered = this.#offered.get(lsn);
    if (offered === undefined) return;
    const { transaction } = offered;
    let wanted: readonly number[] = indexes;
    for (let looks = 0; looks < ABSENT_LOOKS_MAX; looks++) {
      const path = this.#ports.source.pathOf(transaction.mailbox);
      const outcome = await sendBodies(this.#ports, { lsn, transaction, path, indexes: wanted }, signal);
      if (outcome.kind === "unreadable") {
        await this.#reject(offered, wordsOfProblem(outcome.problem), signal);
        return;
      }
      this.#sinks.onBodyBytes(outcome.bytes);
      if (outcome.absent.length === 0) return;
      const { gone, again } = await settleAbsent(this.#ports, transaction, outcome.absent, signal);
      if (gone.length > 0) await sendGone(this.#ports, lsn, gone, signal);
      if (again.length === 0) return;
      wanted = again;
    }
    const words = "a message of it stands in the uidlist of the source, but its file cannot be found there";
    await this.#reject(offered, { code: "body-not-found", words }, signal);
  }

  async #settle(outcome: Outcome, signal: AbortSignal): Promise<void> {
    const offered = this.#offered.get(outcome.lsn);
    if (offered === undefined)
      throw agentError(
        "peer-confused",
        `talking with ${this.name}: it acknowledged transaction ${outcome.lsn}, which was not offered`,
      );
    const { divergence } = outcome;
    if (divergence !== undefined && divergence.code !== "given-up" && divergence.code !== "mailbox-held") {
      // Not awaited here: resolving it needs answers that come over the same link.
      void this.#resolve(offered, divergence, signal).catch((error: unknown) => this.#stop.abort(error));
      return;
    }
    const { transaction } = offered;
    if (divergence === undefined) await this.#rejections.step(transaction.mailbox, outcome.lsn);
    this.#offered.delete(outcome.lsn);
    if (divergence === undefined) this.#sinks.onShipped({ lsn: outcome.lsn, transaction, notes: outcome.notes });
    await this.#moveCursor();
    this.#wake.wake();
  }

  /** Decides what to do about a refusal: make room for UIDs that foreign mail took, or give the mailbox up for now. */
  async #resolve(offered: Offered, divergence: WireDivergence, signal: AbortSignal): Promise<void> {
    offered.retries += 1;
    if (!isUidConflict(divergence) || offered.retries > RETRIES_MAX) {
      await this.#reject(offered, divergence, signal);
      return;
    }
    const { mailbox, path } = offered.transaction;
    const { source, link } = this.#ports;
    const from = parseUid(divergence.firstUid);
    if (divergence.code === "uid-passed" && (await source.uidsIn(mailbox, from, divergence.replicaNext)).length === 0) {
      // An old entry: its messages have other UIDs by now, as an entry further on says. Nothing more has to move.
      await link.send(
        { kind: "retry", lsn: offered.entry.lsn, voidBelow: divergence.replicaNext, giveUp: false },
        signal,
      );
      return;
    }
    const floor = Math.max(source.uidNextOf(mailbox), divergence.replicaNext);
    const room = await makeRoom(this.#asker, { mailbox, from, floor }, signal);
    // A UID that is taken by mail which the source knows, too, is no conflict that making room resolves.
    const isInVain = room.kind === "made" && room.moved === 0 && divergence.code === "uid-bound-otherwise";
    if (room.kind === "refused" || isInVain) {
      await this.#reject(offered, room.kind === "refused" ? room : divergence, signal);
      return;
    }
    const { uidNext, moved } = room;
    this.#sinks.onConflict(
      path,
      `${divergence.words}: ${moved} foreign messages and the source's messages from UID ${from} on get new UIDs`,
    );
    const problem = await source.renumber({ guid: mailbox, from, below: uidNext, floor: uidNext }, signal);
    if (problem === undefined) await this.#untilRenumbered(mailbox, from, uidNext, signal);
    if (problem !== undefined) await this.#reject(offered, wordsOfProblem(problem), signal);
    else await link.send({ kind: "retry", lsn: offered.entry.lsn, voidBelow: uidNext, giveUp: false }, signal);
  }

  /** Until the log knows: else the next conflict would be judged by UIDs that are no more. */
  async #untilRenumbered(mailbox: MailboxGuid, from: Uid, below: number, signal: AbortSignal): Promise<void> {
    const { source, clock } = this.#ports;
    for (let looks = 0; looks < ABSENT_LOOKS_MAX; looks++) {
      if ((await source.uidsIn(mailbox, from, below)).length === 0) return;
      source.lookAgain(mailbox);
      await clock.sleep(ABSENT_PAUSE_MS, signal);
    }
  }

  async #reject(
    offered: Offered,
    { code, words }: { readonly code: string; readonly words: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { mailbox, path } = offered.transaction;
    const { lsn } = offered.entry;
    const fromLsn = [...this.#offered.values()].find((other) => other.entry.mailbox === mailbox)?.entry.lsn ?? lsn;
    const row = await this.#rejections.add({ fromLsn, mailbox, path, code, words });
    if (row !== undefined) this.#sinks.onRejected(row);
    await this.#ports.link.send({ kind: "retry", lsn, voidBelow: 0, giveUp: true }, signal);
  }

  async #moveCursor(): Promise<void> {
    const oldest = this.#offered.keys().next().value;
    const lsn = oldest === undefined ? this.#sentLsn : Math.min(oldest - 1, this.#sentLsn);
    if (lsn <= this.#ackedLsn) return;
    // Not before: what was refused in an earlier run may lie before the stored cursor, and only the rejection tells.
    if (lsn >= this.#storedLsn) await this.#rejections.dropUpTo(lsn);
    if (lsn <= this.#ackedLsn) return;
    this.#ackedLsn = lsn;
    this.#acked.wake();
    void this.#ports.writer.setCursor(this.name, lsn).catch((error: unknown) => this.#stop.abort(error));
  }
}

function wordsOfProblem({ code, message }: CaptureProblem): { readonly code: string; readonly words: string } {
  return { code, words: message };
}
