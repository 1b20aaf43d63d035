/**
 * Collects what one outcome of the capture worker commits: transactions in their order, baseline rows, removed mailboxes.
 */
import type { RawPath } from "../base/raw-name.js";
import type { BaselineRows, MailboxBaseline } from "../log/baseline.js";
import type { CaptureCommit, ChunkWrite, MailboxRow } from "../log/state-types.js";
import type { Transaction } from "../txn/transaction.js";
import { encodeTransaction } from "../txn/transaction-codec.js";

/** A baseline that takes over its new rows once they are sealed. */
interface Adoption {
  readonly baseline: MailboxBaseline;
  readonly chunks: readonly ChunkWrite[];
  readonly row: MailboxRow;
}

export class CommitBuilder {
  readonly #transactions: CaptureCommit["transactions"][number][] = [];
  readonly #rows = new Map<number, MailboxRow>();
  readonly #chunks: ChunkWrite[] = [];
  readonly #removed: MailboxRow[] = [];
  readonly #adoptions: Adoption[] = [];
  #first: Transaction | undefined;

  get transactions(): number {
    return this.#transactions.length;
  }

  get isEmpty(): boolean {
    return this.#transactions.length === 0 && this.#rows.size === 0 && this.#removed.length === 0;
  }

  get rows(): Iterable<MailboxRow> {
    return this.#rows.values();
  }

  /** Where the log has the mailbox once this is committed; undefined if it goes. `row`: as the log has it now. */
  pathOf({ id, path }: MailboxRow): RawPath | undefined {
    return this.#removed.some((other) => other.id === id) ? undefined : (this.#rows.get(id)?.path ?? path);
  }

  /** Rows as they were. */
  get removed(): readonly MailboxRow[] {
    return this.#removed;
  }

  /** The transaction that was logged, if it is one. */
  get only(): Transaction | undefined {
    return this.#transactions.length === 1 ? this.#first : undefined;
  }

  log(transaction: Transaction): void {
    this.#first ??= transaction;
    const { mailbox, capturedMs } = transaction;
    this.#transactions.push({ mailbox, capturedMs, bytes: encodeTransaction(transaction) });
  }

  /** `row` in place of the edit's. */
  moveBaseline(baseline: MailboxBaseline, { chunks }: Pick<BaselineRows, "chunks">, row: MailboxRow): void {
    this.#rows.set(row.id, row);
    this.#chunks.push(...chunks);
    this.#adoptions.push({ baseline, chunks, row });
  }

  removeMailbox(row: MailboxRow): void {
    this.#rows.delete(row.id);
    this.#removed.push(row);
  }

  /** The commit; from here on the baselines are as if it had been made. */
  seal(): CaptureCommit {
    for (const { baseline, chunks, row } of this.#adoptions) baseline.adopt(chunks, row);
    return {
      mailboxes: [...this.#rows.values()],
      removedMailboxIds: this.#removed.map(({ id }) => id),
      chunks: this.#chunks,
      transactions: this.#transactions,
    };
  }
}
