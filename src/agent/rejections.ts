/**
 * The rejection log of one replica, as the source keeps it: from which transaction on a mailbox has to be sent again.
 *
 * INVARIANT: a mailbox that is held has a durable row, and that row's LSN is not above the first transaction of the mailbox
 * that the replica lacks.
 * INVARIANT: a mailbox has one row. (Of several, which an earlier version left, the one with the highest LSN counts.)
 * INVARIANT: a row with an LSN below 1 names no transaction: the mailbox has to be compared. It goes only when that is done:
 * no transaction takes its place, whether it is applied or refused.
 * INVARIANT: writes of one mailbox take turns, and end in the order in which they were asked for.
 * A row stands under the LSN of a transaction of its own mailbox: rows of different mailboxes never replace each other.
 */
import type { Clock } from "../base/clock.js";
import type { RawPath } from "../base/raw-name.js";
import type { StateReader, StateWriter } from "../log/state-ports.js";
import type { RejectionRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";

export interface RejectionPorts {
  readonly reader: StateReader;
  readonly writer: StateWriter;
  readonly clock: Clock;
}

export interface Refusal {
  /** The first transaction of the mailbox that the replica has not acknowledged: the refused one, or one before it. 0 = of a comparison. */
  readonly fromLsn: number;
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
  readonly code: string;
  readonly words: string;
}

export class Rejections {
  readonly #replica: string;
  readonly #ports: RejectionPorts;
  readonly #rowByMailbox = new Map<MailboxGuid, RejectionRow>();
  readonly #held = new Set<MailboxGuid>();
  /** Held for others by whoever mends them. */
  readonly #mending = new Set<MailboxGuid>();
  /** Mended, but for the durable word of it. */
  readonly #released = new Set<MailboxGuid>();
  /** The last write of each mailbox's row. */
  readonly #written = new Map<MailboxGuid, Promise<void>>();
  /** No row has a lower one; at most 0. */
  #leastLsn = 0;

  constructor(replica: string, ports: RejectionPorts) {
    this.#replica = replica;
    this.#ports = ports;
    for (const row of ports.reader.rejections(replica)) {
      this.#leastLsn = Math.min(this.#leastLsn, row.lsn);
      const other = this.#rowByMailbox.get(row.mailbox);
      if (other === undefined || other.lsn < row.lsn) this.#rowByMailbox.set(row.mailbox, row);
    }
  }

  /** One row for each mailbox. */
  get rows(): readonly RejectionRow[] {
    return [...this.#rowByMailbox.values()];
  }

  rowOf(mailbox: MailboxGuid): RejectionRow | undefined {
    return this.#rowByMailbox.get(mailbox);
  }

  /** Nothing of this mailbox is offered in its turn. */
  isHeld(mailbox: MailboxGuid): boolean {
    return this.#held.has(mailbox) || this.#mending.has(mailbox);
  }

  /** It was refused since it was mended last. */
  isRefused(mailbox: MailboxGuid): boolean {
    return this.#held.has(mailbox);
  }

  /** As if it had been refused in this run. */
  hold(mailbox: MailboxGuid): void {
    this.#held.add(mailbox);
  }

  /** Whoever calls this offers what the mailbox lacks, until it is refused again, or `healed`. */
  mend(mailbox: MailboxGuid): void {
    this.#held.delete(mailbox);
    this.#mending.add(mailbox);
  }

  /** From here on it is offered in its turn. */
  release(mailbox: MailboxGuid): void {
    this.#mending.delete(mailbox);
    this.#released.add(mailbox);
  }

  /** It is to be compared, whatever the log has. Returns when that is on stable storage, if it has a row. */
  async mustCompare(mailbox: MailboxGuid): Promise<void> {
    const row = this.#rowByMailbox.get(mailbox);
    if (row !== undefined && row.lsn > 0) await this.#put({ ...row, lsn: this.#freshLsn() });
  }

  /** After `release`: drops its row. False when it was refused again since, and its row stays. */
  async healed(mailbox: MailboxGuid): Promise<boolean> {
    this.#released.delete(mailbox);
    if (this.#held.has(mailbox)) return false;
    if (this.#rowByMailbox.delete(mailbox)) {
      await this.#inTurn(mailbox, () => this.#ports.writer.dropRejections(this.#replica, mailbox));
    }
    return true;
  }

  /**
   * Holds the mailbox from that transaction on. Returns after the row is on stable storage: the row, or undefined if the
   * mailbox was held before.
   */
  async add({ fromLsn, mailbox, path, code, words }: Refusal): Promise<RejectionRow | undefined> {
    const before = this.#rowByMailbox.get(mailbox);
    const lsn = this.#lsnOf(fromLsn, before);
    if (before !== undefined && this.#held.has(mailbox) && before.lsn <= lsn) {
      await this.#written.get(mailbox); // another refusal of that mailbox may be on its way to the disk.
      return undefined;
    }
    this.#held.add(mailbox);
    this.#mending.delete(mailbox);
    return this.#note({ fromLsn, mailbox, path, code, words });
  }

  /** Notes that the mailbox has to be compared, and holds it when that is on stable storage. */
  async addCompared(refusal: Omit<Refusal, "fromLsn">): Promise<void> {
    const { mailbox } = refusal;
    await this.mustCompare(mailbox);
    // Once more if what was begun before this was asked for has healed it meanwhile.
    do await this.#note({ ...refusal, fromLsn: 0 });
    while (!this.#rowByMailbox.has(mailbox));
    this.hold(mailbox);
  }

  async #note({ fromLsn, mailbox, path, code, words }: Refusal): Promise<RejectionRow> {
    const before = this.#rowByMailbox.get(mailbox);
    const nowMs = this.#ports.clock.nowMs();
    const [attempts, firstMs] = [(before?.attempts ?? 0) + 1, before?.firstMs ?? nowMs];
    const row = {
      ...{ replica: this.#replica, lsn: this.#lsnOf(fromLsn, before), mailbox, path, code, message: words },
      ...{ attempts, firstMs, lastMs: nowMs },
    };
    await this.#put(row);
    return row;
  }

  #lsnOf(fromLsn: number, before: RejectionRow | undefined): number {
    const isToCompare = before !== undefined && before.lsn < 1;
    return fromLsn > 0 && !isToCompare ? fromLsn : (before?.lsn ?? this.#freshLsn());
  }

  /**
   * That transaction is applied now. If this run ends early the mailbox is sent again from there, not from the beginning: to
   * repeat the last transaction changes nothing, to repeat older ones would. One that has to be compared still has to be.
   */
  async step(mailbox: MailboxGuid, lsn: number): Promise<void> {
    const row = this.#rowByMailbox.get(mailbox);
    if (row !== undefined && row.lsn > 0 && row.lsn < lsn) await this.#put({ ...row, lsn });
  }

  /** Everything up to there is applied or held: drops what was rejected and is not any more. */
  async dropUpTo(lsn: number): Promise<void> {
    for (const row of this.rows) {
      const { mailbox } = row;
      const isLeft = () => !this.isHeld(mailbox) && !this.#released.has(mailbox);
      const isMeant = () => isLeft() && this.#rowByMailbox.get(mailbox) === row;
      if (row.lsn > lsn || row.lsn < 1 || !isMeant()) continue;
      await this.#inTurn(mailbox, () => this.#ports.writer.dropRejections(this.#replica, mailbox));
      if (isMeant()) this.#rowByMailbox.delete(mailbox); // else it was refused anew meanwhile, and that row stays.
    }
  }

  /** An odd one: the even ones are given by those who ask for a comparison while there is no agent. */
  #freshLsn(): number {
    this.#leastLsn -= this.#leastLsn % 2 === 0 ? 1 : 2;
    return this.#leastLsn;
  }

  #put(row: RejectionRow): Promise<void> {
    this.#rowByMailbox.set(row.mailbox, row);
    return this.#inTurn(row.mailbox, () => this.#ports.writer.putRejection(row));
  }

  #inTurn(mailbox: MailboxGuid, write: () => Promise<void>): Promise<void> {
    const written = (this.#written.get(mailbox) ?? Promise.resolve()).then(write);
    this.#written.set(mailbox, written);
    return written;
  }
}
