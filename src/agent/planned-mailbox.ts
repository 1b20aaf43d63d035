/**
 * What a comparison of one mailbox would do: gathered from what the replica tells of it, and from the transactions that would be
 * offered. Pure.
 *
 * INVARIANT: a message is said to be removed only where the replica would remove it: what it has lost already, what gets another UID, and
 * what only it has are told as that.
 * Memory: the last page of the replica, and of each kind of step how often it comes and the first few.
 */
import type { RawPath } from "../base/raw-name.js";
import type { BaseName, MailboxGuid, Uid } from "../maildir/ids.js";
import type { MessageMarks, MessageState } from "../txn/message-state.js";
import type { Change, ExpungeChange, RebindChange, Structure, Transaction } from "../txn/transaction.js";
import type { ComparedMessage, MailboxStanding } from "../wire/messages.js";
import type { Cause } from "./conflict-rules.js";

/** Of the mailbox. */
type MailboxStep =
  /** The replica lacks it; `isGone`: it had it. */
  | { readonly kind: "make"; readonly isGone: boolean }
  /** Another mailbox, which is not the source's, stands where it is to be. */
  | { readonly kind: "occupied"; readonly mailbox: MailboxGuid }
  /** `changesPlaces`: with another one of the source's. */
  | { readonly kind: "rename"; readonly from: RawPath; readonly changesPlaces: boolean }
  /** Of the replica's `messages` those that replication wrote get the source's UIDs. */
  | { readonly kind: "renumber"; readonly before: number; readonly after: number; readonly messages: number }
  /** The source does not have it. Those that only the replica has go with it, or there are none. */
  | { readonly kind: "delete"; readonly messages: number }
  /** The same, and the replica would refuse: it has some of its own. */
  | { readonly kind: "keep-mailbox"; readonly messages: number; readonly own: number }
  /** Gone on both sides: the replica drops what it has noted of it. */
  | { readonly kind: "forget-mailbox" }
  /** Nothing but the next UID differs. */
  | { readonly kind: "next-uid"; readonly before: number; readonly after: number }
  /** The source's next UID, to where the replica's is. */
  | { readonly kind: "raise"; readonly before: number; readonly after: number }
  /** Nothing differs but what the replica has noted of it. */
  | { readonly kind: "note" };

type MessageStep =
  | { readonly kind: "remove"; readonly uid: number; readonly base: string }
  /** Gone on both sides: the replica drops what it has noted of it. */
  | { readonly kind: "forget"; readonly uid: number; readonly base: string }
  | {
      readonly kind: "marks";
      readonly uid: Uid;
      readonly base: BaseName;
      readonly before: MessageMarks;
      readonly after: MessageMarks;
    }
  /** The same message, with another UID, file name, size, date or record. `before`: as the replica has it, where that is known. */
  | {
      readonly kind: "rebind";
      readonly uid: number;
      readonly fromUid: number;
      readonly before: MessageState | undefined;
      readonly after: MessageState;
    }
  | { readonly kind: "add"; readonly uid: number; readonly size: number }
  /** It cannot have its UID there any more, and gets another one on both sides. `found`: the message that has it there. */
  | { readonly kind: "new-uid"; readonly uid: number; readonly size: number; readonly found: string | undefined }
  /** The replica has it, and replication did not write it. */
  | { readonly kind: "adopt"; readonly uid: number }
  /** Only the replica has it. */
  | { readonly kind: "keep"; readonly uid: number; readonly base: string };

/** Files of the replica without a UID. */
interface FilesStep {
  readonly kind: "keep-files";
}

export type PlannedStep = MailboxStep | MessageStep | FilesStep;
export type StepKind = PlannedStep["kind"];

/** In the order in which they are told: the mailbox, what goes, what changes, what comes, what stays. */
export const STEP_KINDS = [
  ...["make", "occupied", "rename", "renumber", "delete", "keep-mailbox", "forget-mailbox"],
  ...[
    "remove",
    "forget",
    "marks",
    "rebind",
    "new-uid",
    "add",
    "adopt",
    "next-uid",
    "raise",
    "note",
    "keep",
    "keep-files",
  ],
] as const satisfies readonly StepKind[];

export interface PlannedGroup {
  readonly kind: StepKind;
  readonly count: number;
  /** Of the messages that come. */
  readonly bytes: number;
  /** At most FIRST_MAX. */
  readonly first: readonly PlannedStep[];
}

