/** Counts what was shipped and turns a transaction into a report. */
import { displayRaw } from "../base/raw-name.js";
import type { Change, Transaction } from "../txn/transaction.js";
import { sumNotes } from "./note-sums.js";
import type { ShippedReport } from "./reporter.js";

export class Tally {
  transactions = 0;
  saves = 0;
  marks = 0;
  expunges = 0;
  bodyBytes = 0;

  add(report: ShippedReport): void {
    this.transactions += 1;
    this.saves += report.saves;
    this.marks += report.marks;
    this.expunges += report.expunges;
  }
}

export function reportOf(
  lsn: number,
  transaction: Transaction,
  notes: readonly string[],
  nowMs: number,
): ShippedReport {
  const count = (kind: Change["kind"]) =>
    transaction.changes.reduce((sum, change) => sum + (change.kind === kind ? 1 : 0), 0);
  const { structure } = transaction;
  return {
    lsn,
    mailbox: transaction.mailbox,
    path: displayRaw(transaction.path),
    ...(structure === undefined ? {} : { structure: structure.kind }),
    saves: count("save"),
    marks: count("marks"),
    expunges: count("expunge"),
    rebinds: count("rebind"),
    lagMs: nowMs - transaction.capturedMs,
    notes: sumNotes(notes),
  };
}
