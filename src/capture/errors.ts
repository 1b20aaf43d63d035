/**
 * The catalogue of this room: what keeps a mailbox, or a whole store, from being captured.
 *
 * Most of what the worker meets is a value (`ExamineOutcome`); an error that concerns one mailbox only is turned into a
 * `CaptureProblem` at the room's edge, so that the others go on.
 */
import { type ErrorKind, EX, MailtwinError, recordOfError } from "../base/errors.js";
import { displayRaw, type RawPath } from "../base/raw-name.js";
import { maildirError } from "../maildir/errors.js";
import type { CaptureProblem } from "./capture-types.js";
import type { Duplicate } from "./plan-structure.js";

export type CaptureErrorCode =
  | "body-changed"
  | "deletions-held"
  | "mailbox-guid-twice"
  | "mailbox-restless"
  | "mailbox-unsettled"
  | "message-not-a-file"
  | "mount-missing"
  | "source-emptied"
  | "store-missing"
  | "store-unreadable"
  | "uidlist-elsewhere"
  | "uidlist-lost"
  | "uidlist-missing"
  | "uids-exhausted";

const KINDS: Readonly<Record<CaptureErrorCode, ErrorKind>> = {
  /** A message file changed its length while it was read. Message files never do that. */
  "body-changed": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "Something writes into a message file in place; the message is read again. If it stays, find that program.",
  },
  /** Much mail went from the source within a short while: nothing more is deleted on replicas before a person has decided. */
  "deletions-held": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Nothing of it is deleted on the replica, all other changes go on. Was it meant? Let it go: mailtwin sync --approve-deletions. If not, mailtwin deletions reject SRC DST brings it back at the source, as new mail; or put it back yourself: what is there again is not deleted.",
  },
  /** Two mailboxes have the same GUID in dovecot-uidlist: one was copied with its control files. */
  "mailbox-guid-twice": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Find out which of the two is the copy; it need not be the one that is named first. In the copy remove dovecot-uidlist and dovecot.index* (its messages get new UIDs, so not in the original). Then let Dovecot give it a GUID of its own: doveadm index -u USER MAILBOX, or any client that opens it. Run the command again after that; before, it would say of the copy that its uidlist is lost.",
  },
  /** For a minute no look at the store found all mailboxes in their places: directories are renamed all the time. */
  "mailbox-restless": {
    disposition: "operator",
    exitCode: EX.TEMPFAIL,
    hint: "It is not taken for deleted, and all other mailboxes are replicated; it is looked for by the next run or sweep. If it stays, find what renames that mailbox, or directories around it, without pause.",
  },
  /** Listings of a mailbox never agreed with each other or with its files. */
  "mailbox-unsettled": {
    disposition: "operator",
    exitCode: EX.TEMPFAIL,
    hint: "What was certain is replicated; the rest is tried again by the next run or sweep. If it stays, find what renames files in that mailbox without pause.",
  },
  /** Something in cur/ or new/ is no regular file (a directory, a link, a pipe), or has an impossible date or size. */
  "message-not-a-file": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Remove what is no regular file from cur/ and new/ of that mailbox; links are never followed. Give a message with an impossible date another one (touch). To keep a message, put a regular file with that name there; all other messages are replicated.",
  },
  /** A file system that was mounted inside of the store, with mailboxes in it, is not there, or another one is. Nothing of those is taken for deleted. */
  "mount-missing": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Mount it, and its mailboxes go on by themselves; until then they are left as they are, and all others are replicated. Is it not to come back, or are their mails where they should be? Then say so: mailtwin deletions approve (of a sync: --approve-deletions). What is missing there then is deleted on the replica, into its limbo.",
  },
  /** Every mailbox that the baseline knows is gone at once, whatever else stands there: more likely an accident than a wish. */
  "source-emptied": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Nothing was removed from the replica. Mount or restore the source; to replicate on purpose what is there now, move the state directory away and run the command again.",
  },
  /** The store's root directory is not there, or is none: not mounted, or a wrong path. Nothing is taken for deleted. */
  "store-missing": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Mount the file system, or correct the path; nothing is taken for deleted meanwhile.",
  },
  /** The store's root directory may not be read any more. Nothing is taken for deleted. */
  "store-unreadable": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Run as a user who may read all of the store (root or the mail owner); nothing is taken for deleted meanwhile.",
  },
  /** There are uidlists without mail, and mailboxes without a uidlist: Dovecot keeps its control files elsewhere, it seems. */
  "uidlist-elsewhere": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Does Dovecot keep its control files there (CONTROL= in mail_location)? That is not supported: they have to be in the directory of the mailbox. If they are left over from another Dovecot, move them out of the store and let the present one number the mailboxes: doveadm index -u USER MAILBOX (-A for all users).",
  },
  /** dovecot-uidlist of a mailbox that is being replicated is gone. Only Dovecot's index still knows its UIDs. */
  "uidlist-lost": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Copy dovecot-uidlist of that mailbox back from the replica before Dovecot opens it; else it gets new UIDs. If you removed it so that a copy gets a GUID of its own (mailbox-guid-twice), do not: doveadm index -u USER MAILBOX.",
  },
  /** A mailbox has mail, no dovecot-uidlist, and is not fresh from an MDA: only Dovecot can tell its UIDs. Nothing was written there. */
  "uidlist-missing": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Does Dovecot keep its control files elsewhere (CONTROL= in mail_location)? That is not supported: they have to be in the directory of the mailbox. Was dovecot-uidlist lost? Put it back. Is there none to put back, or has no Dovecot opened the mailbox yet? Let it number the mail: doveadm index -u USER MAILBOX (-A for all users).",
  },
  /** A mailbox has used nearly all UIDs there are; renumbering would make Dovecot fail. */
  "uids-exhausted": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Look in dovecot-uidlist for an N or a last UID that is wrong; no mailbox gets that far in normal use.",
  },
};

