/**
 * Why a replica cannot take a transaction: an expected outcome, so a value. The source or resync then decides.
 *
 * Each kind carries the numbers that the decision needs, and a sentence for the rejection log. A divergence is found
 * before the first write, so the mailbox is as it was.
 */
import { displayRaw, type RawPath } from "../base/raw-name.js";
import type { BaseName, MailboxGuid, UidValidity } from "../maildir/ids.js";

interface Where {
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
  /** One sentence for people, without a full stop. */
  readonly words: string;
}

/** What the whole transaction is at odds with, so that one conflict is about all of it and about nothing else. */
interface UidsAtOdds {
  /** UIDs of its messages that are passed, or bound to other messages, ascending. */
  readonly uids: readonly number[];
  readonly replicaNext: number;
}

export type Divergence =
  /** A UID to be placed is below the replica's next UID: a client here may have been told that it names nothing (R6). */
  | (Where & UidsAtOdds & { readonly kind: "uid-passed"; readonly firstUid: number })
  /** That UID names another message here. */
  | (Where &
      UidsAtOdds & {
        readonly kind: "uid-bound-otherwise";
        readonly uid: number;
        readonly base: BaseName;
        readonly found: string;
      })
  /** Another mailbox stands at that path, and it holds mail or children that must not be touched. */
  | (Where & { readonly kind: "mailbox-occupied"; readonly occupant?: MailboxGuid })
  | (Where & { readonly kind: "uidvalidity-differs"; readonly source: UidValidity; readonly replica: UidValidity })
  | (Where & { readonly kind: "mailbox-missing" })
  /** The received bytes are not the body that was announced. */
  | (Where & { readonly kind: "body-mismatch"; readonly index: number })
  /** Dovecot would delete this uidlist and number every message anew; a person has to look. */
  | (Where & { readonly kind: "uidlist-damaged"; readonly line: number; readonly why: string })
  /** The mailbox was deleted at the source and holds mail here that the source never had. */
  | (Where & { readonly kind: "foreign-mail"; readonly messages: number })
  /** The path could not be a mailbox here, or leads through a link. */
  | (Where & { readonly kind: "path-refused"; readonly why: string })
  /** The system does not let us do it there: owner, mode, attributes, an export. Nothing is wrong with the path. */
  | (Where & { readonly kind: "mailbox-denied"; readonly why: string });

type Without<T> = T extends unknown ? Omit<T, "words"> : never;

/** Adds the sentence. */
export function divergence(parts: Without<Divergence>): Divergence {
  return { ...parts, words: wordsOf(parts) } as Divergence;
}

function wordsOf(it: Without<Divergence>): string {
  const where = `mailbox ${it.path === "" ? "INBOX" : displayRaw(it.path)}`;
  switch (it.kind) {
    case "uid-passed":
      return `${where} has passed UID ${it.firstUid}: its next UID is ${it.replicaNext} already`;
    case "uid-bound-otherwise":
      return `UID ${it.uid} of ${where} names ${displayRaw(it.found)} here and ${displayRaw(it.base)} at the source`;
    case "mailbox-occupied":
      return `another mailbox${it.occupant === undefined ? "" : ` (${it.occupant})`} that holds mail stands at ${where}`;
    case "uidvalidity-differs":
      return `${where} has UIDVALIDITY ${it.replica} here and ${it.source} at the source`;
    case "mailbox-missing":
      return `${where} is not here`;
    case "body-mismatch":
      return `the bytes that came for change ${it.index} of a transaction of ${where} are not what was announced`;
    case "uidlist-damaged":
      return `dovecot-uidlist of ${where} is damaged in line ${it.line}: ${it.why}`;
    case "foreign-mail":
      return `${where} was deleted at the source, but has ${it.messages} ${it.messages === 1 ? "message" : "messages"} here that the source never had`;
    case "path-refused":
      return `${where} cannot stand here: ${it.why}`;
    case "mailbox-denied":
      return `${where} may not be changed here: ${it.why}`;
  }
}
