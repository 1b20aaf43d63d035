/** What a comparison of two stores finds, as values. `a` and `b` are the two sides, in the order in which the operator named them. */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import type { MessageState } from "../txn/message-state.js";
import type { MailboxSum } from "../wire/sums.js";
import type { BodyVerdict } from "./judge-body.js";

export type Side = "a" | "b";

/** Of a mailbox as a whole, or of one message. */
export type Finding =
  /** The other side does not have the mailbox. */
  | { readonly kind: "only"; readonly side: Side; readonly messages: number }
  | { readonly kind: "path"; readonly a: RawPath; readonly b: RawPath }
  /** Their UIDs say nothing of each other then: no message is compared. */
  | { readonly kind: "uidvalidity"; readonly a: number; readonly b: number }
  | { readonly kind: "uidnext"; readonly a: number; readonly b: number }
  | { readonly kind: "unread"; readonly side: Side; readonly words: string }
  /** Files without a UID: Dovecot gives them one, or mailtwin does. `uidNext` tells them from those of an earlier look that have one now. */
  | { readonly kind: "unnumbered"; readonly side: Side; readonly files: number; readonly uidNext: number }
  /** Two mailboxes of one store say that they are this one. */
  | { readonly kind: "twice"; readonly side: Side; readonly paths: readonly RawPath[] }
  /** Undefined: it is not there under that UID. Two equal states differ in what no transaction can name. */
  | {
      readonly kind: "message";
      readonly uid: Uid;
      readonly a: MessageState | undefined;
      readonly b: MessageState | undefined;
    }
  /** Equal but for the bytes. Undefined: they cannot be read. `verdict`: whose are not what they were, once that was judged. */
  | {
      readonly kind: "body";
      readonly uid: Uid;
      readonly a: string | undefined;
      readonly b: string | undefined;
      readonly verdict?: BodyVerdict;
    };

export interface MailboxDifference {
  /** Undefined where it could not be read. */
  readonly guid: MailboxGuid | undefined;
  /** On side `a`, if it has it. */
  readonly path: RawPath;
  /** Messages last, ascending by UID. */
  readonly findings: readonly Finding[];
  /** Messages that differ and are not among the findings: there are too many. */
  readonly further: number;
}

/** One mailbox that both sides have under one identity. */
export interface Pair {
  readonly a: MailboxSum;
  readonly b: MailboxSum;
}

/** The same for two findings of one mailbox when they say the very same. */
export function keyOf(finding: Finding): string {
  return JSON.stringify(finding);
}