export interface PlannedMailbox {
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
  /** The source's that were looked at. */
  readonly messages: number;
  /** In the order of STEP_KINDS; empty: it is equal. */
  readonly groups: readonly PlannedGroup[];
  /** Why it cannot be compared, or not to its end. */
  readonly failure: Cause | undefined;
  /** Something of it was on its way all the time: part of this may be that. */
  readonly changing: boolean;
}

/** Steps of one kind that are kept, of one mailbox. */
const FIRST_MAX = 20;

/** What stands in a mailbox of the replica: what replication wrote, and its own. */
export interface Standing {
  readonly applied: number;
  readonly own: number;
}

export class MailboxSteps {
  readonly #isSources: (mailbox: MailboxGuid) => boolean;
  readonly #foreignGoes: boolean;
  readonly #groups = new Map<StepKind, { count: number; bytes: number; readonly first: PlannedStep[] }>();
  /** Of the last page, by UID. */
  readonly #told = new Map<number, ComparedMessage>();
  #standing: MailboxStanding | undefined;
  /** Its UIDs are the source's, as far as they go. */
  #isMatched = true;
  #isDeleted = false;
  #files = 0;
  #facts: Pick<Transaction, "uidNext"> | undefined;
  #reset: { readonly before: number; readonly after: number } | undefined;

  /** `isSources`: whether the source has that mailbox, wherever. `foreignGoes`: the replica removes its own mail with a mailbox, too. */
  constructor(isSources: (mailbox: MailboxGuid) => boolean, foreignGoes: boolean) {
    this.#isSources = isSources;
    this.#foreignGoes = foreignGoes;
  }

  /** The replica has told that of it. Call it before what follows from it is noted. */
  noteStanding(standing: MailboxStanding): void {
    this.#standing ??= standing;
    this.#files = standing.unnumbered ?? this.#files;
  }

