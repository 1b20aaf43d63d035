/**
 * The one error class for operating failures: what was being done, to what, why it failed, what to do.
 *
 * Expected outcomes are values, not errors; programmer errors are assertions (assert.ts). Each room has a catalogue
 * `errors.ts` that maps its codes to a disposition and a hint; callers branch on `code` or `disposition`, never on text.
 */

/** What a caller does with a failure: try again, compare states, ask a person, or stop because the program is wrong. */
export type Disposition = "retry" | "resync" | "operator" | "bug";

/** One entry of a room's catalogue. The hint tells the operator what to do next. */
export interface ErrorKind {
  readonly disposition: Disposition;
  /** sysexits(3) code for a command that ends with this error. */
  readonly exitCode: number;
  readonly hint: string;
}

/** sysexits(3), as far as this program uses them. */
export const EX = {
  OK: 0,
  /** Ended, but some mailboxes or messages need a person (rsync's "partial transfer" spirit; `verify`: differs). */
  PARTIAL: 1,
  USAGE: 64,
  DATAERR: 65,
  NOINPUT: 66,
  UNAVAILABLE: 69,
  SOFTWARE: 70,
  OSERR: 71,
  CANTCREAT: 73,
  IOERR: 74,
  TEMPFAIL: 75,
  PROTOCOL: 76,
  NOPERM: 77,
  CONFIG: 78,
} as const;

export interface MailtwinErrorParts<Code extends string> {
  readonly code: Code;
  readonly kind: ErrorKind;
  /** "What was being done, to what: why it failed", one sentence without a full stop. */
  readonly message: string;
  /** Names and numbers of the case, for machines. */
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
  readonly cause?: unknown;
}

/** An operating failure. Made only through a room's own factory, so that every code is in a catalogue. */
export class MailtwinError<Code extends string = string> extends Error {
  override readonly name = "MailtwinError";
  readonly code: Code;
  readonly disposition: Disposition;
  readonly exitCode: number;
  readonly hint: string;
  readonly detail: Readonly<Record<string, string | number | boolean>>;

  constructor(parts: MailtwinErrorParts<Code>) {
    super(parts.message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = parts.code;
    this.disposition = parts.kind.disposition;
    this.exitCode = parts.kind.exitCode;
    this.hint = parts.kind.hint;
    this.detail = parts.detail ?? {};
  }
}

/** The plain form of an error that crosses a thread or the wire; `reviveError` is its inverse. */
export interface ErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly disposition: Disposition;
  readonly exitCode: number;
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

const SYSTEM_HINTS: Readonly<Record<string, readonly [Disposition, number, string]>> = {
  ENOSPC: [
    "operator",
    EX.IOERR,
    "Free some space on that file system and run the command again; nothing is half visible.",
  ],
  EDQUOT: [
    "operator",
    EX.IOERR,
    "Raise the quota or free some space and run the command again; nothing is half visible.",
  ],
  EACCES: ["operator", EX.NOPERM, "Run as a user who may read and write there (root or the mail owner)."],
  EPERM: ["operator", EX.NOPERM, "Run as a user who may read and write there (root or the mail owner)."],
  EROFS: ["operator", EX.NOPERM, "The file system is mounted read-only: remount it, then run the command again."],
  ENOENT: ["retry", EX.NOINPUT, "It vanished meanwhile, or was never there: check the path."],
  ELOOP: [
    "operator",
    EX.NOPERM,
    "A symbolic link stands where a real file or directory must be; links are never followed.",
  ],
  EISDIR: ["operator", EX.DATAERR, "A directory stands where a file must be: move it away, and put the file back."],
  ENOTDIR: ["operator", EX.DATAERR, "Something else stands where a directory must be: move it away."],
  ENXIO: ["operator", EX.DATAERR, "A socket or a device stands where a file must be: move it away."],
  EINVAL: [
    "operator",
    EX.DATAERR,
    "Look at what stands there: if it is no regular file (a pipe, a device), move it away; else the file system cannot do what was asked.",
  ],
  EAGAIN: [
    "retry",
    EX.TEMPFAIL,
    "A program keeps others from opening that file (a lease, see fcntl(2)): find it in /proc/locks, and end it.",
  ],
  EMFILE: [
    "operator",
    EX.OSERR,
    "Too many open files: raise the limit to some thousands (ulimit -n, LimitNOFILE= in a unit), and run the command again.",
  ],
  ENFILE: ["operator", EX.OSERR, "Too many open files in the whole system: raise fs.file-max, or see who has them."],
  EIO: ["operator", EX.IOERR, "The disk reports an error: check the kernel log before anything else."],
};

/** What to do about a system error; undefined for what is none, or one without advice. */
export function systemHintOf(code: string): string | undefined {
  return SYSTEM_HINTS[code]?.[2];
}

/** Turns anything thrown into a record: ours as it is, a system error by its errno, anything else as a bug. */
export function recordOfError(error: unknown): ErrorRecord {
  if (error instanceof MailtwinError) {
    const { code, message, hint, disposition, exitCode, detail } = error;
    return { code, message, hint, disposition, exitCode, detail };
  }
  const errno = errnoOf(error);
  const known = errno === undefined ? undefined : SYSTEM_HINTS[errno];
  if (error instanceof Error && errno !== undefined) {
    const [disposition, exitCode, hint] = known ?? [
      "operator",
      EX.OSERR,
      "The system refused; its own words are in the message.",
    ];
    return { code: errno, message: error.message, hint, disposition, exitCode, detail: {} };
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return {
    code: "bug",
    message,
    hint: "This is a defect of mailtwin: please report it.",
    disposition: "bug",
    exitCode: EX.SOFTWARE,
    detail: {},
  };
}

/** Makes an error of a record again, on the other side of a thread or link. */
export function reviveError(record: ErrorRecord): MailtwinError {
  const { code, message, detail, ...kind } = record;
  return new MailtwinError({ code, message, detail, kind });
}

/** The errno name of a system error ("ENOENT"), if it is one. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  const { code } = error;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
