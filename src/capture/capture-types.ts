/**
 * What the capture worker is asked and what it answers: plain values that cross a thread.
 *
 * The worker decides nothing about time: it says what is still open (`Waiting`), and the caller schedules. A worker that records puts
 * what it found into the log itself, before it answers; else nothing is recorded, and it goes on as if it were.
 */
import type { Site } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { CaptureCommit } from "../log/state-types.js";
import type { FoundDirectory } from "../maildir/discover.js";
import type { BaseName, MailboxGuid, Uid, UidValidity } from "../maildir/ids.js";
import type { FileOwner, MessageState } from "../txn/message-state.js";
import { type Structure, TRANSACTION_CHANGES_MAX } from "../txn/transaction.js";
import type { BrakeLimits, Engaged } from "./brake.js";

export interface CaptureLimits {
  /** Uidlists kept in memory, in bytes; the one that is being read comes on top. */
  readonly uidlistCacheBytesMax: number;
  /** Mailboxes whose baselines and open ends are remembered between calls. */
  readonly mailboxesCachedMax: number;
  /** Changes that one call of `examine` may seal; those of one chunk of UIDs are always sealed together. */
  readonly changesMax: number;
  /** How long one call of `examine` lists a directory, milliseconds; less when it brings hints. */
  readonly listingSliceMs: number;
  /** How long a lock that never changes holds back keyword letters, milliseconds. */
  readonly lettersWaitMsMax: number;
  /** Names without a record and hinted names that are remembered per mailbox. */
  readonly namesMax: number;
  /** Records that one call of `number` may add: what bounds its hold of the lock. */
  readonly numberedMax: number;
}

export const CAPTURE_LIMITS: CaptureLimits = {
  uidlistCacheBytesMax: 64 * 1024 * 1024,
  mailboxesCachedMax: 256,
  changesMax: 8 * TRANSACTION_CHANGES_MAX,
  listingSliceMs: 10,
  lettersWaitMsMax: 2_000,
  namesMax: 16_384,
  numberedMax: 16_384,
};

/** Deletions that are held back until a person has decided (brake.ts). */
export interface BrakeReport extends Omit<Engaged, "why"> {
  /** "mount-missing": it is not on, and what is held lies where `mounts` say. */
  readonly why: Engaged["why"] | "mount-missing";
  /** Mount points below the store whose file systems are not there (inner-mounts.ts): their mailboxes are held too, whether it is on or not. */
  readonly mounts: readonly RawPath[];
  /** Messages; of a store that was opened a moment ago what has been found so far. */
  readonly held: number;
  readonly mailboxes: number;
  /** Those with the most, some of them if there are many. */
  readonly named: readonly HeldMailbox[];
}

export interface HeldMailbox {
  readonly path: RawPath;
  readonly messages: number;
  /** The mailbox is gone; else messages out of it are. */
  readonly isWhole: boolean;
  /** The first of them. */
  readonly uids: readonly number[];
}

/** What is held back of a mailbox and is back at the source as other messages, as IMAP has sets ("1:5,9"); "*": all of one that is gone. */
export interface BackAgain {
  readonly guid: MailboxGuid;
  readonly uids: string;
}

/** Why what is gone stays in the log: its deletion is held back (brake.ts), or its file system is not mounted (inner-mounts.ts). */
export type HeldWhy = "deletions-held" | "mount-missing";

/** Absent while nothing is held back. */
export interface Braked {
  readonly brake?: BrakeReport;
}

export interface CaptureOptions {
  /** Absolute, bytes-in-a-string. */
  readonly storeRoot: string;
  /** Which directory that is; without it the one that is opened first. */
  readonly storeSite?: Site | undefined;
  /** A regular file in it, without which it is not the store: nothing is captured then. Absent = none is needed. */
  readonly sentinel?: RawPath | undefined;
  /** The state database, as Node takes a path; without it (or if it does not exist yet) the baseline is empty. */
  readonly statePath?: string | undefined;
  /** What is found goes into the log and the baseline of that database, which a state writer has open. Absent = nothing is written. */
  readonly records?: boolean | undefined;
  /** As Dovecot's gethostname() says it: stands in the lock. */
  readonly hostname: string;
  readonly pid: number;
  /** Ends the process at this crash point. */
  readonly crashAt?: string | undefined;
  readonly limits?: Partial<CaptureLimits> | undefined;
  /** Absent = no deletion is ever held back. */
  readonly brake?: BrakeLimits | undefined;
}

