/**
 * Mailboxes of a source that are not captured: since when, and told in the log, each once as it comes and once as it is over.
 *
 * INVARIANT: what passes between two looks is not told; what has not been told is not told to be over.
 */
import { displayRaw, type RawPath } from "../../base/raw-name.js";
import type { CaptureProblem } from "../../capture/capture-types.js";
import type { EventLog } from "./event-log.js";

/** A store of many mailboxes can have as many problems: the rest is told at the next look. */
const TOLD_MAX = 100;

interface Known {
  readonly code: string;
  readonly sinceMs: number;
  isTold: boolean;
}

export class MailboxProblems {
  readonly #log: EventLog;
  readonly #known = new Map<RawPath, Known>();

  constructor(log: EventLog) {
    this.#log = log;
  }

  /** Undefined for what no look has found yet. */
  sinceMs({ path, code }: Pick<CaptureProblem, "path" | "code">): number | undefined {
    const known = this.#known.get(path);
    return known?.code === code ? known.sinceMs : undefined;
  }

  /** `problems`: all that stand now. `isWhole`: of a store that was looked at as a whole, so that what is not among them is over. */
  look(
    problems: ReadonlyMap<RawPath, CaptureProblem>,
    { isWhole, nowMs }: { readonly isWhole: boolean; readonly nowMs: number },
  ): void {
    let left = TOLD_MAX;
    if (isWhole) for (const [path, known] of this.#known) if (!problems.has(path)) this.#over(path, known);
    for (const { path, code, message, hint } of problems.values()) {
      const known = this.#known.get(path);
      if (known?.code !== code) this.#known.set(path, { code, sinceMs: nowMs, isTold: false });
      else if (!known.isTold && left > 0) {
        known.isTold = true;
        left -= 1;
        this.#log.write("mailbox-needs-you", { mailbox: displayRaw(path), code, message, hint });
      }
    }
  }

  #over(path: RawPath, { code, isTold }: Known): void {
    this.#known.delete(path);
    if (isTold) this.#log.write("mailbox-well", { mailbox: displayRaw(path), code });
  }
}
