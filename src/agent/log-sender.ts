/**
 * Sends the log to one replica: from where the replica is, in order, as far as the window has room, and first of all what
 * earlier runs had to leave out.
 *
 * INVARIANT: what a mailbox's rejection covers is sent again from that transaction on, in order, before anything newer of it.
 * INVARIANT: nothing of a mailbox that is held is sent.
 */
import { Fifo } from "../base/fifo.js";
import { Gate } from "../base/gate.js";
import { releaseSlabs } from "../base/slab-pool.js";
import type { StateReader } from "../log/state-ports.js";
import type { LogEntry, RejectionRow } from "../log/state-types.js";
import type { Transaction } from "../txn/transaction.js";
import { decodeTransaction } from "../txn/transaction-codec.js";
import type { AlongBodies } from "../wire/messages.js";
import { agentError } from "./errors.js";
import { type LogRun, takeRun } from "./log-run.js";
import { isMovedIn } from "./moved-in.js";
import type { MayHave, OfferLine } from "./offer-line.js";
import type { OfferWindow } from "./offer-window.js";
import type { Rejections } from "./rejections.js";

export interface LogSenderParts {
  /** The replica's name. */
  readonly name: string;
  readonly reader: StateReader;
  readonly line: OfferLine;
  readonly window: OfferWindow;
  readonly rejections: Rejections;
  /** What the replica is not to have is passed over. */
  readonly mayHave: MayHave;
  /** Woken when a transaction has left the window. */
  readonly wake: Gate;
  /** Reads the bodies that go with a transaction. Undefined: the replica asks for what it lacks. */
  readonly readAlong: (run: LogRun) => Promise<AlongBodies | undefined>;
  /** So many bytes of bodies were sent. */
  readonly onBodyBytes: (bytes: number) => void;
  /** Has a mailbox compared, which the log does not tell of. Returns when that is durable, and the mailbox is held. */
  readonly onMovedIn: (place: Pick<Transaction, "mailbox" | "path">) => Promise<void>;
}

const READ_BYTES_MAX = 2 * 1024 * 1024;
/** With fewer entries at hand the log is read on, so that what goes together is seen together. */
const AHEAD_MIN = 64;
/**
 * So many of one mailbox are on their way: one is applied while the next get ready. What comes meanwhile is gathered and goes
 * together, so a replica that is behind has fewer and larger ones to apply the further it is behind.
 */
const SAME_MAILBOX_MAX = 3;

export class LogSender {
  readonly #parts: LogSenderParts;
  /** For those that wait beside the log: woken when more of it was sent, or passed over. */
  readonly #passed = new Gate();
  /** Read from the log and not offered yet. */
  readonly #ahead = new Fifo<LogEntry>();
  #sentLsn = 0;
  /** The last that was read. */
  #readLsn = 0;

  constructor(parts: LogSenderParts) {
    this.#parts = parts;
  }

  /** All of the log up to here is applied, is on its way, or belongs to a mailbox that is held. */
  get sentLsn(): number {
    return this.#sentLsn;
  }

  /** Why the log does not lead on from there, if it does not. */
  whyNotFrom(appliedLsn: number): string | undefined {
    const { reader } = this.#parts;
    const [first, last] = [reader.firstLsn(), reader.lastLsn()];
    if (appliedLsn + 1 < first) return `it needs transaction ${appliedLsn + 1}, the log begins at ${first}`;
    return appliedLsn > last ? `it has transaction ${appliedLsn} already, the log ends at ${last}` : undefined;
  }

  startAt(lsn: number): void {
    this.#sentLsn = lsn;
    this.#readLsn = lsn;
    this.#ahead.clear();
  }

