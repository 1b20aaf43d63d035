/** What a dry run has said, counted: its last line. */
import { formatBytes, formatCount } from "../base/text-format.js";
import type { MailboxRow } from "../log/state-types.js";
import type { ContactFinding } from "../resync/first-contact.js";
import type { Transaction } from "../txn/transaction.js";
import type { ForeignChoice } from "./first-contact.js";
import { countOf } from "./words.js";

export class PlanTotals {
  #made = 0;
  #renamed = 0;
  #deleted = 0;
  #saves = 0;
  #bytes = 0;
  #again = 0;
  #unnumbered = 0;
  #marks = 0;
  #expunges = 0;
  #rebinds = 0;
  #found = 0;
  #remarked = 0;
  #copies = 0;
  #kept = 0;
  #toLimbo = 0;
  #newUids = 0;

  addTransaction({ structure, changes }: Pick<Transaction, "structure" | "changes">): void {
    if (structure?.kind === "create") this.#made += 1;
    if (structure?.kind === "rename") this.#renamed += 1;
    if (structure?.kind === "delete") this.#deleted += 1;
    for (const change of changes) {
      if (change.kind === "marks") this.#marks += 1;
      if (change.kind === "expunge") this.#expunges += 1;
      if (change.kind === "rebind") this.#rebinds += 1;
      if (change.kind === "save") {
        this.#saves += 1;
        this.#bytes += change.message.size;
      }
    }
  }

  /** Mailboxes that are made anew, as they were written. */
  addGone(gone: readonly Pick<MailboxRow, "messages">[]): void {
    this.#made += gone.length;
    for (const { messages } of gone) this.#again += messages;
  }

  /** A mailbox of the destination that gets the source's path. */
  addRenamed(): void {
    this.#renamed += 1;
  }

  /** Messages of the source that are to get their UID first. */
  addUnnumbered(messages: number): void {
    this.#unnumbered += messages;
  }

  /** What a first contact does with one mailbox of the destination. */
  addFinding(
    { present, remarked, copies, foreign, changed, inTheWay, isOther, passed }: ContactFinding,
    choice: ForeignChoice,
  ): void {
    this.#found += present;
    this.#remarked += remarked;
    this.#copies += copies.length;
    this.#toLimbo += changed.length + (choice === "limbo" ? foreign.length : 0);
    if (choice === "keep") this.#kept += foreign.length;
    this.#newUids += passed.length;
    if (choice === "keep") this.#newUids += isOther ? foreign.length : inTheWay.length;
  }

  /** Undefined when there is nothing to count. */
  words(): string | undefined {
    const count = (number: number, what: string) => (number === 0 ? [] : [`${formatCount(number)} ${what}`]);
    const mailboxes = (number: number, what: string) => (number === 0 ? [] : [`${countOf(number, "mailbox")} ${what}`]);
    const parts = [
      ...mailboxes(this.#made, "made"),
      ...mailboxes(this.#renamed, "renamed"),
      ...mailboxes(this.#deleted, "deleted"),
      ...count(this.#saves, `new (${formatBytes(this.#bytes)})`),
      ...count(this.#again, "sent again"),
      ...count(this.#copies, "of them perhaps with bodies that are in DST already"),
      ...count(this.#unnumbered, "without a UID in SRC yet"),
      ...(this.#marks === 0 ? [] : [countOf(this.#marks, "flag change")]),
      ...count(this.#expunges, "expunged"),
      ...count(this.#rebinds, "moved to another UID, or renamed"),
      ...count(this.#found, "in DST already"),
      ...count(this.#remarked, "with SRC's flags in place of their own"),
      ...count(this.#kept, "kept that only DST has"),
      ...count(this.#toLimbo, "moved from DST to the limbo"),
      ...count(this.#newUids, "with new UIDs"),
    ];
    return parts.length === 0 ? undefined : `in all: ${parts.join(", ")}`;
  }
}
