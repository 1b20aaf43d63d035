/**
 * What the two ends of a link say to each other, as typed values. The source dials or is dialled; either way the source
 * sends `hello` first, the replica answers `welcome`, then offers flow in LSN order and the replica pulls what it lacks.
 *
 * INVARIANT: the replica sends exactly one `outcome` per `offer` and per `retry`, in LSN order, after the effect is durable.
 */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";

export const PROTOCOL_VERSION = 1;

export interface Hello {
  readonly kind: "hello";
  readonly protocol: number;
  readonly logId: string;
  readonly software: string;
}

export interface Welcome {
  readonly kind: "welcome";
  readonly protocol: number;
  readonly software: string;
  /** Highest LSN of that log that is durably applied here. */
  readonly appliedLsn: number;
  readonly firstContact: boolean;
}

export interface Offer {
  readonly kind: "offer";
  readonly lsn: number;
  readonly mailbox: MailboxGuid;
  /** The encoded transaction (txn/transaction-codec). */
  readonly payload: Uint8Array;
}

export interface Want {
  readonly kind: "want";
  readonly lsn: number;
  /** Positions of the changes in the transaction, ascending. */
  readonly indexes: readonly number[];
}

export interface BodyHead {
  readonly index: number;
  readonly size: number;
  /** 32 bytes; empty when gone. */
  readonly sha256: Uint8Array;
  /** The source no longer has this body: its expunge follows in the log. */
  readonly gone: boolean;
}

export interface Bodies {
  readonly kind: "bodies";
  readonly lsn: number;
  readonly heads: readonly BodyHead[];
  /** The bodies that are not gone, in the order of `heads`. */
  readonly payloads: readonly Uint8Array[];
}

export interface BodyPart {
  readonly kind: "body-part";
  readonly lsn: number;
  readonly index: number;
  readonly offset: number;
  readonly last: boolean;
  /** Hash of the whole, on the last part only. */
  readonly sha256: Uint8Array;
  readonly payload: Uint8Array;
}

export interface WireDivergence {
  readonly code: string;
  readonly words: string;
  readonly path: RawPath;
  /**
   * For the codes "uid-passed" and "uid-bound-otherwise" the UIDs of the transaction that do not fit, ascending, and the replica's
   * next UID. Else none, and 0.
   */
  readonly uids: readonly number[];
  readonly replicaNext: number;
}

export interface Outcome {
  readonly kind: "outcome";
  readonly lsn: number;
  readonly divergence?: WireDivergence;
  /** For people: what the replica noticed while applying. */
  readonly notes: readonly string[];
}

export interface Retry {
  readonly kind: "retry";
  readonly lsn: number;
  /** Leave out saves below this UID that are not bound on the replica; 0 = none. */
  readonly voidBelow: number;
  /** Do not try again: release what was staged for it. */
  readonly giveUp: boolean;
}

export type Ask =
  | {
      readonly kind: "yield-uids";
      readonly mailbox: MailboxGuid;
      /** Foreign messages with these UIDs move above `floor`, and those from `from` on. */
      readonly uids: readonly number[];
      readonly from: Uid;
      readonly floor: number;
    }
  | {
      readonly kind: "survey";
      /** Of those that stand, the source does not have these; all others that stand now are its own. Absent = none. */
      readonly strangers?: readonly MailboxGuid[];
    }
  | {
      readonly kind: "inventory";
      readonly path: RawPath;
      readonly afterUid: number;
      /** Files without a UID follow all others, ascending by base name: those above this one. Absent = all. */
      readonly afterBase?: string;
    }
  | {
      readonly kind: "foreign";
      readonly path: RawPath;
      readonly bases: readonly string[];
      readonly action: ForeignAction;
      /**
       * For each base name the SHA-256 (32 bytes) of the source's message: of what goes to the limbo, files with the same bytes
       * serve again as bodies. Absent = nothing does.
       */
      readonly hashes?: readonly Uint8Array[];
    };

/** limbo: recoverable removal; aside: out of the way during the seed; restore: back as new mail. */
export type ForeignAction = "limbo" | "aside" | "restore";

export interface SurveyedMailbox {
  readonly path: RawPath;
  /** "" where Dovecot has not given one yet; the numbers are 0 then. */
  readonly guid: MailboxGuid | "";
  readonly uidValidity: number;
  readonly uidNext: number;
}

export interface InventoryMessage {
  /** 0 = it has none yet. */
  readonly uid: number;
  readonly base: string;
  readonly size: number;
  /** `visibleMarks`; "" where they are not told. */
  readonly marks: string;
}

export type Answer =
  | { readonly kind: "yielded-uids"; readonly uidNext: number; readonly moved: number }
  | { readonly kind: "survey"; readonly mailboxes: readonly SurveyedMailbox[] }
  | {
      readonly kind: "inventory";
      readonly messages: readonly InventoryMessage[];
      readonly more: boolean;
      readonly unnumbered: number;
    }
  /** `copies`: of these messages those that went to the limbo and have the source's bytes, which serve again. */
  | { readonly kind: "foreign"; readonly messages: number; readonly copies: number };

export interface WireFailure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly disposition: string;
  readonly exitCode: number;
}

export interface Request {
  readonly kind: "request";
  readonly id: number;
  readonly ask: Ask;
}

export interface Reply {
  readonly kind: "reply";
  readonly id: number;
  readonly result:
    | { readonly ok: true; readonly answer: Answer }
    | { readonly ok: false; readonly failure: WireFailure };
}

export type WireMessage = Hello | Welcome | Offer | Want | Bodies | BodyPart | Outcome | Retry | Request | Reply;