  /** The same, of the next of its messages. */
  noteTold(messages: readonly ComparedMessage[]): void {
    this.#keepOwn();
    if (this.#isMatched) for (const message of messages) this.#told.set(message.uid, message);
  }

  /** All of it that stands has to be counted. */
  get needsStanding(): boolean {
    return this.#reset !== undefined || (this.#isDeleted && this.#standing?.standing !== undefined);
  }

  /** That would be offered. */
  note(transaction: Transaction): void {
    const { structure, changes } = transaction;
    if (structure !== undefined) this.#noteStructure(structure, transaction);
    const savedByBase = new Map<string, number>();
    for (const change of changes) if (change.kind === "save") savedByBase.set(change.message.base, change.message.uid);
    const fromUids = new Map<number, number>();
    for (const change of changes) {
      const uid = change.kind === "expunge" ? savedByBase.get(change.base) : undefined;
      if (change.kind === "expunge" && uid !== undefined) fromUids.set(uid, change.uid);
      else if (change.kind === "expunge") this.#noteExpunge(change);
    }
    for (const change of changes) this.#noteChange(change, fromUids);
    if (structure === undefined && changes.length === 0) this.#facts = transaction;
  }

  /** The source's next UID would be raised. */
  noteRaise(before: number, after: number): void {
    this.#add({ kind: "raise", before, after });
  }

  /** Nothing more comes. `standing`: where it was needed. */
  end(standing: Standing | undefined): readonly PlannedGroup[] {
    this.#keepOwn();
    const { applied = 0, own = 0 } = standing ?? {};
    if (this.#isDeleted) this.#endDeleted(applied, own);
    else if (this.#reset !== undefined) {
      this.#add({ kind: "renumber", ...this.#reset, messages: applied });
      if (own > 0) this.#add({ kind: "keep-files" }, own);
    } else {
      const isAlike = [...this.#groups.keys()].every((kind) => kind === "raise");
      if (isAlike && this.#facts !== undefined) this.#noteFacts(this.#facts);
      if (this.#files > 0) this.#add({ kind: "keep-files" }, this.#files);
    }
    return STEP_KINDS.flatMap((kind) => {
      const group = this.#groups.get(kind);
      return group === undefined ? [] : [{ kind, ...group }];
    });
  }

  #noteStructure(structure: Structure, { uidValidity }: Transaction): void {
    switch (structure.kind) {
      case "delete":
        this.#isDeleted = true;
        this.#told.clear();
        return;
      case "create":
        this.#add({ kind: "make", isGone: this.#isDeleted });
        this.#isDeleted = false;
        this.#isMatched = false;
        this.#noteOccupant();
        return;
      case "rename": {
        const changesPlaces = structure.displaces !== undefined;
        this.#add({ kind: "rename", from: structure.from, changesPlaces });
        this.#noteOccupant();
        return;
      }
      case "reset":
        this.#reset = { before: structure.before, after: uidValidity };
        this.#isMatched = false;
        this.#told.clear();
    }
  }

  /** One of the source's moves on by a comparison of its own. */
  #noteOccupant(): void {
    const occupant = this.#standing?.occupant;
    if (occupant !== undefined && !this.#isSources(occupant)) this.#add({ kind: "occupied", mailbox: occupant });
  }

  #noteChange(change: Change, fromUids: ReadonlyMap<number, number>): void {
    if (change.kind === "expunge" || this.#reset !== undefined) return;
    if (change.kind === "marks") {
      const { uid, base, before, after } = change;
      this.#add({ kind: "marks", uid, base, before, after });
    } else if (change.kind === "rebind") this.#noteRebind(change);
    else this.#noteSave(change.message, fromUids.get(change.message.uid));
  }

  #noteSave(message: MessageState, fromUid: number | undefined): void {
    const { uid, size } = message;
    const found = this.#ownAt(uid);
    if (this.#isRefused(message)) this.#add({ kind: "new-uid", uid, size, found: found?.base });
    else if (fromUid !== undefined)
      this.#add({ kind: "rebind", uid, fromUid, before: this.#told.get(fromUid), after: message });
    else if (found !== undefined) this.#add({ kind: "adopt", uid });
    else this.#add({ kind: "add", uid, size });
    if (found !== undefined) this.#told.delete(uid);
  }

  #noteRebind({ fromUid, message }: RebindChange): void {
    const { uid, size } = message;
    const found = fromUid === uid ? undefined : this.#ownAt(uid);
    if (fromUid !== uid && this.#isRefused(message)) {
      this.#add({ kind: "new-uid", uid, size, found: found?.base });
      this.#told.delete(uid);
    } else this.#add({ kind: "rebind", uid, fromUid, before: this.#told.get(fromUid), after: message });
  }

  #noteExpunge({ uid, base }: ExpungeChange): void {
    this.#add({ kind: this.#told.get(uid)?.held === "lost" ? "forget" : "remove", uid, base });
  }

  /** What stands there under that UID, and replication did not write. */
  #ownAt(uid: number): ComparedMessage | undefined {
    const told = this.#told.get(uid);
    return told?.held === "foreign" ? told : undefined;
  }

  /** As apply/fold-changes.ts: a UID that the replica has passed, or that has another message there, is not given to this one. */
  #isRefused({ uid, base }: MessageState): boolean {
    const next = this.#isMatched ? (this.#standing?.standing?.uidNext ?? 0) : 0;
    return uid < next && this.#ownAt(uid)?.base !== base;
  }

  #noteFacts({ uidNext: after }: Pick<Transaction, "uidNext">): void {
    const before = this.#standing?.standing?.uidNext ?? after;
    this.#add(before < after ? { kind: "next-uid", before, after } : { kind: "note" });
  }

  #endDeleted(applied: number, own: number): void {
    if (this.#standing?.standing === undefined) this.#add({ kind: "forget-mailbox" });
    else if (own > 0 && !this.#foreignGoes) this.#add({ kind: "keep-mailbox", messages: applied + own, own });
    else this.#add({ kind: "delete", messages: applied + own });
  }

  /** What is left of the last page, and no change is about. */
  #keepOwn(): void {
    for (const { uid, base, held } of this.#told.values())
      if (held === "foreign") this.#add({ kind: "keep", uid, base });
    this.#told.clear();
  }

  #add(step: PlannedStep, count = 1): void {
    const group = this.#groups.get(step.kind) ?? { count: 0, bytes: 0, first: [] };
    this.#groups.set(step.kind, group);
    group.count += count;
    if ("size" in step) group.bytes += step.size;
    if (group.first.length < FIRST_MAX) group.first.push(step);
  }
}
