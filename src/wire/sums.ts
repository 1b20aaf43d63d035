/**
 * What two ends of a comparison tell each other of a store, from the whole down to one message: sums of the store, of its mailboxes, of
 * ranges of UIDs, marks of single messages, and what they are. Each page is bounded.
 */
import type { RawPath } from "../base/raw-name.js";
import type { BaseName, MailboxGuid, Uid, UidValidity } from "../maildir/ids.js";
import type { Digest } from "../txn/digest.js";

/** Of a whole store. Two stores with equal sums have the same mailboxes with the same messages. */
export interface StoreSum {
  readonly digest: Digest;
  readonly mailboxes: number;
  readonly messages: number;
  /** Mailboxes that could not be read, or have files without a UID: of those no sum speaks. */
  readonly unread: number;
}

/** Of the messages of a span. */
export interface RangeSum {
  readonly count: number;
  readonly digest: Digest;
}

/** One mailbox that Dovecot has given an identity. */
export interface MailboxSum {
  readonly kind: "sum";
  readonly path: RawPath;
  readonly guid: MailboxGuid;
  readonly uidValidity: UidValidity;
  /** What Dovecot would give next. May be 2^32, after the last UID. */
  readonly uidNext: number;
  readonly messages: number;
  /** Files without a record, hence without a UID. They are in no digest. */
  readonly unnumbered: number;
  /** Of the states of all messages. */
  readonly digest: Digest;
}

/** One that could not be read, and why. */
export interface UnreadMailbox {
  readonly kind: "unread";
  readonly path: RawPath;
  readonly words: string;
}

export type SummedMailbox = MailboxSum | UnreadMailbox;

/** Mailboxes of a page, at the most. */
export const MAILBOX_SUMS_MAX = 512;
/** Spans of one question, at the most. */
export const SPANS_MAX = 16;
/** Messages of a page of marks, at the most. */
export const MARKS_MAX = 4096;
/** Messages of a page of states or hashes, at the most. */
export const STATES_MAX = 256;

/** Sixteen-byte digests cut to eight: within one range of UIDs that is enough to tell two states apart. */
export interface MessageMark {
  readonly uid: Uid;
  readonly mark: bigint;
}

/** UIDs from `from` on, below `below`; in a comparison by sums both are multiples of 128. */
export interface Span {
  readonly from: number;
  readonly below: number;
}

/** Spans of one mailbox, ascending, that do not overlap. */
export interface SpansOf {
  readonly path: RawPath;
  readonly spans: readonly Span[];
}

/** Messages of one mailbox, ascending. */
export interface MessagesOf {
  readonly path: RawPath;
  readonly uids: readonly Uid[];
}

/** Which message is meant: one with that UID that has another base name is another one. */
export interface NamedMessage {
  readonly uid: Uid;
  readonly base: BaseName;
}

/** Bytes of messages of one mailbox, ascending by UID, at most `STATES_MAX`: the first from `offset` on. */
export interface PartsOf {
  readonly path: RawPath;
  readonly messages: readonly NamedMessage[];
  readonly offset: number;
  /** Which of them could be had, and their sizes, without bytes. Absent = false. */
  readonly looksOnly?: boolean;
}

/** Bytes of an answer, at the most. */
export const PARTS_BYTES_MAX = 1024 * 1024;

/** `size`: of the whole message. Undefined: it is not there, cannot be read, or was not written by replication. */
export type MessagePart = { readonly size: number; readonly bytes: Uint8Array } | undefined;
