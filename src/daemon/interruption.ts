/**
 * A run that is ended by a signal before it was finished: said as such, with an exit code of its own, 128 and the signal's number
 * as shells have it. Nothing is half done then; the next run goes on.
 */
import { MailtwinError } from "../base/errors.js";
import { daemonError } from "./errors.js";

/** The reason with which the signal of a command aborts. */
export function stopReason(signal: NodeJS.Signals): MailtwinError {
  return daemonError(signal === "SIGTERM" ? "terminated" : "interrupted", `stopped by ${signal} before the end`);
}

/** The same with what was done until then; a reason of another kind stays as it is. */
export function withWords(reason: unknown, words: string): unknown {
  if (!(reason instanceof MailtwinError)) return reason;
  if (reason.code !== "interrupted" && reason.code !== "terminated") return reason;
  return daemonError(reason.code, `${reason.message}: ${words}`);
}
