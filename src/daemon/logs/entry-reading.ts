/** Entries of the log as values, a page at a time, so that a log of any size needs little memory. */
import { MailtwinError } from "../../base/errors.js";
import type { StateReader } from "../../log/state-ports.js";
import type { LogEntry } from "../../log/state-types.js";
import type { Transaction } from "../../txn/transaction.js";
import { decodeTransaction } from "../../txn/transaction-codec.js";

/** An entry that cannot be decoded (a newer mailtwin wrote it, or it is damaged) is told of, and keeps nobody from the others. */
export type ReadEntry = Pick<LogEntry, "lsn" | "mailbox" | "capturedMs"> &
  ({ readonly transaction: Transaction } | { readonly problem: string });

const PAGE_BYTES = 1024 * 1024;

export interface LsnRange {
  readonly fromLsn: number;
  readonly toLsn: number;
}

/** In pages, ascending. What is trimmed while it is read is left out. */
export function* readPages(reader: StateReader, { fromLsn, toLsn }: LsnRange): Generator<readonly ReadEntry[]> {
  let afterLsn = Math.max(fromLsn, 1) - 1;
  while (afterLsn < toLsn) {
    const entries = reader.entriesAfter(afterLsn, PAGE_BYTES);
    const last = entries.at(-1);
    if (last === undefined) return;
    yield entries.filter(({ lsn }) => lsn <= toLsn).map(readEntry);
    afterLsn = last.lsn;
  }
}

/** Undefined if the log does not have it. */
export function readOne(reader: StateReader, lsn: number): ReadEntry | undefined {
  const [entry] = reader.entriesAfter(lsn - 1, 1);
  return entry?.lsn === lsn ? readEntry(entry) : undefined;
}

function readEntry({ lsn, mailbox, capturedMs, bytes }: LogEntry): ReadEntry {
  const entry = { lsn, mailbox, capturedMs };
  try {
    return { ...entry, transaction: decodeTransaction(bytes) };
  } catch (error) {
    if (!(error instanceof MailtwinError)) throw error;
    return { ...entry, problem: error.message };
  }
}
