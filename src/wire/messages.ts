/**
 * What the two ends of a link say to each other, as typed values. The source dials or is dialled; either way the source
 * sends `hello` first, the replica answers `welcome`, then offers flow and the replica pulls what it lacks.
 *
 * An `id` names an offer or a mark in all that is said about it; ids ascend on a link.
 * INVARIANT: the replica sends exactly one `outcome` per `offer`, per `mark` and per `retry`, in the order of ids, after the
 * effect is durable.
 */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid, Uid, UidValidity } from "../maildir/ids.js";
import type { Digest } from "../txn/digest.js";
import type { MessageState } from "../txn/message-state.js";
import type { LimboAnswer, LimboAsk } from "./limbo.js";
import type {
  MessageMark,
  MessagePart,
  MessagesOf,
  PartsOf,
  RangeSum,
  Span,
  SpansOf,
  StoreSum,
  SummedMailbox,
} from "./sums.js";

export const PROTOCOL_VERSION = 4;

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
  readonly id: number;
  /** When it is applied, the log counts as applied on the replica up to here; 0 = it moves no cursor. */
  readonly lsn: number;
  readonly mailbox: MailboxGuid;
  /** What the replica refused of this mailbox before does not keep this one from being applied. Absent = false. */
  readonly anew?: boolean;
  /** No file of the replica does as a body: those that are there have other bytes than the source's. Absent = false. */
  readonly bodiesAnew?: boolean;
  /** The encoded transaction (txn/transaction-codec). */
  readonly payload: Uint8Array;
  /** Bodies that the replica will want, so that it need not ask for them. Absent = none. */
  readonly along?: AlongBodies;
}

/** Bodies of new small messages. The replica asks for what did not come, and drops what it does not want. */
export interface AlongBodies {
  /** At most ALONG_BODIES_MAX; none is gone. */
  readonly heads: readonly BodyHead[];
  /** In the order of `heads`, together at most ALONG_BYTES_MAX. */
  readonly payloads: readonly Uint8Array[];
}

/** A replica syncs each by itself, before anything else of its store is done. */
export const ALONG_BODIES_MAX = 24;
export const ALONG_BYTES_MAX = 64 * 1024;

/** In the order of the offers: the log counts as applied up to there from here on, whatever was recorded before. */
export interface Mark {
  readonly kind: "mark";
  readonly id: number;
  /** 0 = a comparison has begun: the log counts as not applied until the mark that ends it. */
  readonly lsn: number;
}

export interface Want {
  readonly kind: "want";
  readonly id: number;
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
  readonly id: number;
  readonly heads: readonly BodyHead[];
  /** The bodies that are not gone, in the order of `heads`. */
  readonly payloads: readonly Uint8Array[];
}

export interface BodyPart {
  readonly kind: "body-part";
  readonly id: number;
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
  readonly id: number;
  readonly divergence?: WireDivergence;
  /** For people: what the replica noticed while applying. */
  readonly notes: readonly string[];
}

export interface Retry {
  readonly kind: "retry";
  readonly id: number;
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
    }
  | {
      /** How that mailbox stands, and in which parts of it not all is as the source has it, and as it was written. */
      readonly kind: "compare";
      readonly mailbox: MailboxGuid;
      /** Where the source has it. */
      readonly path: RawPath;
      /** Of 32 bits, one for a comparison: of what the marks are made (txn/marked-uids). What was looked at is known by it. */
      readonly seed: number;
      /** Absent = the replica only begins to look at its messages, or goes on. */
      readonly sums?: PartSums;
      /** Nothing is offered of what it finds, and so nothing is over for the replica. Absent = false. */
      readonly looksOnly?: boolean;
    }
  | {
      /** How it stands, and all of its messages with these UIDs: a page. */
      readonly kind: "tell-held";
      readonly mailbox: MailboxGuid;
      readonly path: RawPath;
      /** At most TOLD_SPANS_MAX, ascending; none = files without a UID are counted. */
      readonly spans: readonly Span[];
      /** As in `compare`. */
      readonly looksOnly?: boolean;
    }
  | {
      /** What was written to this replica, and whether it stands as it was written; a page, ascending by GUID. */
      readonly kind: "standing";
      /** Mailboxes above this GUID; "" = from the first. */
      readonly after: MailboxGuid | "";
    }
  | SumsAsk
  | LimboAsk;

/** Questions of a comparison by sums; they are answered beside the others. */
export type SumsAsk =
  | { readonly kind: "sum-store" }
  | { readonly kind: "sum-mailboxes"; readonly after: RawPath | undefined }
  | ({ readonly kind: "sum-ranges" | "mark-messages" } & SpansOf)
  | ({ readonly kind: "tell-messages" | "hash-messages" } & MessagesOf)
  | ({ readonly kind: "read-messages" } & PartsOf);

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

/** Stores in a source's lineage, itself among them: a twin of a twin of a twin. */
export const LINEAGE_MAX = 16;

