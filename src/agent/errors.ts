/** Error codes of the two ends of a link. */
import { type ErrorKind, EX, MailtwinError } from "../base/errors.js";

const KINDS = {
  /** The other end said something that does not fit the conversation. */
  "peer-confused": {
    disposition: "operator",
    exitCode: EX.PROTOCOL,
    hint: "Both ends must run a mailtwin of the same release; if they do, this is a defect: please report it.",
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
    hint: "See on the replica's host whether its file system is mounted. If its mail was removed on purpose, remove its state too: it is filled anew then.",
  },
  /** Dovecot's lock on a mailbox of the replica stayed in other hands. */
  "replica-lock-held": {
    disposition: "operator",
    exitCode: EX.TEMPFAIL,
    hint: "See which process holds dovecot-uidlist.lock (its number is in the file); when it is gone, run the command again.",
  },
  /** The replica could not take a transaction, and it went to the rejection log. */
  "mailbox-rejected": {
    disposition: "resync",
    exitCode: EX.PARTIAL,
    hint: "Remove the cause that the message names, then run the command again.",
  },
} as const satisfies Record<string, ErrorKind>;

export type AgentErrorCode = keyof typeof KINDS;

export function agentError(code: AgentErrorCode, message: string, cause?: unknown): MailtwinError<AgentErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, cause });
}
