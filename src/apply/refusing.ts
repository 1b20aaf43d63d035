/**
 * What the system may refuse in one place of the store, the rest being well: an owner's mistake, a link, a file in the way of
 * a directory. That is the mailbox's divergence; what concerns the whole store (a full disk, a lost one) is thrown.
 */
import { errnoOf, MailtwinError } from "../base/errors.js";
import type { Transaction } from "../txn/transaction.js";
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
]);

/** Runs `use`; throws what is no matter of this mailbox alone. */
export function refusing<T>(
  { mailbox, path }: Pick<Transaction, "mailbox" | "path">,
  use: () => T,
): T | { readonly kind: "diverged"; readonly divergence: Divergence } {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof Error) || !isRefusal(error)) throw error;
    return { kind: "diverged", divergence: divergence({ kind: "path-refused", mailbox, path, why: error.message }) };
  }
}

function isRefusal(error: Error): boolean {
  if (error instanceof MailtwinError) return error.code === "mailbox-is-link";
  return REFUSALS.has(errnoOf(error) ?? "");
}
