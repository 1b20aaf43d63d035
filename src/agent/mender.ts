/**
 * Mends mailboxes of a replica that the log in its turn cannot bring up to date: sends again what was refused, or compares; then what
 * the log has since, until the mailbox is where the log is. Beside the log: other mailboxes go on.
 *
 * INVARIANT: one mailbox is mended by one at a time, and nothing of it is offered in its turn meanwhile.
 * INVARIANT: of large mailboxes one is begun at a time: there is a lane for all others.
 * INVARIANT: a rejection goes only after the replica's cursor is durable beyond all that was mended: what was compared is never
 * offered a second time from the log.
 */
import { Beside } from "../base/beside.js";
import { Gate } from "../base/gate.js";
import type { StateReader } from "../log/state-ports.js";
import type { LogEntry, RejectionRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { decodeTransaction } from "../txn/transaction-codec.js";
import { isLarge } from "./away-order.js";
import { type Compared, type ComparisonPorts, compareMailbox, type MailboxCounts } from "./compare-mailbox.js";
import { type Cause, isOfLock } from "./conflict-rules.js";
import type { LogSender } from "./log-sender.js";
import { isMovedIn } from "./moved-in.js";
import type { OfferLine } from "./offer-line.js";
import type { Rejections } from "./rejections.js";

export interface MenderPorts extends ComparisonPorts {
  readonly reader: StateReader;
  readonly line: OfferLine;
  readonly rejections: Rejections;
  readonly sender: LogSender;
  /** From 0 to 1, for the back-off. */
  readonly random: () => number;
  /** A mailbox that was refused is tried again in this run. */
  readonly heals: boolean;
  /** It may be compared where the log does not do. Without it only one is that somebody wants compared. */
  readonly compares: boolean;
  /** Holds the mailbox back; returns when that is on stable storage. */
  readonly hold: (mailbox: MailboxGuid, cause: Cause) => Promise<void>;
  /** Returns when it may be compared, and made anew where it is missing. */
  readonly beforeCompared: (mailbox: MailboxGuid, signal: AbortSignal) => Promise<void>;
  /** The rejection of one is gone, durably. */
  readonly onMended: (mended: Mended) => void;
  /** One has been mended, or could not be. */
  readonly onEnd: () => void;
  /** What ends the run. */
  readonly onError: (error: unknown) => void;
}

/** A mailbox that had a rejection, and has none any more. */
export interface Mended {
  /** As it was. */
  readonly row: RejectionRow;
  /** Undefined: it was not compared, but sent again from the log, or is none of the replica's any more. */
  readonly counts: MailboxCounts | undefined;
}

/** Mailboxes that are mended at a time. */
const LANES_MAX = 2;
const BACK_OFF_MS_MIN = 1_000;
const BACK_OFF_MS_MAX = 300_000;
/** Where a lock was in other hands: it is let go of without anybody's doing, and one more try costs little. */
const LOCK_BACK_OFF_MS_MAX = 20_000;
const READ_BYTES_MAX = 2 * 1024 * 1024;
/** Times that the log may be trimmed under a mailbox before its next try. */
const ROUNDS_MAX = 4;

interface Job {
  readonly mailbox: MailboxGuid;
  /** Times in a row that it failed. */
  readonly failures: number;
  readonly dueMs: number;
}

export class Mender {
  readonly #ports: MenderPorts;
  readonly #jobs = new Map<MailboxGuid, Job>();
  readonly #active = new Set<MailboxGuid>();
  /** Woken when one is not active any more. */
  readonly #ended = new Gate();
  /** Up to where the log counts for mailboxes that are caught up now. */
  readonly #positions = new Map<MailboxGuid, number>();
  readonly #news = new Gate();

  constructor(ports: MenderPorts) {
    this.#ports = ports;
  }

  /** Something is being mended, or about to be; not what waits for its next try. */
  get isBusy(): boolean {
    return this.#active.size > 0 || [...this.#jobs.values()].some(({ failures }) => failures === 0);
  }

  /** The log is needed from there on, for what is caught up now. */
  get lowestPosition(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#positions.values());
  }

  /** It is being mended. */
  isMending(mailbox: MailboxGuid): boolean {
    return this.#active.has(mailbox);
  }

  /** Mends it as soon as there is room. It has a rejection, which tells the next run if this one ends before. */
  soon(mailbox: MailboxGuid): void {
    this.#jobs.set(mailbox, { mailbox, failures: 0, dueMs: this.#nowMs() });
    this.#news.wake();
  }

  /** The replica refused it: mends it after a while, longer each time. */
  refused(mailbox: MailboxGuid): void {
    if (!this.#ports.heals || this.#active.has(mailbox) || this.#jobs.has(mailbox)) return;
    this.#later(mailbox, 1);
  }

  /** Until `signal` aborts. What was begun has ended when it has. */
  async run(signal: AbortSignal): Promise<void> {
    const lanes = new Beside(LANES_MAX, this.#ports.onError);
    try {
      for (;;) {
        const job = this.#takeDue();
        if (job === undefined) await this.#untilDue(signal);
        else await lanes.add(this.#work(job, signal));
        signal.throwIfAborted();
      }
    } finally {
      await lanes.ended();
    }
  }

  /** Compares it at once, beside what else is mended. One that cannot be brought into agreement is tried again later. */
  async compareNow(mailbox: MailboxGuid, signal: AbortSignal): Promise<void> {
    while (this.#active.has(mailbox)) await this.#ended.wait(signal);
    await this.#ports.rejections.mustCompare(mailbox);
    await this.#work({ mailbox, failures: 0, dueMs: 0 }, signal);
  }

  async #work({ mailbox, failures }: Job, signal: AbortSignal): Promise<void> {
    this.#jobs.delete(mailbox);
    const isMended = await this.#mendOnce(mailbox, signal);
    const isAskedAgain = this.#jobs.has(mailbox); // meanwhile, and that does not wait.
    if (!isMended && this.#ports.heals && !isAskedAgain) this.#later(mailbox, failures + 1);
    this.#news.wake();
  }

  async #mendOnce(mailbox: MailboxGuid, signal: AbortSignal): Promise<boolean> {
    this.#active.add(mailbox);
    this.#ports.rejections.mend(mailbox);
    try {
      return await this.#mend(mailbox, signal);
    } finally {
      this.#active.delete(mailbox);
      this.#positions.delete(mailbox);
      this.#ended.wake();
      this.#ports.onEnd();
    }
  }

  async #mend(mailbox: MailboxGuid, signal: AbortSignal): Promise<boolean> {
    const { rejections, line, sender } = this.#ports;
    if (!this.#isShared(mailbox)) {
      rejections.release(mailbox);
      return this.#drop(mailbox, undefined);
    }
    await line.untilClear(mailbox, signal);
    let lsn = await this.#sendAgain(mailbox, signal);
    if (rejections.isRefused(mailbox) && this.#isLocked(mailbox)) return false;
    let counts: MailboxCounts | undefined;
    for (let rounds = 0; rounds < ROUNDS_MAX; rounds++) {
      if (lsn === undefined) {
        const compared = await this.#compare(mailbox, signal);
        if (compared === undefined) return false;
        ({ lsn, counts } = compared);
      }
      await sender.untilPassed(lsn, signal);
      while (lsn !== undefined) {
        lsn = await this.#catchUp(mailbox, lsn, signal);
        if (rejections.isRefused(mailbox)) return false;
        // INVARIANT: nothing is awaited from this look to the mark, so that no transaction falls between here and the log's turn.
        if (lsn !== undefined && lsn >= sender.sentLsn) return this.#finish(mailbox, { lsn, counts }, signal);
      }
    }
    await this.#ports.hold(mailbox, {
      code: "log-trimmed",
      words: "the log is trimmed faster than it can be followed",
    });
    return false;
  }

  /** False for what the replica may not have, or no longer: it was moved. */
  #isShared(mailbox: MailboxGuid): boolean {
    const { reader, rejections, mayHave = () => true } = this.#ports;
    const path = reader.mailboxByGuid(mailbox)?.path ?? rejections.rowOf(mailbox)?.path;
    return path === undefined || mayHave(path);
  }

  async #finish(
    mailbox: MailboxGuid,
    { lsn, counts }: { readonly lsn: number; readonly counts: MailboxCounts | undefined },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { rejections, line } = this.#ports;
    rejections.release(mailbox);
    if (line.movesCursor) await line.mark(lsn, true, signal);
    return this.#drop(mailbox, counts);
  }

  /** Of one that is released: false when it was refused again since. */
  async #drop(mailbox: MailboxGuid, counts: MailboxCounts | undefined): Promise<boolean> {
    const { rejections, onMended } = this.#ports;
    const row = rejections.rowOf(mailbox);
    const isHealed = await rejections.healed(mailbox);
    if (isHealed && row !== undefined) onMended({ row, counts });
    return isHealed;
  }

  /** The transactions that were refused, if the log has them still. Returns where that led; undefined: it has to be compared. */
  async #sendAgain(mailbox: MailboxGuid, signal: AbortSignal): Promise<number | undefined> {
    const { rejections, reader, line } = this.#ports;
    const row = rejections.rowOf(mailbox);
    if (row === undefined || row.lsn < 1 || row.lsn < reader.firstLsn()) return undefined;
    const lsn = await this.#catchUp(mailbox, row.lsn - 1, signal);
    await line.untilClear(mailbox, signal);
    if (!rejections.isRefused(mailbox)) return lsn;
    if (this.#isLocked(mailbox) || !this.#mayCompare(mailbox)) return undefined; // or: so it would be after a comparison.
    rejections.mend(mailbox);
    return undefined;
  }

  async #compare(mailbox: MailboxGuid, signal: AbortSignal): Promise<Extract<Compared, { kind: "equal" }> | undefined> {
    const { rejections, reader, hold, beforeCompared } = this.#ports;
    if (!this.#mayCompare(mailbox)) {
      rejections.hold(mailbox);
      return undefined;
    }
    await beforeCompared(mailbox, signal);
    // Before: of what it was compared with nothing must come again from the log.
    await rejections.mustCompare(mailbox);
    this.#positions.set(mailbox, reader.lastLsn());
    const compared = await compareMailbox(this.#ports, mailbox, signal);
    if (compared.kind === "failed") await hold(mailbox, compared.cause);
    return compared.kind === "equal" ? compared : undefined;
  }

  /**
   * What the log has of it above `from`, as far as the log was sent. Returns how far that is, once all is settled; undefined where the
   * log does not have all of it any more, one was refused, or it came from where the replica may not have it.
   */
  async #catchUp(mailbox: MailboxGuid, from: number, signal: AbortSignal): Promise<number | undefined> {
    const { reader, rejections, line, sender, mayHave } = this.#ports;
    let lsn = from;
    for (;;) {
      this.#positions.set(mailbox, lsn);
      if (rejections.isRefused(mailbox)) return undefined;
      if (lsn >= sender.sentLsn) {
        if (!line.has(mailbox)) return lsn;
        await line.untilClear(mailbox, signal);
        continue;
      }
      const entries = reader.entriesAfter(lsn, READ_BYTES_MAX);
      // LSNs are dense, and more was sent: what is not there was trimmed. Not asked before: the writer trims between two statements.
      if (entries[0]?.lsn !== lsn + 1) return undefined;
      for (const entry of entries) {
        if (entry.lsn > sender.sentLsn || rejections.isRefused(mailbox)) break;
        if (entry.mailbox === mailbox) {
          if (mayHave !== undefined && isMovedIn(decodeTransaction(entry.bytes), mayHave)) return undefined;
          await this.#offer(entry, signal);
        }
        lsn = entry.lsn;
      }
    }
  }

  async #offer({ mailbox, lsn, bytes }: LogEntry, signal: AbortSignal): Promise<void> {
    await this.#ports.line.offerBeside({ mailbox, lsn, bytes }, signal);
  }

  #later(mailbox: MailboxGuid, failures: number): void {
    const { random } = this.#ports;
    const most = Math.min(
      this.#isLocked(mailbox) ? LOCK_BACK_OFF_MS_MAX : BACK_OFF_MS_MAX,
      BACK_OFF_MS_MIN * 2 ** (failures - 1),
    );
    const dueMs = this.#nowMs() + most * (0.5 + random() / 2);
    this.#jobs.set(mailbox, { mailbox, failures, dueMs });
    this.#news.wake();
  }

  #mayCompare(mailbox: MailboxGuid): boolean {
    return this.#ports.compares || (this.#ports.rejections.rowOf(mailbox)?.lsn ?? 0) < 1;
  }

  /** What was refused last was so because of a lock. */
  #isLocked(mailbox: MailboxGuid): boolean {
    return isOfLock(this.#ports.rejections.rowOf(mailbox)?.code ?? "");
  }

  #takeDue(): Job | undefined {
    const nowMs = this.#nowMs();
    const hasLarge = [...this.#active].some((each) => this.#isLarge(each));
    for (const job of this.#jobs.values()) {
      const { mailbox, dueMs } = job;
      if (dueMs > nowMs || this.#active.has(mailbox) || (hasLarge && this.#isLarge(mailbox))) continue;
      this.#jobs.delete(mailbox);
      return job;
    }
    return undefined;
  }

  #isLarge(mailbox: MailboxGuid): boolean {
    return isLarge(this.#ports.reader.mailboxByGuid(mailbox) ?? { messages: 0 });
  }

  /** What is due and may not begin waits for an end, which wakes. There may be thousands of jobs: nothing is looked up for this. */
  async #untilDue(signal: AbortSignal): Promise<void> {
    const nowMs = this.#nowMs();
    let dueMs = Number.POSITIVE_INFINITY;
    for (const job of this.#jobs.values()) if (job.dueMs > nowMs) dueMs = Math.min(dueMs, job.dueMs);
    await this.#news.waitUntil(dueMs, this.#ports.clock, signal);
  }

  #nowMs(): number {
    return this.#ports.clock.monotonicMs();
  }
}
