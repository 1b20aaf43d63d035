/**
 * The catalogue of this room: why mail could not be written. A transaction that does not fit is no error but a
 * `Divergence`; these are for a machine that does not let us work.
 */
import { type ErrorKind, EX, MailtwinError } from "../base/errors.js";

export type ApplyErrorCode =
  | "limbo-file-missing"
  | "scratch-foreign"
  | "scratch-missing"
  | "scratch-other-file-system"
  | "destination-missing"
  | "undo-incomplete";

const KINDS: Readonly<Record<ApplyErrorCode, ErrorKind>> = {
  /** A body was to be put back and is not where it was set aside. */
  "limbo-file-missing": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Somebody removed it from the scratch directory: take the message from a backup or from the other side.",
  },
  /** Something in the scratch directory belongs to another user than the directory. */
  "scratch-foreign": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "Find out who put it there. Move it out of the scratch directory, or give it to the user that mailtwin runs as if that was you.",
  },
  /** The scratch directory is not there, cannot be opened, or is another one than at the start. */
  "scratch-missing": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "Put back the directory that was there when the run began, or remove what stands in its place; who may write in the directory above? Then run the command again.",
  },
  /** Mail cannot be moved into the limbo, or a new mailbox into the store, in one step. */
  "scratch-other-file-system": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "Set the scratch directory to one on the same file system as the mail, outside of every mail root.",
  },
  /** The store's directory is not there, cannot be opened, or is another one than at the start: a file system may not be mounted. */
  "destination-missing": {
    disposition: "operator",
    exitCode: EX.UNAVAILABLE,
    hint: "Mount the file system of the store, or correct the path; nothing was written there. The next run goes on.",
  },
  /** A write failed, and taking back what came before it failed as well. */
  "undo-incomplete": {
    disposition: "operator",
    exitCode: EX.IOERR,
    hint: "See to the disk first (space, read-only, errors). The transaction is repeated then and sets the mailbox right.",
  },
};

/** An operating failure of this room. `message`: what was being done, to what, why it failed; no full stop. */
export function applyError(
  code: ApplyErrorCode,
  message: string,
  detail: Readonly<Record<string, string | number | boolean>> = {},
  cause?: unknown,
): MailtwinError<ApplyErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, detail, cause });
}
