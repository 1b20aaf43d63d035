/**
 * What may go wrong in one place of the store, the rest being well: an owner's mistake, a link, a file in the way of a directory,
 * a lock that is taken away, a file of Dovecot's that is none. That is the mailbox's divergence; what concerns the whole store
 * (a full disk, a lost one, a scratch directory that is gone) is thrown, and so is a defect.
 */
import { errnoOf, MailtwinError } from "../base/errors.js";
import type { Transaction } from "../txn/transaction.js";
import type { ExecuteOutcome } from "./apply-types.js";
import { type Divergence, divergence } from "./divergence.js";

/**
 * What the system says of the whole store, of the disk, of this process or of a defect. Whatever else it refuses in one place is that
 * place's matter: owners think of more than can be listed (a lease on a file: EAGAIN).
 */
const OF_ALL: ReadonlySet<string> = new Set([
  ...["ENOSPC", "EDQUOT", "EIO", "EROFS", "ESTALE", "ENOTCONN", "ENODEV", "ETIMEDOUT"],
  ...["EMFILE", "ENFILE", "ENOMEM"],
  ...["EBADF", "EFAULT", "ENOSYS"],
]);

/** What a right, an attribute of a file, or an export is in the way of; the mailbox stands where it belongs. */
const DENIED: ReadonlySet<string> = new Set(["EACCES", "EPERM"]);

/** What its owner's program lets go of again, or does not: tried again for a while. */
const PASSING: ReadonlySet<string> = new Set(["ENOENT", "EAGAIN", "ETXTBSY"]);

/** What the rooms below say of one mailbox's own files. */
const OF_MAILBOX: ReadonlySet<string> = new Set([
  "file-changed",
  "keyword-name-invalid",
  "keywords-damaged",
  "lock-held",
  "lock-lost",
  "mailbox-is-link",
  "mailbox-name-invalid",
  "mailbox-too-deep",
  "mailbox-vanished",
  "mailbox-without-cur",
  "message-name-invalid",
  "uid-out-of-range",
  "uidlist-damaged",
  "uidlist-too-large",
  "uidlist-unsupported",
  "uidvalidity-invalid",
]);

/** Runs `use`; throws what is no matter of this mailbox alone. */
export function refusing<T>(
  { mailbox, path }: Pick<Transaction, "mailbox" | "path">,
  use: () => T,
): T | { readonly kind: "diverged"; readonly divergence: Divergence } {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof Error) || !isOfMailbox(error)) throw error;
    const kind = DENIED.has(errnoOf(rootOf(error)) ?? "") ? "mailbox-denied" : "path-refused";
    return { kind: "diverged", divergence: divergence({ kind, mailbox, path, why: whyOf(error) }) };
  }
}

/** Whether the error says something of one mailbox, and nothing of the store, the disk or this program. */
export function isOfMailbox(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isOfMailbox);
  if (!(error instanceof MailtwinError)) return isOfPlace(errnoOf(error));
  // What its owner took away while it was being done could not be taken back: its next transaction sets the mailbox right.
  if (error.code === "undo-incomplete") return isOfMailbox(error.cause);
  return OF_MAILBOX.has(error.code);
}

function isOfPlace(errno: string | undefined): boolean {
  return errno !== undefined && !OF_ALL.has(errno);
}

/**
 * Whether it is worth another try at once: Dovecot renames for a flag without our lock, an owner moves a directory or removes the
 * lock. What was done is undone, and what was looked up a moment ago has to be looked up again.
 */
function isPassing(error: unknown): boolean {
  if (error instanceof MailtwinError) return ["file-changed", "lock-lost", "mailbox-vanished"].includes(error.code);
  return PASSING.has(errnoOf(error) ?? "");
}

/** Runs `execute`; "busy", to be tried again, where what it worked on was taken away meanwhile. */
export function whileStanding(execute: () => ExecuteOutcome): ExecuteOutcome {
  try {
    return execute();
  } catch (error) {
    if (!isPassing(error)) throw error;
    return { kind: "busy", by: whoseDoing(error), ageMs: 0 };
  }
}

function whoseDoing(error: unknown): string {
  if (error instanceof MailtwinError && error.code === "lock-lost") return "somebody who removes ours";
  return errnoOf(error) === "EAGAIN" ? "a program with a lease on one of its files" : "changes of flags";
}

/** The failure that the others follow from. */
function rootOf(error: unknown): unknown {
  if (error instanceof AggregateError) return rootOf(error.errors[0]);
  return error instanceof MailtwinError && error.code === "undo-incomplete" ? rootOf(error.cause) : error;
}

/** With what to do where the words do not say so. */
function whyOf(error: Error): string {
  return error instanceof MailtwinError ? `${error.message} (${error.hint.replace(/\.$/, "")})` : error.message;
}
