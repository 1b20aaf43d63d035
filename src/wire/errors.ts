/** Error codes of the wire. */
import { type ErrorKind, EX, MailtwinError } from "../base/errors.js";

const KINDS = {
  /** The other end closed the link or the link was cut. */
  "link-closed": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "Nothing is lost: run the command again and it goes on where it stopped.",
  },
  /** A message of the other end cannot be understood or breaks a limit. */
  "wire-invalid": {
    disposition: "operator",
    exitCode: EX.PROTOCOL,
    hint: "Both ends must run a mailtwin of the same protocol version; check what is at the other end.",
  },
  /** What is at the other end does not speak as mailtwin does: another service, or a shell that prints something at login. */
  "peer-not-mailtwin": {
    disposition: "operator",
    exitCode: EX.PROTOCOL,
    hint: "Check the address; over ssh, let the other end's shell print nothing when no one is at the terminal.",
  },
  /** The ends speak different protocol versions. */
  "protocol-differs": {
    disposition: "operator",
    exitCode: EX.PROTOCOL,
    hint: "Bring both ends to the same release of mailtwin.",
  },
} as const satisfies Record<string, ErrorKind>;

export type WireErrorCode = keyof typeof KINDS;

export function isLinkClosed(error: unknown): boolean {
  return error instanceof MailtwinError && error.code === "link-closed";
}

export function wireError(code: WireErrorCode, message: string, cause?: unknown): MailtwinError<WireErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, cause });
}