/** Parts that a question `compare` speaks for, at the most. */
export const PART_SUMS_MAX = 8192;
/** Spans that are asked to be told of at a time, at the most. */
export const TOLD_SPANS_MAX = 4096;
/** Messages of a page of `tell-held`, at the most; a replica ends a page earlier where its messages are long. */
export const COMPARED_MESSAGES_MAX = 4096;
/** Files without a UID that a replica tells of, at the most: more than any mailbox has. */
export const COMPARED_UNNUMBERED_MAX = 2 ** 24;
/** Mailboxes of a page of `standing`, at the most. */
export const STANDING_MAILBOXES_MAX = 1024;

/**
 * applied: it stands under the UID and base name that it was written with. foreign: it stands, and was not written by replication.
 * lost: it was written, and does not stand any more.
 */
export type Held = "applied" | "foreign" | "lost";

export interface ComparedMessage extends MessageState {
  readonly held: Held;
}

/** As the replica wrote it last. */
export interface WrittenMailbox {
  readonly path: RawPath;
  readonly uidValidity: UidValidity;
  readonly uidNext: number;
  readonly headerExtra: string;
}

/** What the source has in parts of 2^bits UIDs, numbered from that of UID 0. */
export interface PartSums {
  readonly bits: number;
  /** Ascending; at most PART_SUMS_MAX. */
  readonly parts: readonly number[];
  /** Of each part the sum of its marks, below 2^48. */
  readonly sums: readonly number[];
  /** Of all messages of the mailbox: if that is equal all is. Outside of the parts the source has none then. Absent = more of the same. */
  readonly whole?: Digest;
}

/** Where a mailbox stands on the replica, and what stands in its place. */
export interface MailboxStanding {
  /** Absent = replication never wrote to it. */
  readonly written?: WrittenMailbox;
  /** Where it stands; absent = nowhere. */
  readonly standing?: Pick<WrittenMailbox, "path" | "uidValidity" | "uidNext">;
  /** Another mailbox that stands where the source has this one. */
  readonly occupant?: MailboxGuid;
  /** Files that have no record, at most `COMPARED_UNNUMBERED_MAX`; absent = none, or they were not counted this time. */
  readonly unnumbered?: number;
}

/** In which parts of a question not all is as the source has it, or not all was written by replication. */
export interface DifferingParts {
  /** A bit for each part, the first one in the lowest bit of the first byte; the others of the last byte are 0. */
  readonly bits: Uint8Array;
  /** There is something that is in none of these parts. */
  readonly hasOthers: boolean;
  /** The sum of the whole was asked about, and all of it is as the source has it. */
  readonly isEqual: boolean;
}

export interface ComparedMailbox extends MailboxStanding {
  /** All messages up to this UID have been looked at. */
  readonly looked: number;
  /** Where there were sums, and that is UID_MAX. */
  readonly differing?: DifferingParts;
}

export interface ToldMailbox extends MailboxStanding {
  /** All that there are in the spans up to `reached`, ascending by UID. */
  readonly messages: readonly ComparedMessage[];
  /** The end of a span or of a chunk in it: above it nothing is told. UID_MAX where no span was asked about. */
  readonly reached: number;
}

/** How a mailbox stands that was written: `older` than that, under another UIDVALIDITY (`anew`), not to be read (`unread`). */
export type Standing = "in-place" | "moved" | "gone" | "older" | "anew" | "unread";

export interface StandingMailbox extends Pick<WrittenMailbox, "path" | "uidValidity" | "uidNext"> {
  readonly mailbox: MailboxGuid;
  readonly stands: Standing;
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
  | { readonly kind: "foreign"; readonly messages: number; readonly copies: number }
  | ({ readonly kind: "compare" } & ComparedMailbox)
  | ({ readonly kind: "tell-held" } & ToldMailbox)
  | { readonly kind: "standing"; readonly mailboxes: readonly StandingMailbox[]; readonly more: boolean }
  | SumsAnswer
  | LimboAnswer;

export type SumsAnswer =
  | ({ readonly kind: "store-sum" } & StoreSum)
  | { readonly kind: "mailbox-sums"; readonly mailboxes: readonly SummedMailbox[] }
  | { readonly kind: "range-sums"; readonly ranges: readonly RangeSum[] }
  | { readonly kind: "message-marks"; readonly marks: readonly MessageMark[] }
  | { readonly kind: "message-states"; readonly states: readonly MessageState[] }
  /** In the order of the question: lower-case hex, or undefined where the message is not there or cannot be read. */
  | { readonly kind: "message-hashes"; readonly hashes: readonly (string | undefined)[] }
  /** Of the first messages of the question, in its order; all but the last are whole. */
  | { readonly kind: "message-parts"; readonly parts: readonly MessagePart[] };

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

/** The last message of a replica that failed itself, or of a source that goes on only when a person has acted. Nothing follows. */
export interface Farewell {
  readonly kind: "farewell";
  readonly failure: WireFailure;
}

export type WireMessage =
  | Hello
  | Welcome
  | Offer
  | Mark
  | Want
  | Bodies
  | BodyPart
  | Outcome
  | Retry
  | Request
  | Reply
  | Farewell;
