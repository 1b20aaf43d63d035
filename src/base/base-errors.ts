/**
 * The catalogue of this room: operating failures of the foundation that are no plain system errors.
 *
 * Each code has one disposition, one exit code and one hint; `baseError` is the only way to make one.
 */
import { type ErrorKind, EX, MailtwinError } from "./errors.js";

export type BaseErrorCode =
  | "append-torn"
  | "file-changed"
  | "proc-missing"
  | "short-write"
  | "sync-failed"
  | "sync-killed"
  | "worker-closed"
  | "worker-died";

const KINDS: Readonly<Record<BaseErrorCode, ErrorKind>> = {
  /** An append failed half way and could not be taken back: the file ends in a piece of a record. */
  "append-torn": {
    disposition: "operator",
    exitCode: EX.IOERR,
    hint: "The end of that file holds part of a record and could not be cut off: check the disk, then cut it by hand.",
  },
  /** A file is not as long as the caller read it: someone else wrote to it. Nothing was written. */
  "file-changed": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "Another program wrote to it at the same moment; it is read again and the change repeated.",
  },
  /** /proc is not mounted, and without it a child of an open directory cannot be named. */
  "proc-missing": {
    disposition: "operator",
    exitCode: EX.OSERR,
    hint: "Mount /proc where mailtwin runs (in a chroot or container too).",
  },
  /** The kernel took a part of a write only; the file was cut back to what it was. */
  "short-write": {
    disposition: "operator",
    exitCode: EX.IOERR,
    hint: "Free some space or raise the quota or file size limit there and run the command again; nothing is half written.",
  },
  /** sync(1) ran and failed: nothing written before may be called durable. */
  "sync-failed": {
    disposition: "operator",
    exitCode: EX.IOERR,
    hint: "The disk did not confirm the writes: check the kernel log before anything else.",
  },
  /** The shell that starts sync(1), or sync(1) itself, was ended by a signal twice: nothing is known of the disk. */
  "sync-killed": {
    disposition: "retry",
    exitCode: EX.OSERR,
    hint: "Something ends mailtwin's child processes (a limit of memory or processes, a person): see the system's log, then run the command again. Nothing is half done.",
  },
  /** A call reached a worker thread that was already shut down on purpose. */
  "worker-closed": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "mailtwin was shutting down; run the command again.",
  },
  /** A worker thread ended by itself: a defect, or out of memory. Whatever it was doing is unknown. */
  "worker-died": {
    disposition: "bug",
    exitCode: EX.SOFTWARE,
    hint: "This is a defect of mailtwin unless the message says that memory ran out: please report it.",
  },
};

export interface BaseErrorParts {
  readonly message: string;
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
  readonly cause?: unknown;
}

/** An operating failure of this room. `message` follows the house form: what, to what, why. */
export function baseError(code: BaseErrorCode, parts: BaseErrorParts): MailtwinError<BaseErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], ...parts });
}
