/** Error codes of the two ends of a link. */
import { type ErrorKind, EX, MailtwinError } from "../base/errors.js";

const KINDS = {
  /** The other end said something that does not fit the conversation. */
  "peer-confused": {
    disposition: "operator",
    exitCode: EX.PROTOCOL,
    hint: "Both ends must run a mailtwin of the same release; if they do, this is a defect: please report it.",
  },
  /** A source whose rights are limited to some users sends what is another's. Nothing of it was written. */
  "source-without-right": {
    disposition: "operator",
    exitCode: EX.NOPERM,
    hint: "Let the source send what it may only (users of the [peer.NAME] there), or give it the right here: users in its [peer.NAME].",
  },
  /** The replication log no longer holds what the replica needs next, or is older than the replica. */
  "log-trimmed": {
    disposition: "operator",
    exitCode: EX.TEMPFAIL,
    hint: "The replica needs changes that the log no longer has. To go on, move the state directory away and run the command again: both sides are then compared as at first contact, and nothing that only the replica has is removed unasked.",
  },
  /** Nothing of what was written to the replica stands there any more. */
  "replica-emptied": {
    disposition: "operator",
    exitCode: EX.TEMPFAIL,
    hint: "Nothing was written. On the replica's host, mount or restore its store. To fill an empty one on purpose, stop what runs there, move its state directory there away, and run the command again.",
  },
  /** The replica ended the link because of a failure of its own, of a kind that is not known here. */
  "replica-failed": {
    disposition: "operator",
    exitCode: EX.UNAVAILABLE,
    hint: "Its own words are in the message; the log of mailtwin on its host has more.",
  },
  /** The source ended the link, and says that a person has to act before it goes on. */
  "source-refuses": {
    disposition: "operator",
    exitCode: EX.TEMPFAIL,
    hint: "The source's own words are in the message; the log of mailtwin on its host has more.",
  },
  /** Dovecot's lock on a mailbox of the replica stayed in other hands. */
  "replica-lock-held": {
    disposition: "operator",
    exitCode: EX.TEMPFAIL,
    hint: "See which process holds dovecot-uidlist.lock (its number is in the file); when it is gone, run the command again.",
  },
  /** A replica says that it has given out UIDs far above the source's in a mailbox. The source does not follow it there. */
  "uids-too-high": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Look at the N of that mailbox's dovecot-uidlist on the replica's host. Is it wrong, or is the replica not to be trusted? Remove the mailbox there, and it is filled anew with the source's UIDs. Is it right? Then the source is the older one: see whether the two are the wrong way round.",
  },
  /** The replica could not take a transaction, and it went to the rejection log. */
  "mailbox-rejected": {
    disposition: "resync",
    exitCode: EX.PARTIAL,
    hint: "Remove the cause that the message names, then run the command again.",
  },
} as const satisfies Record<string, ErrorKind>;

/** What a person mends on the replica's host, each in its own way (daemon-hints.ts): kinds of divergence that are told as they are. */
export const TOLD_AS_THEY_ARE: ReadonlySet<string> = new Set([
  "mailbox-denied",
  "mailbox-occupied",
  "path-refused",
  "uidlist-damaged",
]);

/** A replica's answer about a mailbox that it does not take: under the name that the refusal of a transaction has, if it is one of those. */
export function refusalAs(kind: string, message: string): MailtwinError {
  const code = TOLD_AS_THEY_ARE.has(kind) ? kind : "mailbox-rejected";
  return new MailtwinError({ code, kind: KINDS["mailbox-rejected"], message });
}

export type AgentErrorCode = keyof typeof KINDS;

export function agentError(code: AgentErrorCode, message: string, cause?: unknown): MailtwinError<AgentErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, cause });
}
