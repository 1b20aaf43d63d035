/**
 * The catalogue of this room: what can go wrong with the state database.
 *
 * None of these loses what was acknowledged before: a failed write leaves the database as it was.
 */
import { type ErrorKind, EX, MailtwinError } from "../base/errors.js";

export type LogErrorCode =
  | "state-busy"
  | "state-corrupt"
  | "state-disk-full"
  | "state-foreign"
  | "state-in-use"
  | "state-io-failed"
  | "state-too-new"
  | "state-too-old"
  | "state-unreachable";

const KINDS: Readonly<Record<LogErrorCode, ErrorKind>> = {
  /** Another process holds the state database longer than we wait. */
  "state-busy": {
    disposition: "operator",
    exitCode: EX.TEMPFAIL,
    hint: "Another mailtwin, or a shell of sqlite3, works on this state database: let it end, then run the command again.",
  },
  /** The state database, or something in it, is damaged. */
  "state-corrupt": {
    disposition: "operator",
    exitCode: EX.DATAERR,
    hint: "Move the state database (with its -wal and -shm files) aside and start again: the stores are compared, no mail is lost.",
  },
  /** No space left where the state database is. Nothing of the write remains; what was acknowledged is still there. */
  "state-disk-full": {
    disposition: "operator",
    exitCode: EX.IOERR,
    hint: "Free some space on the file system of that file, then run the command again: it goes on from where it stopped, and nothing is half visible.",
  },
  /** The file is no database, or another program's. */
  "state-foreign": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "That file was not made by mailtwin and was not touched: name another state directory, or move the file away.",
  },
  /** Another mailtwin process works with this state directory. */
  "state-in-use": {
    disposition: "operator",
    exitCode: EX.TEMPFAIL,
    hint: "Another mailtwin twins these two stores: stop it, or let it go on and do nothing.",
  },
  /** Reading or writing the state database failed below us. */
  "state-io-failed": {
    disposition: "operator",
    exitCode: EX.IOERR,
    hint: "The file system reports an error: check the kernel log before anything else.",
  },
  /** A newer mailtwin has written this state database. */
  "state-too-new": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "Install the mailtwin version that wrote it, or a later one; it was not touched.",
  },
  /** An older mailtwin wrote this state database and it has not been upgraded yet. */
  "state-too-old": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "Run `mailtwin sync` once without --dry-run, or start the daemon: that upgrades the state database.",
  },
  /** The state database cannot be opened or written: no such directory, or no permission. */
  "state-unreachable": {
    disposition: "operator",
    exitCode: EX.NOPERM,
    hint: "Check that the state directory exists and that this user may write to it and to the files in it.",
  },
};

/** An operating failure of this room. `message`: what was being done, to what, why it failed; no full stop. */
export function logError(
  code: LogErrorCode,
  message: string,
  detail: Readonly<Record<string, string | number | boolean>> = {},
  cause?: unknown,
): MailtwinError<LogErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, detail, cause });
}
