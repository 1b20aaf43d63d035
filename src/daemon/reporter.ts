/**
 * What a command tells whoever called it, independent of how it is shown.
 */
import type { MailtwinError } from "../base/errors.js";
import type { TwinPlan } from "./control/plan-answer.js";

export interface Progress {
  /** Messages known at the source; grows while it is being read. */
  readonly messagesTotal: number;
  /** Still being read: the total is not final. */
  readonly counting: boolean;
  readonly messagesDone: number;
  readonly bytesDone: number;
  readonly elapsedMs: number;
}

/** What a replica noted while applying, summed up: notes that differ in their numbers only are one kind. */
export interface NoteSum {
  /** The first of its kind. */
  readonly words: string;
  readonly count: number;
}

export interface ShippedReport {
  readonly lsn: number;
  readonly mailbox: string;
  readonly path: string;
  readonly structure?: string;
  readonly saves: number;
  readonly marks: number;
  readonly expunges: number;
  readonly rebinds: number;
  /** From the moment it was seen at the source to the acknowledgement of the replica. */
  readonly lagMs: number;
  /** A few kinds at the most. */
  readonly notes: readonly NoteSum[];
}

/** Of a mailbox of SRC: DST had given out UIDs from `from` on. */
export interface NextUidReport {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

/** A mailbox of the replica that has taken the source's UIDVALIDITY, in place of another one. */
export interface RenumberedReport {
  readonly path: string;
  readonly before: number;
  readonly after: number;
  /** That it has at the source: clients of the replica fetch them anew. */
  readonly messages: number;
}

export interface ProblemReport {
  readonly path: string;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** What the capture has counted. */
export interface SourceSums {
  readonly mailboxes: number;
  readonly messages: number;
  /** Changes that a sweep found while no event had told of them; live runs only. Many: events are being lost. */
  readonly caughtBySweep: number;
  /** Written to SRC: messages that got their first UID, messages that got another one, mailboxes that got their identity, next UIDs that were raised. */
  readonly numberedInSource: number;
  readonly renumberedInSource: number;
  readonly identifiedInSource: number;
  readonly raisedInSource: number;
}

export interface Summary extends SourceSums {
  readonly transactions: number;
  /** New on the destination: without those that were adopted. */
  readonly saves: number;
  readonly marks: number;
  readonly expunges: number;
  readonly bodiesBytes: number;
  /** At first contact: messages, and mailboxes, of the source that stood there already. */
  readonly adopted: number;
  readonly mailboxesFound: number;
  /** Of these messages, those that had other flags or keywords there, and took the source's. */
  readonly remarked: number;
  /** At first contact: new messages whose bodies were found in the destination, in a mailbox of another identity. */
  readonly reused: number;
  /** At first contact: messages that only the destination has, and that were kept there. */
  readonly kept: number;
  /** At first contact: messages that were moved from the destination to the limbo. */
  readonly toLimbo: number;
  /** Shipped, as a whole; a mailbox that was deleted is in the limbo with all that was in it. */
  readonly mailboxesMade: number;
  readonly mailboxesRenamed: number;
  readonly mailboxesDeleted: number;
  readonly messagesOfDeleted: number;
  readonly problems: number;
  readonly elapsedMs: number;
}

export interface Reporter {
  /** One line of a dry run. */
  plan(words: string): void;
  /** What a comparison would do. */
  planned(plan: TwinPlan): void;
  /** Something that may be meant, and should be looked at. */
  warning(words: string): void;
  progress(progress: Progress): void;
  /** The first comparison is done; from now on changes are shipped as they happen. */
  live(state: { readonly mailboxes: number; readonly messages: number }): void;
  shipped(report: ShippedReport): void;
  renumbered(report: RenumberedReport): void;
  conflict(report: { readonly path: string; readonly words: string }): void;
  nextUidRaised(report: NextUidReport): void;
  problem(report: ProblemReport): void;
  summary(summary: Summary): void;
  error(error: MailtwinError): void;
  /** Takes down whatever stands on the terminal. */
  close(): void;
}
