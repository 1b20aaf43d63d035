/**
 * System errors in the operator's terms: "opening /var/vmail/u/cur/x: ENOENT: no such file or directory".
 *
 * The disk addresses files as /proc/self/fd/N/name, which means nothing to a reader and is reused a moment later, so
 * a system error never leaves the disk as Node made it. `code`, `errno` and `syscall` stay, for `errnoOf`.
 */
import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";
import { errnoOf } from "./errors.js";
import { displayRaw } from "./raw-name.js";

/** What was being attempted, to which path (bytes-in-a-string, absolute). `to` for the calls with two paths. */
export interface Attempt {
  readonly doing: string;
  readonly path: string;
  readonly to?: string;
}

/** Rewrites a system error after the attempt; anything else is a defect and comes back untouched. */
export function explainSystemError(error: unknown, attempt: Attempt): unknown {
  const code = errnoOf(error);
  if (code === undefined) return error;
  const { errno, syscall } = error as NodeJS.ErrnoException;
  return build(code, errno, syscall, attempt);
}

/** A system error that we raise ourselves, where the kernel would have let us go on. */
export function makeSystemError(code: keyof typeof constants.errno, attempt: Attempt): Error {
  return build(code, -constants.errno[code], undefined, attempt);
}

function build(code: string, errno: number | undefined, syscall: string | undefined, attempt: Attempt): Error {
  const error: NodeJS.ErrnoException = new Error(`${describeAttempt(attempt)}: ${code}: ${describeErrno(errno)}`);
  error.code = code;
  error.path = displayRaw(attempt.path);
  if (errno !== undefined) error.errno = errno;
  if (syscall !== undefined) error.syscall = syscall;
  return error;
}

export function describeAttempt({ doing, path, to }: Attempt): string {
  return to === undefined ? `${doing} ${displayRaw(path)}` : `${doing} ${displayRaw(path)} to ${displayRaw(to)}`;
}

/** Why something failed, as all our messages have it: "EACCES: permission denied", or its own words. */
export function whyItFailed(error: unknown): string {
  const code = errnoOf(error);
  if (code === undefined) return error instanceof Error ? error.message : String(error);
  const { errno } = error as NodeJS.ErrnoException;
  return `${code}: ${describeErrno(errno ?? -constants.errno[code as keyof typeof constants.errno])}`;
}

function describeErrno(errno: number | undefined): string {
  const known = errno === undefined ? undefined : getSystemErrorMap().get(errno);
  return known?.[1] ?? "unknown system error";
}
