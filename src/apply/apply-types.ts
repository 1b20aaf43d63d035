/**
 * What crosses between the session and the thread that writes mail: options, calls, outcomes. Plain values only.
 *
 * A `key` is the caller's number of a transaction, from 1 on: it names the staged files and everything that is kept
 * for the transaction between `prepare` and `execute` or `drop`.
 * The order of calls is: prepare, stage (many), syncStaged, [putIntent], execute, [recordEffect]; what stands in
 * brackets is the caller's. `applyAtOnce` takes the place of them all. Several keys may be prepared ahead; they must be executed in the order of their keys.
 */
import type { RawPath } from "../base/raw-name.js";
import type { EffectCommit, LimboRow } from "../log/state-types.js";
import type { BaseName, MailboxGuid, Uid, UidValidity } from "../maildir/ids.js";
import type { MessageState } from "../txn/message-state.js";
import type { CompareMethods } from "./compare-types.js";
import type { Divergence } from "./divergence.js";
import type { ExpectedBodies } from "./expected-bodies.js";
import type { ReplicaSites } from "./pinned-root.js";
import type { PurgeMethods } from "./purge-types.js";

/** What becomes of mail that only the replica has when its mailbox is deleted at the source. */
export type ForeignPolicy = "keep" | "limbo";

export interface ApplyOptions {
  /** Absolute, as bytes-in-a-string. */
  readonly storeRoot: string;
  /** Absolute, as bytes-in-a-string; on the store's file system, outside of every mail root. Holds stage/, limbo/, aside/. */
  readonly scratchRoot: string;
  /** Which directories these two are; without it those that are opened first. */
  readonly sites?: ReplicaSites | undefined;
  readonly statePath: string;
  /** What Dovecot's gethostname() says. */
  readonly hostname: string;
  readonly pid: number;
  readonly crashAt?: string;
  /** Default: keep. */
  readonly foreign?: ForeignPolicy;
}

/** A body that has to come over the link: the change's index in the transaction, and what it must be. */
export interface WantedBody {
  readonly index: number;
  readonly uid: Uid;
  readonly base: BaseName;
  readonly size: number;
}

export interface PrepareRequest {
  readonly key: number;
  /** The transaction has to be this mailbox's. Absent = it may be any one's. */
  readonly mailbox?: MailboxGuid;
  /** The encoded transaction. */
  readonly bytes: Uint8Array;
  /**
   * Saves with a lower UID that is not bound here are left out: the source has given those messages other UIDs since,
   * and says so further on. 0 = none.
   */
  readonly voidBelow: number;
  /** The caller asks about bodies that are here and were not checked when they came. Without it base name and size are believed. */
  readonly verifies?: boolean;
  /** No file that is here does as a body, whatever it is called: those that are there are other bytes than the source's. */
  readonly bodiesAnew?: boolean;
  /** With more wanted bodies than this, the outcome has a ticket for staging them in another thread. Absent = never. */
  readonly apartAbove?: number;
  /** What came with the transaction: those of them that are wanted are staged at once, and durably. Absent = none. */
  readonly along?: readonly BodyParts[];
  /** So many of its changes, and its structure, are applied already. All indexes are those of the changes that follow. Absent = 0. */
  readonly from?: number;
  /** Where more bytes of bodies are wanted than this, the transaction ends before the change that wants them. Absent = never. */
  readonly cutAbove?: number;
}

export type PrepareOutcome =
  /** The transaction is of another mailbox. Nothing was done. */
  | { readonly kind: "misnamed" }
  | {
      readonly kind: "ready";
      /** What `recover` needs to clean up after this transaction, to be kept until its effect is recorded. */
      readonly intent: Uint8Array;
      readonly wants: readonly WantedBody[];
      /** How many bodies of those that came along are staged now. */
      readonly taken: number;
      /**
       * Here, and perhaps what the source has: for each either `confirmHeld` (the source's hash is that of `hashHeld`) or its
       * bytes. Only where the caller verifies.
       */
      readonly held?: readonly WantedBody[];
      readonly ticket?: StageTicket;
      /** So many changes are prepared, to be executed as a transaction of their own; the others follow. Absent = all. */
      readonly cut?: number;
    }
  | { readonly kind: "diverged"; readonly divergence: Divergence };

