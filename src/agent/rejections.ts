/**
 * The rejection log of one replica, as the source keeps it: from which transaction on a mailbox has to be sent again.
 *
 * INVARIANT: a mailbox that is held has a durable row, and that row's LSN is not above the first transaction of the mailbox
 * that the replica lacks.
 * INVARIANT: of several rows of a mailbox the one with the highest LSN counts; a lower one is a step that was sent since.
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
  /** The first transaction of the mailbox that the replica has not acknowledged: the refused one, or one before it. */
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
  /** The last write of each mailbox's row. */
  readonly #written = new Map<MailboxGuid, Promise<void>>();

  constructor(replica: string, ports: RejectionPorts) {
    this.#replica = replica;
    this.#ports = ports;
    for (const row of ports.reader.rejections(replica)) {
      const other = this.#rowByMailbox.get(row.mailbox);
      if (other === undefined || other.lsn < row.lsn) this.#rowByMailbox.set(row.mailbox, row);
    }
  }

  /** One row for each mailbox. */
  get rows(): readonly RejectionRow[] {
    return [...this.#rowByMailbox.values()];
  }

  /** Nothing of this mailbox is offered in this run any more. */
  isHeld(mailbox: MailboxGuid): boolean {
    return this.#held.has(mailbox);
  }

  /**
   * Holds the mailbox from that transaction on. Returns after the row is on stable storage: the row, or undefined if the
   * mailbox was held before.
   */
  async add({ fromLsn: lsn, mailbox, path, code, words }: Refusal): Promise<RejectionRow | undefined> {
    const before = this.#rowByMailbox.get(mailbox);
    if (before !== undefined && this.#held.has(mailbox) && before.lsn <= lsn) {
      await this.#written.get(mailbox); // another refusal of that mailbox may be on its way to the disk.
      return undefined;
    }
    const nowMs = this.#ports.clock.nowMs();
    const [attempts, firstMs] = [(before?.attempts ?? 0) + 1, before?.firstMs ?? nowMs];
    const row = {
      ...{ replica: this.#replica, lsn, mailbox, path, code, message: words },
      ...{ attempts, firstMs, lastMs: nowMs },
    };
    this.#held.add(mailbox);
    await this.#put(row, before);
    return row;
  }

  /**
   * That transaction is applied now. If this run ends early the mailbox is sent again from there, not from the beginning: to
   * repeat the last transaction changes nothing, to repeat older ones would.
   */
  async step(mailbox: MailboxGuid, lsn: number): Promise<void> {
    const row = this.#rowByMailbox.get(mailbox);
    if (row !== undefined && row.lsn < lsn) await this.#put({ ...row, lsn }, row);
  }

  /** Everything up to there is applied or held: drops what was rejected and is not any more. */
  async dropUpTo(lsn: number): Promise<void> {
    for (const row of this.rows) {
      const { mailbox } = row;
      const isMeant = () => !this.#held.has(mailbox) && this.#rowByMailbox.get(mailbox) === row;
      if (row.lsn > lsn || !isMeant()) continue;
      await this.#inTurn(mailbox, () => this.#ports.writer.dropRejections(this.#replica, mailbox));
      if (isMeant()) this.#rowByMailbox.delete(mailbox); // else it was refused anew meanwhile, and that row stays.
    }
  }

  #put(row: RejectionRow, before: RejectionRow | undefined): Promise<void> {
    this.#rowByMailbox.set(row.mailbox, row);
    return this.#inTurn(row.mailbox, () => this.#write(row, before));
  }

  #inTurn(mailbox: MailboxGuid, write: () => Promise<void>): Promise<void> {
    const written = (this.#written.get(mailbox) ?? Promise.resolve()).then(write);
    this.#written.set(mailbox, written);
    return written;
  }

  async #write(row: RejectionRow, before: RejectionRow | undefined): Promise<void> {
    const { writer } = this.#ports;
    // The higher row would count. A crash in between is no hole: what is not acknowledged is offered anyway.
    if (before !== undefined && before.lsn > row.lsn) await writer.dropRejections(this.#replica, row.mailbox);
    await writer.putRejection(row);
  }
}
