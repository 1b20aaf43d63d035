/**
 * A run that is ended by a signal before it was finished: said as such, with an exit code of its own, 128 and the signal's number
 * as shells have it. Nothing is half done then; the next run goes on.
 */
import { MailtwinError } from "../base/errors.js";
import { daemonError } from "./errors.js";

/** The signals that end a run. */
export const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const CODES = ["interrupted", "terminated", "hung-up"] as const;

/** The reason with which the signal of a command aborts. */
export function stopReason(signal: NodeJS.Signals): MailtwinError {
  return daemonError(codeOf(signal), `stopped by ${signal} before the end`);
}

function codeOf(signal: NodeJS.Signals): (typeof CODES)[number] {
  if (signal === "SIGTERM") return "terminated";
  return signal === "SIGHUP" ? "hung-up" : "interrupted";
}

/** The same with what was done until then; a reason of another kind stays as it is. */
export function withWords(reason: unknown, words: string): unknown {
  if (!(reason instanceof MailtwinError)) return reason;
  const code = CODES.find((each) => each === reason.code);
  return code === undefined ? reason : daemonError(code, `${reason.message}: ${words}`);
}