export interface HeldHash {
  readonly index: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export interface BodyParts {
  readonly index: number;
  readonly bytes: Uint8Array;
  /** Lower-case hex. Checked when given. */
  readonly sha256?: string | undefined;
}

export interface BodyPart {
  readonly key: number;
  readonly index: number;
  /** Parts come in order, without holes. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly last: boolean;
  /** Of the whole body; looked at with the last part. */
  readonly sha256?: string | undefined;
}

export type StageOutcome = { readonly kind: "staged" } | { readonly kind: "diverged"; readonly divergence: Divergence };

/** Where the bodies of one transaction are to be staged, as `prepare` found it. */
export interface StageTicket {
  /** All of the transaction that whoever stages has to know. */
  readonly expected: ExpectedBodies;
  /** Absolute, as bytes-in-a-string, like the next. */
  readonly storeRoot: string;
  readonly scratchRoot: string;
  readonly sites?: ReplicaSites | undefined;
  /** The mailbox's directory. Absent where there is none yet: the scratch directory takes its place. */
  readonly mailbox?: MailboxSite | undefined;
}

/** A directory that counts only while it is the one which was meant. */
export interface MailboxSite {
  readonly path: RawPath;
  readonly dev: number;
  readonly ino: number;
}

export interface AdoptedBody {
  readonly index: number;
  readonly ino: number;
}

/** Something that went otherwise than at the source, and is no reason to stop. */
export interface ApplyNote {
  readonly kind:
    | "keywords-full"
    | "marks-left-out"
    | "message-absent"
    | "uid-burned"
    | "next-uid-ahead"
    | "fields-dropped"
    | "mailbox-found-elsewhere"
    | "empty-mailbox-taken-over"
    | "limbo-kept-back"
    | "second-file"
    | "lock-overridden"
    | "torn-line-removed";
  readonly uid?: number;
  /** For people: one sentence without a full stop. */
  readonly words: string;
}

/** What the caller has to record, with the intent and the cursor added. */
export type AppliedEffect = Omit<EffectCommit, "intent" | "cursor">;

export type ExecuteOutcome =
  | {
      readonly kind: "applied";
      readonly effect: AppliedEffect;
      readonly notes: readonly ApplyNote[];
      /** How long the uidlist lock was held, milliseconds; 0 when it was not needed. */
      readonly lockedMs: number;
    }
  /** The lock is in other hands and nothing was done: call again a little later. */
  | { readonly kind: "busy"; readonly by: string; readonly ageMs: number }
  /** Bodies that were found here at `prepare` are gone: stage them and call again. Nothing was done. */
  | { readonly kind: "lacking"; readonly wants: readonly WantedBody[] }
  | { readonly kind: "diverged"; readonly divergence: Divergence };

/** Of a transaction before which nothing is under way. */
export interface AtOnceRequest extends PrepareRequest {
  readonly mailbox: MailboxGuid;
  /** To be recorded with the effect. Absent = the transaction is not of a log. */
  readonly cursor?: EffectCommit["cursor"];
}

export type AtOnceOutcome =
  /** And its effect is recorded, durably. */
  | { readonly kind: "applied"; readonly notes: readonly ApplyNote[] }
  /** The intent is noted, and what `execute` says has to be seen to. */
  | {
      readonly kind: "tried";
      readonly intent: number;
      readonly outcome: Exclude<ExecuteOutcome, { readonly kind: "applied" }>;
    }
  /** It lacks something, or does not fit: only `prepare` was done. */
  | { readonly kind: "prepared"; readonly prepared: PrepareOutcome };

/** One mailbox as it is found on disk, for first contact and for repair. */
export interface SurveyedMailbox {
  readonly path: RawPath;
  /** Undefined where Dovecot has not given one yet. */
  readonly guid?: MailboxGuid;
  readonly uidValidity?: UidValidity;
  readonly uidNext?: number;
}

export interface InventoryRequest {
  readonly path: RawPath;
  /** Only messages above this UID; 0 from the start. Pages of one reading follow each other. */
  readonly afterUid: number;
  /** Files without a UID come after all messages, ascending by base name: those above this one. Absent = all. */
  readonly afterBase?: string;
  readonly messagesMax: number;
}

export type InventoryOutcome =
  | {
      readonly kind: "read";
      readonly guid?: MailboxGuid;
      readonly uidValidity?: UidValidity;
      readonly uidNext: number;
      readonly messages: readonly MessageState[];
      /** Files that have no UID yet, on the pages after the last message. */
      readonly files: readonly { readonly base: BaseName; readonly size: number }[];
      /** Whether another page follows. */
      readonly more: boolean;
      /** How many files of the whole mailbox have no UID yet. */
      readonly unnumbered: number;
    }
  | { readonly kind: "absent" }
  | { readonly kind: "diverged"; readonly divergence: Divergence };

export interface ForeignRequest {
  readonly path: RawPath;
  /**
   * To restore, none means all that was set aside. To the limbo, none means the mailbox itself, if it holds no mail and was
   * never applied to: the caller knows that the source does not have it.
   */
  readonly bases: readonly BaseName[];
  readonly action: "limbo" | "aside" | "restore";
  /**
   * For each base the SHA-256 of the source's message of that name: what goes to the limbo and has the same bytes is noted
   * there as a copy (`COPY_CAUSE`), whose body serves again.
   */
  readonly hashes?: readonly Uint8Array[];
}

export type ForeignOutcome =
  | { readonly kind: "applied"; readonly effect: AppliedEffect; readonly moved: number; readonly absent: number }
  | { readonly kind: "busy"; readonly by: string; readonly ageMs: number }
  /** `limbo`: what is there all the same, to be recorded. */
  | { readonly kind: "diverged"; readonly divergence: Divergence; readonly limbo: readonly LimboRow[] };

export interface YieldRequest {
  readonly mailbox: MailboxGuid;
  /** Foreign messages with these UIDs move, */
  readonly uids: readonly number[];
  /** and those with this one or a higher one. */
  readonly from: number;
  /** The lowest UID they may get: the source's next UID. */
  readonly floor: number;
}

export interface UidMove {
  readonly base: BaseName;
  readonly fromUid: Uid;
  readonly toUid: Uid;
}

export type YieldOutcome =
  | { readonly kind: "yielded"; readonly moves: readonly UidMove[]; readonly uidNext: number }
  | { readonly kind: "busy"; readonly by: string; readonly ageMs: number }
  | { readonly kind: "diverged"; readonly divergence: Divergence };

export interface RecoverOutcome {
  /** Intents that are done with: to be dropped when `limbo` is recorded. Those that stay come back in `settles` of an effect. */
  readonly intentIds: readonly number[];
  /** To be recorded first. */
  readonly limbo: readonly LimboRow[];
  readonly notes: readonly ApplyNote[];
}

export interface ForgetRequest {
  readonly mailbox: MailboxGuid;
}

export interface StageRequest {
  readonly key: number;
  readonly bodies: readonly BodyParts[];
  /** With it what is staged by now is made durable at once, as by `syncStaged`. */
  readonly sync?: boolean;
}

export interface IndexesRequest {
  readonly key: number;
  readonly indexes: readonly number[];
}

/** A transaction, by the caller's number. */
export interface KeyRequest {
  readonly key: number;
}

/** The methods of the worker. Any of them may also reject with an operating failure; then nothing is half visible. */
export interface ApplyMethods extends PurgeMethods, CompareMethods {
  /** Once, first. Throws: destination-missing, scratch-missing. */
  open(options: ApplyOptions): Promise<void>;
  /** Once, after `open`: removes what a crash left behind. */
  recover(): RecoverOutcome;
  /** Reads the large uidlists, as far as the cache has room, so that the first mail does not wait for that. */
  warm(): void;
  /** May be called again for the same key; bodies that are staged already stay staged. */
  prepare(request: PrepareRequest): PrepareOutcome;
  /**
   * `prepare`, and where nothing is lacking the intent, `execute` and the record of the effect: whatever was executed before is
   * recorded, and nothing else is about to be.
   */
  applyAtOnce(request: AtOnceRequest): AtOnceOutcome;
  /** Stops at the first body that is not what was announced. */
  stageMany(request: StageRequest): StageOutcome;
  stagePart(part: BodyPart): StageOutcome;
  /** Takes over what another thread has staged with the ticket of `prepare`. Nothing is known of it before. */
  adoptStaged(request: { readonly key: number; readonly bodies: readonly AdoptedBody[] }): void;
  /** Reads those bodies whole. One that is not as it was is left out: its bytes have to come. */
  hashHeld(request: IndexesRequest): readonly HeldHash[];
  /** Only after `hashHeld` told their hashes. */
  confirmHeld(request: IndexesRequest): void;
  /** The source does not have that body any more: the save is left out and its UID burned. */
  gone(request: { readonly key: number; readonly index: number }): void;
  /** Makes staged bodies durable one by one; a caller with many of them syncs the whole file system instead. */
  syncStaged(request: KeyRequest): void;
  execute(request: KeyRequest): ExecuteOutcome;
  /**
   * Gives a prepared transaction up and removes its staged bodies. Returns whether its intent can go too: nothing of the mailbox is
   * in doubt, or an older intent tells of that.
   */
  drop(request: KeyRequest): boolean;
  /** What stands now counts as the source's own from here on, but for `strangers`. */
  mailboxes(request: { readonly strangers: readonly MailboxGuid[] }): readonly SurveyedMailbox[];
  inventory(request: InventoryRequest): InventoryOutcome;
  /** Whoever compared is gone: what was kept for further questions goes. */
  endLooks(): void;
  /** Whether all that was written to the store is gone. Cheap while it is not. */
  emptied(): boolean;
  /** As the intent of `prepare`, for what `foreign` is about to take to the limbo: to be kept until its effect is recorded, or nothing was done. */
  intentOfForeign(request: { readonly path: RawPath }): Uint8Array;
  foreign(request: ForeignRequest): ForeignOutcome;
  /** Renumbers foreign messages; needs no recording. */
  yieldUids(request: YieldRequest): YieldOutcome;
  /** The effect of a mailbox's last transaction could not be recorded: everything remembered of it is void. */
  forget(request: ForgetRequest): void;
}