/** Why `source-emptied`: true for a store without mailboxes and for one with others. */
export const SOURCE_EMPTIED =
  "looking for mailboxes in the source: none of the mailboxes that were known from before is there any more";

/** An operating failure of this room. `message`: what was being done, to what, why it failed; no full stop. */
export function captureError(
  code: CaptureErrorCode,
  message: string,
  detail: Readonly<Record<string, string | number | boolean>> = {},
  cause?: unknown,
): MailtwinError<CaptureErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, detail, cause });
}

/** One mailbox's problem out of what was thrown there. A defect of the program is thrown on. */
export function problemOf(path: RawPath, error: unknown): CaptureProblem {
  // Of a write that failed and whose traces could not be removed the first failure tells why.
  const cause: unknown = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { code, message, hint, disposition } = recordOfError(cause);
  if (disposition === "bug") throw error;
  return { path, code, message, hint };
}

/** Files of that mailbox that cannot be mail. */
export function problemOfNames(path: RawPath, names: readonly string[]): CaptureProblem {
  const isBroken = (name: string): boolean => /[\r\n]/.test(name);
  const told = [
    wordsOfNames(names.filter(isBroken), "has a line break"),
    wordsOfNames(
      names.filter((name) => !isBroken(name)),
      'has nothing before its ":"',
    ),
  ];
  const message = `reading ${shownPath(path)}: ${told.flat().join("; ")}: that is no mail`;
  const hint =
    "Rename that file at the source if it is mail, as Dovecot names messages; else remove it from cur/ or new/.";
  return { ...problemOf(path, maildirError("message-name-invalid", message)), hint };
}

function wordsOfNames(names: readonly string[], what: string): string[] {
  return names.length === 0 ? [] : [`the name of ${names.map((name) => `"${displayRaw(name)}"`).join(", ")} ${what}`];
}

