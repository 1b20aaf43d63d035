/** The catalogue of this room: what can go wrong while two stores are compared. */
import { type ErrorKind, EX, MailtwinError } from "../base/errors.js";

const KINDS = {
  /** A mailbox was asked about that the last look at the store did not have. */
  "compared-unknown": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "The mailbox was renamed or deleted while the stores were compared: compare them again.",
  },
  /** The store to be compared is not there, or cannot be read. */
  "compared-missing": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Is the path right, is the file system mounted, and may this user read it?",
  },
  /** Bytes of a message are others on the two sides, and the source's are not known to be the right ones: nothing is written over. */
  "bodies-differ": {
    disposition: "operator",
    exitCode: EX.PARTIAL,
    hint: "Nothing was written over. Look at both files: docs/operating.md, Bodies that are read again, says how to put it right.",
  },
  /** What the other side says of its store cannot be true of any. */
  "compared-confused": {
    disposition: "operator",
    exitCode: EX.PROTOCOL,
    hint: "Both ends must run a mailtwin of the same version; check what is at the other end. Nothing was written.",
  },
  /** The other end cannot be compared with: it is no store that stands somewhere. */
  "compared-unsupported": {
    disposition: "operator",
    exitCode: EX.UNAVAILABLE,
    hint: "Install the same release of mailtwin over there, or compare two directories on one host.",
  },
} as const satisfies Record<string, ErrorKind>;

export type ResyncErrorCode = keyof typeof KINDS;

export function resyncError(
  code: ResyncErrorCode,
  message: string,
  cause?: unknown,
  detail: Readonly<Record<string, string>> = {},
): MailtwinError<ResyncErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, cause, detail });
}

/** What the other side says cannot be true of any store. */
export function comparedConfused(words: string): MailtwinError<ResyncErrorCode> {
  return resyncError("compared-confused", `comparing with the other side: ${words}`);
}
