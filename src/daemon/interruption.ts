/**
 * A run that is ended by a signal before it was finished: said as such, with an exit code of its own, 128 and the signal's number
 * as shells have it. Nothing is half done then; the next run goes on. And why one has failed of which both ends say something.
 */
import { systemClock } from "../base/clock.js";
import { MailtwinError } from "../base/errors.js";
import { isLinkClosed } from "../wire/errors.js";
import { daemonError } from "./errors.js";

/** The signals that end a run. */
export const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** How long the end that failed may take to say so. */
const CAUSE_MS_MAX = 2_000;

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

/** Rejects with why it failed: when one end only found the link closed, with why the other end closed it. */
export async function firstCause(ends: readonly Promise<void>[], lost: Promise<never>): Promise<void> {
  try {
    await Promise.all([...ends, lost]);
  } catch (error) {
    if (!isLinkClosed(error)) throw error;
    const quiet = AbortSignal.timeout(CAUSE_MS_MAX * 2);
    const settled = await Promise.race([Promise.allSettled(ends), systemClock.sleep(CAUSE_MS_MAX, quiet)]);
    const causes = (settled ?? []).flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
    throw causes.find((cause) => !isLinkClosed(cause)) ?? error;
  }
}
