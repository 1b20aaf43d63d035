/**
 * What may go wrong in one place of the store, the rest being well: an owner's mistake, a link, a file in the way of a directory,
 * a lock that is taken away, a file of Dovecot's that is none. That is the mailbox's divergence; what concerns the whole store
 * (a full disk, a lost one, a scratch directory that is gone) is thrown, and so is a defect.
 */
import { errnoOf, MailtwinError } from "../base/errors.js";
import type { Transaction } from "../txn/transaction.js";
import type { ExecuteOutcome } from "./apply-types.js";
import { type Divergence, divergence } from "./divergence.js";

const REFUSALS: ReadonlySet<string> = new Set([
  "EACCES",
  "EPERM",
  "ELOOP",
  "ENOTDIR",
  "EISDIR",
  "ENAMETOOLONG",
  "EEXIST",
  "EINVAL", // no regular file where there should be one.
  "ENXIO", // a socket.
  "ENOENT", // taken away meanwhile; a store or a scratch directory that is gone has codes of its own.
  "ENOTEMPTY", // filled meanwhile.
]);

/** What the rooms below say of one mailbox's own files. */
const OF_MAILBOX: ReadonlySet<string> = new Set([
  "file-changed",
  "keyword-name-invalid",
  "keywords-damaged",
  "lock-held",
  "lock-lost",
  "mailbox-is-link",
  "mailbox-name-invalid",
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
    return { kind: "diverged", divergence: divergence({ kind: "path-refused", mailbox, path, why: whyOf(error) }) };
  }
}

/** Whether the error says something of one mailbox, and nothing of the store, the disk or this program. */
export function isOfMailbox(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isOfMailbox);
  if (!(error instanceof MailtwinError)) return REFUSALS.has(errnoOf(error) ?? "");
  // What its owner took away while it was being done could not be taken back: its next transaction sets the mailbox right.
  if (error.code === "undo-incomplete") return isOfMailbox(error.cause);
  return OF_MAILBOX.has(error.code);
}

/**
 * Whether it is worth another try at once: Dovecot renames for a flag without our lock, an owner moves a directory or removes the
 * lock. What was done is undone, and what was looked up a moment ago has to be looked up again.
 */
function isPassing(error: unknown): boolean {
  if (error instanceof MailtwinError) return ["file-changed", "lock-lost", "mailbox-vanished"].includes(error.code);
  return errnoOf(error) === "ENOENT";
}

/** Runs `execute`; "busy", to be tried again, where what it worked on was taken away meanwhile. */
export function whileStanding(execute: () => ExecuteOutcome): ExecuteOutcome {
  try {
    return execute();
  } catch (error) {
    if (!isPassing(error)) throw error;
    const isTaken = error instanceof MailtwinError && error.code === "lock-lost";
    return { kind: "busy", by: isTaken ? "somebody who removes ours" : "changes of flags", ageMs: 0 };
  }
}

/** With what to do where the words do not say so. */
function whyOf(error: Error): string {
  return error instanceof MailtwinError ? `${error.message} (${error.hint.replace(/\.$/, "")})` : error.message;
}
