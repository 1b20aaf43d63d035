/** How this store stands, to be compared with the source's: what crosses between the session and the thread that looks. Plain values only. */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid, UidValidity } from "../maildir/ids.js";
import type { ChunkSum } from "../txn/chunks.js";
import type { MessageState } from "../txn/message-state.js";
import type { Divergence } from "./divergence.js";

export interface CompareRequest {
  readonly mailbox: MailboxGuid;
  /** Where the source has it. */
  readonly path: RawPath;
  /** Only chunks above this UID, which ends one; 0 from the start; UID_MAX = only files without a UID are counted. */
  readonly afterUid: number;
  /** And up to this UID, which ends one. */
  readonly upTo: number;
  /** What the source has there, in ascending chunks. */
  readonly sums: readonly ChunkSum[];
  /** A page has no more, but for those of its first chunk. */
  readonly messagesMax: number;
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

export type CompareOutcome =
  | {
      readonly kind: "read";
      /** As it was written last; absent = never. */
      readonly written?: MailboxAt & { readonly headerExtra: string };
      /** Where it stands; absent = nowhere, or it was left half moved. */
      readonly standing?: MailboxAt;
      /** Another mailbox that stands at the path asked for. */
      readonly occupant?: MailboxGuid;
      /** Chunks in which not all is as the source has it, and as it was written; ascending. */
      readonly told: readonly number[];
      /** All of these chunks, ascending by UID. */
      readonly messages: readonly HeldMessage[];
      /** All chunks up to this UID were looked at. */
      readonly reached: number;
      /** Where that is UID_MAX: files that have no record, as the listing has it; absent = none. */
      readonly unnumbered?: number;
    }
  | { readonly kind: "diverged"; readonly divergence: Divergence };

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
  /** Pages of one mailbox follow each other. */
  compare(request: CompareRequest): CompareOutcome;
  standing(request: StandingRequest): StandingOutcome;
}
