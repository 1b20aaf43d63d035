/** Counts what was shipped and turns a transaction into a report. */
import { displayRaw } from "../base/raw-name.js";
import { formatCount } from "../base/text-format.js";
import type { CaptureCounts } from "../capture/capture-counts.js";
import type { StateReader } from "../log/state-ports.js";
import type { Change, Transaction } from "../txn/transaction.js";
import type { Meeting } from "./first-contact.js";
import { sumNotes } from "./note-sums.js";
import type { RenumberedReport, ShippedReport, SourceSums, Summary } from "./reporter.js";
import { countOf } from "./words.js";

export class Tally {
  transactions = 0;
  /** Messages that were adopted are among them. */
  saves = 0;
  marks = 0;
  expunges = 0;
  bodyBytes = 0;
  #made = 0;
  #renamed = 0;
  #deleted = 0;
  #messagesOfDeleted = 0;
  /** By GUID. */
  readonly #messagesIn: Map<string, number>;
  /** Of the source's mailboxes that stood there at first contact, by GUID: how many of their messages have not come by yet. */
  #foundLeft = new Map<string, number>();
  /** Of these, those that stood at another path. */
  #elsewhere: Meeting["elsewhere"] = new Set();
  #adopted = 0;
  #mailboxesFound = 0;
  #remarked = 0;
  #reused = 0;
  #kept = 0;
  #toLimbo = 0;

  /** `messagesIn`: how many messages each mailbox of the destination has, by GUID; kept up to date here. */
  constructor(messagesIn: Map<string, number>) {
    this.#messagesIn = messagesIn;
  }

  /** What a first contact found and did: a message that stood there already is not new. */
  meet({ foundByGuid, remarked, reused, kept, toLimbo, elsewhere }: Meeting): void {
    this.#foundLeft = new Map(foundByGuid);
    this.#elsewhere = elsewhere;
    this.#remarked += remarked;
    this.#reused += reused;
    this.#kept += kept;
    this.#toLimbo += toLimbo;
  }

  add(report: ShippedReport): void {
    this.transactions += 1;
    const left = this.#foundLeft.get(report.mailbox) ?? 0;
    const adopted = Math.min(left, report.saves);
    this.#adopted += adopted;
    if (adopted > 0) this.#foundLeft.set(report.mailbox, left - adopted);
    this.saves += report.saves;
    this.marks += report.marks;
    this.expunges += report.expunges;
    this.#addStructure(report);
  }

  totals(): Omit<Summary, keyof SourceSums | "problems" | "elapsedMs"> {
    const { transactions, saves, marks, expunges, bodyBytes: bodiesBytes } = this;
    return {
      ...{ transactions, saves: saves - this.#adopted, marks, expunges, bodiesBytes },
      adopted: this.#adopted,
      mailboxesFound: this.#mailboxesFound,
      remarked: this.#remarked,
      reused: this.#reused,
      kept: this.#kept,
      toLimbo: this.#toLimbo,
      mailboxesMade: this.#made,
      mailboxesRenamed: this.#renamed,
      mailboxesDeleted: this.#deleted,
      messagesOfDeleted: this.#messagesOfDeleted,
    };
  }

  #addStructure({ mailbox, structure, saves, expunges }: ShippedReport): void {
    const before = this.#messagesIn.get(mailbox) ?? 0;
    const isFound = this.#foundLeft.has(mailbox);
    if (structure === "create" && isFound) this.#mailboxesFound += 1;
    const isMoved = structure === "create" && this.#elsewhere.has(mailbox);
    if (structure === "create" && !isFound && !isMoved) this.#made += 1;
    if (structure === "rename" || isMoved) this.#renamed += 1;
    if (structure === "delete") {
      // One that was not there is none that was deleted.
      if (!this.#messagesIn.delete(mailbox)) return;
      this.#deleted += 1;
      this.#messagesOfDeleted += before;
    } else {
      const kept = structure === "reset" ? 0 : before;
      this.#messagesIn.set(mailbox, Math.max(0, kept + saves - expunges));
    }
  }
}

/** What was done before the end. `found`: messages of the source. */
export function wordsOfShipped(
  { transactions, saves, adopted }: Pick<Summary, "transactions" | "saves" | "adopted">,
  found: number,
): string {
  if (transactions === 0) return "nothing was shipped yet";
  const known = adopted === 0 ? "" : `, ${formatCount(adopted)} found there,`;
  const shipped = `${countOf(saves, "message")} shipped${known} in ${countOf(transactions, "transaction")}`;
  return `${shipped}, of ${countOf(found, "message")} found in SRC so far`;
}

export function sourceSums(counts: Readonly<CaptureCounts>): SourceSums {
  const { mailboxes, messages, caughtBySweep } = counts;
  return {
    ...{ mailboxes, messages, caughtBySweep },
    numberedInSource: counts.numbered,
    renumberedInSource: counts.renumbered,
    identifiedInSource: counts.identified,
    raisedInSource: counts.raised,
  };
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

/** Undefined where the transaction does not give its mailbox another UIDVALIDITY. */
export function renumberedBy(
  { mailbox, path, uidValidity: after, structure }: Transaction,
  source: Pick<StateReader, "mailboxByGuid">,
): RenumberedReport | undefined {
  if (structure?.kind !== "reset") return undefined;
  const messages = source.mailboxByGuid(mailbox)?.messages ?? 0;
  return { path: displayRaw(path), before: structure.before, after, messages };
}