/** Something that keeps one mailbox from being captured; the rest goes on. */
export interface CaptureProblem {
  readonly path: RawPath;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export interface FoundMailbox {
  readonly path: RawPath;
  /** Undefined while Dovecot has not written a uidlist there, or wrote one without G. */
  readonly guid?: MailboxGuid | undefined;
  readonly uidValidity?: UidValidity | undefined;
  /** Equal to the row's fingerprint = nothing happened since that baseline. "" = younger than a clock tick: look again. */
  readonly fingerprint: string;
  /** There is no dovecot-uidlist at all. `trace`: what shows that the mailbox was in use before, if anything does. */
  readonly bare?: { readonly trace: string | undefined } | undefined;
  /** It has the GUID of the mailbox that was known at this path and left it, and is not to be taken for that one (claims.ts). */
  readonly claims?: RawPath;
  /**
   * With `claims`. "stranger": another user's, so it keeps nothing of that one from being deleted. "rival": neither is known, and they
   * are of two users; `claims` is where the other one stands.
   */
  readonly claimant?: "stranger" | "rival";
}

export interface DiscoverOutcome extends Braked {
  readonly mailboxes: readonly FoundMailbox[];
  readonly problems: readonly CaptureProblem[];
  /** Never set unless asked for. */
  readonly directories?: readonly FoundDirectory[];
  /** Known mailboxes that are not among them, and may stand there all the same (two-walks.ts). Never set unless asked for. */
  readonly uncertain?: readonly MailboxGuid[];
  /** Mailboxes that are gone, and are not to be taken for that before a person has decided. */
  readonly held?: readonly MailboxGuid[];
}

/** A name that an event mentioned, whether it appeared or went. */
export interface HintedName {
  readonly dir: "cur" | "new";
  readonly name: string;
}

export interface Hints {
  readonly names: readonly HintedName[];
  /** An event mentioned dovecot-uidlist. Only informs: the uidlist is always looked at. */
  readonly uidlist: boolean;
}

export interface ExamineRequest {
  readonly path: RawPath;
  /** Who is expected there; undefined when that is not known yet. */
  readonly guid?: MailboxGuid | undefined;
  readonly hints: Hints;
  /** List cur/ and new/ and compare everything; otherwise only what is new in the uidlist and what the hints name. */
  readonly full: boolean;
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
  /** Also read the bodies of new small mail (fresh-bodies.ts). Absent = no. */
  readonly wantsBodies?: boolean;
}

/** What an examination leaves open. */
export interface Waiting {
  /** Records that no transaction covers yet. */
  readonly pending: number;
  /** Files without a record: normal for a while under load (Dovecot numbers them at its next look). */
  readonly unnumbered: {
    readonly count: number;
    readonly oldestSeenMs: number;
    /** Why `number` will refuse them, if nothing changes until then. */
    readonly refused?: CaptureProblem;
  };
  /** Only a listing can tell: call again with `full`, when its cost can be afforded. */
  readonly needListing: boolean;
  /** What a listing cost, if there was one. */
  readonly listed?: { readonly entries: number; readonly ms: number };
  /** Ask again after so many milliseconds: something was in the middle of a change. */
  readonly recheckInMs?: number;
  /** There is more of the same to be sealed: commit this and call again at once, with the same `full`. */
  readonly more: boolean;
  /** Records were appended after the last look: ask again, without `full`. */
  readonly grown: boolean;
  /**
   * Messages that turned up under a UID which the log has already passed (somebody put an expunged file back). They can
   * only be replicated under a new UID: `renumber` them.
   */
  readonly late: readonly Uid[];
  /** File names that cannot be mail (a line break in them, or nothing before the ":"); only a listing tells. Dovecot does not see them either. */
  readonly ignored?: readonly string[];
  /** Numbered entries that are no regular files, as "cur/NAME"; only a listing tells. They count as no messages. */
  readonly notFiles?: readonly string[];
}

/** The body of a message that came a moment ago. */
export interface FreshBody {
  readonly uid: Uid;
  readonly base: BaseName;
  readonly bytes: Uint8Array;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** What came of a commit that is on stable storage. */
export interface Recorded extends Pick<CaptureCommit, "mailboxes" | "removedMailboxIds"> {
  /** Of its last transaction; undefined: there was none. */
  readonly lastLsn: number | undefined;
}

/** `C`: what was recorded, or, where the worker does not, what would be. */
export type ExamineOutcome<C = Recorded> =
  | (Waiting & {
      readonly kind: "sealed";
      readonly commit: C;
      readonly saves: number;
      /** All changes, the saves among them; 0 when only the mailbox as a whole changed (create, rename, next UID). */
      readonly changes: number;
      /** When the oldest sealed save became visible on disk, milliseconds since 1970; absent while a mailbox is seeded. */
      readonly visibleMs?: number;
      /** Those of the new small mail that were asked for and could be read. */
      readonly bodies?: readonly FreshBody[];
    })
  | (Waiting & {
      readonly kind: "unchanged";
      /** Moves the row's fingerprint only, and has no transaction: worth storing, so that a restart need not list. */
      readonly commit?: C;
    })
  /** No mailbox with that GUID at that path: discover again. */
  | { readonly kind: "absent" }
  /** `commit`: nothing of the mailbox. */
  | { readonly kind: "problem"; readonly problem: CaptureProblem; readonly commit?: C };

export type VanishedOutcome<C = Recorded> =
  | { readonly kind: "sealed"; readonly commit: C }
  /** Something stands in its way, or its place cannot be looked at: it is not taken for deleted. */
  | { readonly kind: "problem"; readonly problem: CaptureProblem }
  /** The brake is on. `commit`: nothing of the mailbox. */
  | { readonly kind: "held"; readonly commit?: C }
  /** It is there after all, or the log never had it. */
  | { readonly kind: "present" }
  | { readonly kind: "unknown" };

/** What the calls that take the source's lock may answer instead of a result. */
export type LockedOutcome =
  /** Someone holds the lock; nothing was done. */
  | { readonly kind: "busy"; readonly by: string; readonly ageMs: number }
  | { readonly kind: "absent" }
  | { readonly kind: "problem"; readonly problem: CaptureProblem };

export interface Numbered {
  readonly kind: "numbered";
  readonly count: number;
  readonly more: boolean;
  readonly uidNext: number;
  /** What got no UID because it is no regular file, as "cur/NAME"; some of them, if there are many. */
  readonly notFiles: readonly string[];
  /** The mailbox got its GUID from us, and its UIDVALIDITY too if it had no uidlist. */
  readonly isIdentified?: true;
}

export type NumberOutcome = Numbered | LockedOutcome;

export interface UidMove {
  readonly fromUid: Uid;
  readonly toUid: Uid;
  readonly base: BaseName;
}

export type RenumberOutcome =
  | { readonly kind: "renumbered"; readonly moves: readonly UidMove[]; readonly uidNext: number }
  | LockedOutcome;

export type RaiseOutcome =
  /** `from`: what it was. */
  | { readonly kind: "raised"; readonly from: number }
  /** It is there already. */
  | { readonly kind: "ahead" }
  | LockedOutcome;

export interface StatesPage {
  /** Ascending by UID. */
  readonly states: readonly MessageState[];
  /** Ask on from here; undefined at the end. */
  readonly nextAfterUid?: number;
}

export type DescribeOutcome =
  /** Of its directories, and of new files in them. */
  | {
      readonly kind: "described";
      readonly creation: Extract<Structure, { readonly kind: "create" }>;
      readonly fileOwner: FileOwner;
    }
  | { readonly kind: "absent" }
  | { readonly kind: "problem"; readonly problem: CaptureProblem };

/** The methods of the capture worker. At most one call at a time is executed, in the order of the calls. `C`: as in `ExamineOutcome`. */
export interface CaptureMethods<C = Recorded> {
  open(options: CaptureOptions): Promise<void>;
  /**
   * `twice`: by two walks. A walk misses a mailbox whose directory, or one above it, is renamed meanwhile. `directories`: tell of those too.
   */
  discover(request: { readonly twice: boolean; readonly directories?: boolean }): DiscoverOutcome;
  /**
   * Reads the large uidlists among these mailboxes, first come first, as far as the cache has room for them: the first mail
   * into a mailbox of half a million would wait a quarter of a second for that. What cannot be read is left out.
   */
  warm(request: { readonly paths: readonly RawPath[] }): void;
  examine(request: ExamineRequest): ExamineOutcome<C> & Braked;
  /** `ahead`: messages of the mailboxes that are asked about next, and are as gone. */
  vanished(request: {
    readonly guid: MailboxGuid;
    readonly ahead?: number;
    readonly nowMs: number;
  }): VanishedOutcome<C> & Braked;
  /** All that is held back may go, or that of it. Returns the mailboxes out of which it may; `commit` is not about them. */
  approve(back: readonly BackAgain[] | undefined): { readonly paths: readonly RawPath[]; readonly commit?: C };
  /** What is held back and is back (brought-back.ts). Throws: store-missing, store-unreadable. */
  broughtBack(): readonly BackAgain[];
  /** Why that mailbox, or one of these messages of it, stays in the log though it is gone; undefined: it does not, as far as is known now. */
  whyHeld(request: { readonly guid: MailboxGuid; readonly uids: readonly Uid[] }): HeldWhy | undefined;
  number(request: { readonly path: RawPath; readonly nowMs: number }): NumberOutcome;
  renumber(request: {
    readonly path: RawPath;
    readonly uids: readonly Uid[];
    readonly floor: number;
    readonly nowMs: number;
  }): RenumberOutcome;
  raiseNextUid(request: {
    readonly path: RawPath;
    readonly guid: MailboxGuid;
    readonly uidValidity: UidValidity;
    readonly to: number;
  }): RaiseOutcome;
  /** How a replica that does not have the mailbox has to make it. Throws: store-missing, store-unreadable. */
  describe(request: { readonly guid: MailboxGuid; readonly path: RawPath }): DescribeOutcome;
  states(request: { readonly guid: MailboxGuid; readonly afterUid: number; readonly max: number }): StatesPage;
}
