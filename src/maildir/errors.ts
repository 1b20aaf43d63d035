/**
 * The catalogue of this room: what can go wrong with Dovecot's files and with the lock over them.
 *
 * Each code has one disposition, one exit code and one hint; `maildirError` is the only way to make one. What a reader
 * of a file merely finds (a damaged uidlist, a lock in other hands) is a value where it is found; these codes are for
 * the caller that cannot go on because of it.
 */
import { type ErrorKind, EX, MailtwinError } from "../base/errors.js";

export type MaildirErrorCode =
  | "guid-invalid"
  | "keyword-name-invalid"
  | "keywords-damaged"
  | "lock-held"
  | "lock-lost"
  | "mailbox-is-link"
  | "mailbox-name-invalid"
  | "mailbox-too-deep"
  | "mailbox-vanished"
  | "mailbox-without-cur"
  | "message-name-invalid"
  | "uid-out-of-range"
  | "uidlist-damaged"
  | "uidlist-too-large"
  | "uidlist-unsupported"
  | "uidvalidity-invalid";

const KINDS: Readonly<Record<MaildirErrorCode, ErrorKind>> = {
  /** A mailbox GUID is not 32 hexadecimal digits. */
  "guid-invalid": {
    disposition: "resync",
    exitCode: EX.DATAERR,
    hint: "The other side, or a damaged state database, named a mailbox identity that Dovecot could not have made.",
  },
  /** A keyword cannot be a line of dovecot-keywords: empty, too long, or with a space or control character. */
  "keyword-name-invalid": {
    disposition: "resync",
    exitCode: EX.DATAERR,
    hint: "Remove that keyword from the message on the source; no IMAP client can have set it.",
  },
  /** dovecot-keywords is too large to be one: 26 short lines are expected. */
  "keywords-damaged": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Look at dovecot-keywords of that mailbox: it has one line for each keyword, at most 26. Restore or shorten it.",
  },
  /** The uidlist lock of a mailbox stayed in other hands longer than the caller could wait. */
  "lock-held": {
    disposition: "operator",
    exitCode: EX.TEMPFAIL,
    hint: "Find the process that is named in dovecot-uidlist.lock. If it hangs, end it; if no such process exists, remove the file. Where that name is a directory, no process holds it: remove it, or move it away.",
  },
  /** The lock was ours and is not any more: someone took it for stale, or removed it. */
  "lock-lost": {
    disposition: "resync",
    exitCode: EX.TEMPFAIL,
    hint: "Dovecot and mailtwin must see each other's processes (one pid namespace, one host name); the mailbox is compared again.",
  },
  /** A symbolic link, or something else that is no directory, stands where a mailbox, or its cur/ or new/, must be. */
  "mailbox-is-link": {
    disposition: "operator",
    exitCode: EX.NOPERM,
    hint: "A real directory must stand there, as links inside a store are never followed: move the directory here, or name the link's target as a store of its own.",
  },
  /** A mailbox path that no mailbox can have, or that would hide one of Dovecot's files. */
  "mailbox-name-invalid": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Rename that folder; names with line breaks, and the names of Dovecot's own files, cannot be replicated.",
  },
  /** Directories lie deeper below the store than mailboxes are looked for (256 levels). What is below is not looked at, and not taken for deleted. */
  "mailbox-too-deep": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Move what is mail there further up, and remove the rest. No mailbox below it is replicated, or taken for deleted, meanwhile.",
  },
  /** The directory of a mailbox, or its cur/, went away while it was being read. */
  "mailbox-vanished": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "It was deleted or renamed at that moment; it is looked for again.",
  },
  /** A directory has a dovecot-uidlist and no cur/, or a file in the place of cur/: half a mailbox. It is not taken for deleted. */
  "mailbox-without-cur": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Put cur/ back with its messages; if the mailbox is to go, remove its dovecot-uidlist too. Nothing of it is taken for deleted meanwhile.",
  },
  /** A file name that Dovecot would never take for a message. */
  "message-name-invalid": {
    disposition: "resync",
    exitCode: EX.DATAERR,
    hint: "The name came from the other side and cannot be that of a message; the mailbox is compared again.",
  },
  /** A number that is no UID, or one so high that Dovecot would fail on the next message. */
  "uid-out-of-range": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "No mailbox gets that far in normal use: look in dovecot-uidlist, at N and at the last lines, for a number that is wrong.",
  },
  /** Dovecot would delete this uidlist at its next look and number every message anew. */
  "uidlist-damaged": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Restore dovecot-uidlist of that mailbox from the other side before Dovecot reads it, or let Dovecot renumber the mailbox.",
  },
  /** dovecot-uidlist is larger than any that is sane (256 MiB, about five million messages). */
  "uidlist-too-large": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Split the mailbox; check first that dovecot-uidlist is what fills it.",
  },
  /** A version of the uidlist that is neither 3 nor 1. */
  "uidlist-unsupported": {
    disposition: "operator",
    exitCode: EX.UNAVAILABLE,
    hint: "This Dovecot writes a uidlist that mailtwin does not know: nothing was changed; ask for a newer mailtwin.",
  },
  /** A UIDVALIDITY outside of 1..4294967295. */
  "uidvalidity-invalid": {
    disposition: "resync",
    exitCode: EX.DATAERR,
    hint: "The other side, or a damaged state database, named a UIDVALIDITY that no mailbox can have.",
  },
};

/** What to do about a problem of that code. */
export function maildirHint(code: MaildirErrorCode): string {
  return KINDS[code].hint;
}

/** An operating failure of this room. `message`: what was being done, to what, why it failed; no full stop. */
export function maildirError(
  code: MaildirErrorCode,
  message: string,
  detail: Readonly<Record<string, string | number | boolean>> = {},
  cause?: unknown,
): MailtwinError<MaildirErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, detail, cause });
}
