/** How this store stands, to be compared with the source's: what crosses between the session and the thread that looks. Plain values only. */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid, UidValidity } from "../maildir/ids.js";
import type { Digest } from "../txn/digest.js";
import type { MessageState } from "../txn/message-state.js";
import type { Divergence } from "./divergence.js";

/** What the source has in parts of 2^bits UIDs. */
export interface AskedParts {
  readonly bits: number;
  /** Ascending. */
  readonly parts: readonly number[];
  readonly sums: readonly number[];
  /** Of all of the mailbox: outside of the parts the source has none. */
  readonly whole?: Digest;
}

export interface CompareRequest {
  readonly mailbox: MailboxGuid;
  /** Where the source has it. */
  readonly path: RawPath;
  /** One for a comparison; by it is known what was looked at already. */
  readonly seed: number;
  /** Absent = the look at its messages is begun, or goes on. */
  readonly sums?: AskedParts;
  /** Of so many messages, or somewhat more, the files are looked at before it answers. */
  readonly messagesMax: number;
}

export interface TellRequest {
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
  /** Ascending; none = only files without a UID are counted. */
  readonly spans: readonly Span[];
  /** A page has no more, but for those of its first chunk. */
  readonly messagesMax: number;
}

/** UIDs from `from` on, below `below`. */
export interface Span {
  readonly from: number;
  readonly below: number;
}

/**
 * applied: it stands under the UID and base name that it was written with. foreign: it stands, and was not written by replication.
 * lost: it was written, and does not stand any more.
 */
export interface HeldMessage extends MessageState {
  readonly held: "applied" | "foreign" | "lost";
}

interface MailboxAt {
  readonly path: RawPath;
  readonly uidValidity: UidValidity;
  readonly uidNext: number;
}

export interface Standing {
  /** As it was written last; absent = never. */
  readonly written?: MailboxAt & { readonly headerExtra: string };
  /** Where it stands; absent = nowhere, or it was left half moved. */
  readonly standing?: MailboxAt;
  /** Another mailbox that stands at the path asked for. */
  readonly occupant?: MailboxGuid;
  /** Files that have no record, where they were counted; absent = none. */
  readonly unnumbered?: number;
}

export interface Diverged {
  readonly kind: "diverged";
  readonly divergence: Divergence;
}

/** In which parts not all is as the source has it, and as it was written. */
export interface FoundParts {
  /** A bit for each part asked about, the first one in the lowest bit of the first byte. */
  readonly bits: Uint8Array;
  /** There is something in none of the parts. */
  readonly hasOthers: boolean;
  /** `whole` was asked about, and is equal. */
  readonly isEqual: boolean;
}

export interface Compared extends Standing {
  readonly kind: "read";
  /** All up to this UID were looked at. */
  readonly looked: number;
  /** Where there were sums, and that is UID_MAX. */
  readonly differing?: FoundParts;
}

export interface Told extends Standing {
  readonly kind: "read";
  /** All that there are in the spans up to `reached`, ascending by UID. */
  readonly messages: readonly HeldMessage[];
  readonly reached: number;
}

export type CompareOutcome = Compared | Diverged;
export type TellOutcome = Told | Diverged;

export interface StandingRequest {
  readonly after: MailboxGuid | "";
  readonly max: number;
}

/** `older` than it was written, under another UIDVALIDITY (`anew`), with a uidlist that cannot be read (`unread`). */
export type Stands = "in-place" | "moved" | "gone" | "older" | "anew" | "unread";

export interface StandingOutcome {
  readonly mailboxes: readonly (MailboxAt & { readonly mailbox: MailboxGuid; readonly stands: Stands })[];
  readonly more: boolean;
}

export interface CompareMethods {
  /** Questions about one mailbox follow each other, until what differs is told. */
  compare(request: CompareRequest): CompareOutcome;
  tellHeld(request: TellRequest): TellOutcome;
  standing(request: StandingRequest): StandingOutcome;
}