/** Numbered entries ("cur/NAME") that are no regular files. */
export function problemOfNotFiles(path: RawPath, names: readonly string[]): CaptureProblem {
  const shown = names.map((name) => displayRaw(name)).join(", ");
  const message = `reading messages of ${shownPath(path)}: ${shown} is no regular file, or has a date or a size that no message can have`;
  return problemOf(path, captureError("message-not-a-file", message));
}

/** `rounds` listings in a row, and none of them settled anything. */
export function problemOfRounds(path: RawPath, rounds: number): CaptureProblem {
  const message = `reading ${shownPath(path)}: after ${rounds} listings its files still do not fit together`;
  return problemOf(path, captureError("mailbox-unsettled", message));
}

/** Something without a UID ("cur/NAME") can get none, since it is no regular file. */
export function problemOfKind(path: RawPath, names: readonly string[]): CaptureProblem {
  const shown = names.length === 0 ? "something in cur/ or new/" : names.map((name) => displayRaw(name)).join(", ");
  const message = `numbering messages of ${shownPath(path)}: ${shown} is no regular file, or has a date or a size that no message can have`;
  return problemOf(path, captureError("message-not-a-file", message));
}

/** It is missing or was there for a moment, and no look at the store tells which. */
export function problemOfTurmoil(path: RawPath): CaptureProblem {
  const message = `looking for ${shownPath(path)}: it is not there, or comes and goes while mailboxes are renamed`;
  return problemOf(path, captureError("mailbox-restless", message));
}

export function shownPath(path: RawPath): string {
  return path === "" ? "INBOX" : displayRaw(path);
}

/** Dovecot's lock on that mailbox stays in other hands. */
export function problemOfLock(
  path: RawPath,
  { by, ageMs }: { readonly by: string; readonly ageMs: number },
): CaptureProblem {
  const message = `numbering messages of ${shownPath(path)}: dovecot-uidlist.lock has been held by ${by} for ${Math.round(ageMs / 1000)} s`;
  return problemOf(path, maildirError("lock-held", message));
}

/** Says nothing of which one is the copy: at first contact the one that is twinned was the first in the order of names. */
export function problemOfDuplicate({ path, of, isAstray, isRival }: Duplicate): CaptureProblem {
  if (isAstray === true) return problemOf(path, errorOfClaim(path, of));
  const which = isRival === true ? "and they are of two users: neither is twinned" : "which is the one that is twinned";
  const message = `examining mailbox ${displayRaw(path)}: its GUID is that of ${displayRaw(of)} too, ${which}`;
  return problemOf(path, captureError("mailbox-guid-twice", message));
}

/** Nothing is renamed or deleted meanwhile. `of`: where the mailbox with that GUID was known. */
export function errorOfClaim(path: RawPath, of: RawPath): MailtwinError<CaptureErrorCode> {
  const message = `examining mailbox ${displayRaw(path)}: it has the GUID of ${displayRaw(of)}, which is not there any more, and is not known to be that mailbox`;
  return captureError("mailbox-guid-twice", message);
}

/** Of all mailboxes at and below that mount point. */
export function problemOfMount(path: RawPath, why: "missing" | "another"): CaptureProblem {
  const what =
    why === "missing"
      ? "the file system that was mounted there is not mounted"
      : "another file system is mounted there than before, or one over mail that was there";
  return problemOf(path, captureError("mount-missing", `looking for mailboxes at ${displayRaw(path)}: ${what}`));
}

/** At that path the log has one that is held back, and cannot have two. */
export function errorOfHeld(path: RawPath): MailtwinError<CaptureErrorCode> {
  const message = `examining mailbox ${shownPath(path)}: it is in the place of one that is gone, and deletions are held back`;
  return captureError("deletions-held", message);
}

/** A part of a control directory, which is apart from the mail. */
export function problemOfControl(path: RawPath): CaptureProblem {
  const message = `looking for mailboxes at ${displayRaw(path)}: there is a dovecot-uidlist without mail, as where CONTROL= leads to`;
  return problemOf(path, captureError("uidlist-elsewhere", message));
}
