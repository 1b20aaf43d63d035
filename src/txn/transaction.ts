/**
 * The vocabulary of change: a transaction is an immutable, UID-complete list of changes of one mailbox.
 *
 * INVARIANT: within a transaction, saves come in ascending UID order, and transactions of one mailbox are in the order in
 * which they must be applied (R6: a UID below what the replica's Dovecot has passed cannot be inserted any more).
 */
import type { RawPath } from "../base/raw-name.js";
import type { BaseName, MailboxGuid, Uid, UidValidity } from "../maildir/ids.js";
import type { FileOwner, MessageMarks, MessageState } from "./message-state.js";

/** Where the same body already is: a message of the same owner with the same inode at the source (COPY, MOVE). */
export interface BodyOrigin {
  readonly mailbox: MailboxGuid;
  readonly uid: Uid;
  readonly base: BaseName;
}

/** A message came to be, under this very UID. */
export interface SaveChange {
  readonly kind: "save";
  readonly message: MessageState;
  readonly origin?: BodyOrigin;
  /** Only where it differs from the transaction's `fileOwner`. */
  readonly owner?: FileOwner;
}

/** Flags or keywords changed. What counts is the difference of the two: the replica keeps marks that the source did not touch. */
export interface MarksChange {
  readonly kind: "marks";
  readonly uid: Uid;
  readonly base: BaseName;
  readonly before: MessageMarks;
  readonly after: MessageMarks;
}

export interface ExpungeChange {
  readonly kind: "expunge";
  readonly uid: Uid;
  readonly base: BaseName;
}

/** The same file got another UID (R12), another base name (Dovecot repaired S=/W=), or other record fields. */
export interface RebindChange {
  readonly kind: "rebind";
  readonly fromUid: Uid;
  readonly fromBase: BaseName;
  readonly message: MessageState;
}

export type Change = SaveChange | MarksChange | ExpungeChange | RebindChange;

/** In the order in which they are written down: cur/, new/, tmp/. */
export type MessageDirOwners = readonly [cur: FileOwner, fresh: FileOwner, tmp: FileOwner];

/** What happened to the mailbox as a whole, before the changes of its messages. */
export type Structure =
  /**
   * `parents` are the owners of the directories above it inside the store, outermost first, made where they are missing.
   * `messageDirs`: those of cur/, new/ and tmp/, where one of them differs from `owner`.
   */
  | {
      readonly kind: "create";
      readonly owner: FileOwner;
      readonly parents: readonly FileOwner[];
      readonly messageDirs?: MessageDirOwners;
      readonly maildirFolder: boolean;
    }
  /**
   * `from`: where it was before all that was found together with it. `displaces`: the mailbox that stands at the target and
   * moves on itself, by a transaction that follows. The two change places, so that a circle of renames needs no place in
   * between. `parents` as above; without them what is missing is made as the mailbox is.
   */
  | {
      readonly kind: "rename";
      readonly from: RawPath;
      readonly displaces?: MailboxGuid;
      readonly parents?: readonly FileOwner[];
    }
  | { readonly kind: "delete" }
  /** UIDVALIDITY changed under the same path and GUID: every UID is void. An incident, reported. */
  | { readonly kind: "reset"; readonly before: UidValidity };

export interface Transaction {
  readonly mailbox: MailboxGuid;
  /** Path of the mailbox after this transaction (before it, for a delete). */
  readonly path: RawPath;
  readonly uidValidity: UidValidity;
  /** Next UID at the source after this transaction, max(N, last + 1) (R10). The replica raises N to it. */
  readonly uidNext: number;
  /** Header keys of dovecot-uidlist other than V, N, G, as written. */
  readonly headerExtra: string;
  /** Owner and mode of message files, unless a save says otherwise. */
  readonly fileOwner: FileOwner;
  readonly structure?: Structure;
  readonly changes: readonly Change[];
  /** When the source saw it, milliseconds since 1970. */
  readonly capturedMs: number;
}

/** Bound of the changes of one transaction: what one hold of the lock can apply in milliseconds. */
export const TRANSACTION_CHANGES_MAX = 512;

/**
 * Where a long list of changes is cut, parts end before the bodies of their new messages come to more than this; one larger message has a
 * part of its own. A replica has all of a transaction or nothing, so that is what a line that is cut costs, however often it is.
 */
export const TRANSACTION_BODIES_BYTES_MAX = 8 * 1024 * 1024;