  /** Returns when the log was sent, or passed over, up to there. */
  async untilPassed(lsn: number, signal: AbortSignal): Promise<void> {
    while (this.#sentLsn < lsn) await this.#passed.wait(signal);
  }

  /**
   * Offers the next transaction, with those that go with it: "sent", or why it did not. Throws: log-trimmed, when it is not there
   * any more.
   */
  async offerNext(signal: AbortSignal): Promise<"sent" | "full" | "nothing"> {
    const { window, rejections } = this.#parts;
    if (window.isFull) return "full";
    for (let entry = this.#nextEntry(); entry !== undefined; entry = this.#nextEntry()) {
      const { mailbox, lsn } = entry;
      const isHeld = rejections.isHeld(mailbox);
      if (!isHeld && window.countOf(mailbox) >= SAME_MAILBOX_MAX) return "full";
      this.#ahead.shift();
      if (isHeld) {
        this.#moveTo(lsn);
        continue;
      }
      if (this.#ahead.length < AHEAD_MIN) this.#readOn();
      const run = takeRun(entry, this.#ahead);
      // Before the cursor may pass it.
      const isForReplica = await this.#isForReplica(run.transaction);
      const along = isForReplica ? await this.#parts.readAlong(run) : undefined;
      this.#moveTo(run.lsn);
      // It may have been refused while the bodies were read.
      if (!isForReplica || rejections.isHeld(mailbox)) {
        releaseSlabs(along?.payloads ?? []);
        continue;
      }
      await this.#parts.line.offer({ ...run, along, mailbox, isNext: true }, signal);
      if (along !== undefined) this.#parts.onBodyBytes(along.heads.reduce((sum, { size }) => sum + size, 0));
      return "sent";
    }
    return "nothing";
  }

  /**
   * What rejections of earlier runs cover, one at a time. A mailbox that is refused again does not stop the others; one whose
   * transactions are trimmed meanwhile stays held, with its row, for a run that compares.
   */
  async resendRejected(signal: AbortSignal): Promise<void> {
    for (const row of this.#parts.rejections.rows) {
      // Else the replica is not that far, and it comes in its turn; or it was no transaction.
      if (row.lsn <= this.#sentLsn && row.lsn > 0) await this.#resend(row, signal);
    }
  }

  async #resend(row: RejectionRow, signal: AbortSignal): Promise<void> {
    const { reader, rejections, line, window, wake } = this.#parts;
    const isHeld = () => rejections.isHeld(row.mailbox);
    let lsn = row.lsn - 1;
    while (lsn < this.#sentLsn && !isHeld()) {
      const entries = reader.entriesAfter(lsn, READ_BYTES_MAX);
      // LSNs are dense, and more was sent: it was trimmed meanwhile. What is left must not come without what was before.
      if (entries[0]?.lsn !== lsn + 1) return rejections.hold(row.mailbox);
      for (const entry of entries) {
        lsn = entry.lsn;
        if (lsn > this.#sentLsn || isHeld()) return;
        if (entry.mailbox !== row.mailbox) continue;
        const transaction = decodeTransaction(entry.bytes);
        if (!(await this.#isForReplica(transaction))) continue; // it is held now, or not for the replica.
        await line.offer({ ...entry, transaction, isNext: false }, signal);
        while (!window.isEmpty) await wake.wait(signal);
      }
    }
  }

  async #isForReplica(transaction: Transaction): Promise<boolean> {
    const { mayHave, onMovedIn } = this.#parts;
    if (mayHave === undefined) return true;
    if (!mayHave(transaction.path)) return false;
    if (!isMovedIn(transaction, mayHave)) return true;
    await onMovedIn(transaction);
    return false;
  }

  /** Stays where it is. */
  #nextEntry(): LogEntry | undefined {
    if (this.#ahead.length === 0) this.#readOn();
    const entry = this.#ahead.at(0);
    if (entry === undefined || entry.lsn === this.#sentLsn + 1) return entry;
    // LSNs are dense: somebody found that this replica lags too far.
    const { name } = this.#parts;
    throw agentError(
      "log-trimmed",
      trimmedWords(name, `it needs transaction ${this.#sentLsn + 1}, which is not there`),
    );
  }

  #readOn(): void {
    const { reader } = this.#parts;
    for (const entry of reader.entriesAfter(this.#readLsn, READ_BYTES_MAX)) {
      this.#ahead.push(entry);
      this.#readLsn = entry.lsn;
    }
  }

  #moveTo(lsn: number): void {
    this.#sentLsn = lsn;
    this.#passed.wake();
  }
}

export function trimmedWords(name: string, why: string): string {
  return `sending the log to ${name}: ${why}`;
}
