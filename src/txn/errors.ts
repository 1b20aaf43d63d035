/**
 * The catalogue of this room: what can be wrong with a transaction that came as bytes, or is about to become bytes.
 */
import { type ErrorKind, EX, MailtwinError } from "../base/errors.js";

export type TxnErrorCode = "transaction-invalid";

const KINDS: Readonly<Record<TxnErrorCode, ErrorKind>> = {
  /** Bytes that are no transaction, or one that breaks a limit, an order, or the grammar of a name. */
  "transaction-invalid": {
    disposition: "resync",
    exitCode: EX.PROTOCOL,
    hint: "The mailbox is compared instead. If it happens again, both sites need the same version of mailtwin.",
  },
};

export function isTransactionInvalid(error: unknown): boolean {
  return error instanceof MailtwinError && error.code === "transaction-invalid";
}

/** An operating failure of this room. `message`: what was being done, to what, why it failed; no full stop. */
export function txnError(
  code: TxnErrorCode,
  message: string,
  detail: Readonly<Record<string, string | number | boolean>> = {},
  cause?: unknown,
): MailtwinError<TxnErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, detail, cause });
}
