/**
 * What is wrong with a store or a replica now: told once as it comes, kept for the status until it is over.
 *
 * INVARIANT: one trouble for each subject; the time since when it stands is that of its first moment, however often it comes again.
 */
import { recordOfError } from "../../base/errors.js";
import { hintInDaemon } from "./daemon-hints.js";
import { type EventLog, fieldsOfError } from "./event-log.js";

export interface Trouble {
  readonly code: string;
  readonly words: string;
  readonly hint: string;
  readonly sinceMs: number;
  /** healing: it mends itself. needs-you: a person has to do something. */
  readonly level: "healing" | "needs-you";
}

interface FailureNote {
  readonly of: "store" | "replica";
  readonly log: EventLog;
  readonly nowMs: number;
  /** For so long that a person is to look, whatever it is. */
  readonly hasLasted?: boolean;
  /** What it has come to, where that is more than the error says. */
  readonly seenAs?: Omit<Trouble, "sinceMs">;
}

export class Troubles {
  readonly #bySubject = new Map<string, Trouble>();

  get all(): readonly Trouble[] {
    return [...this.#bySubject.values()];
  }

  /** Returns whether it is news: another code than before, or none before. */
  note(subject: string, trouble: Omit<Trouble, "sinceMs">, nowMs: number): boolean {
    const before = this.#bySubject.get(subject);
    const isSame = before?.code === trouble.code && before.level === trouble.level;
    this.#bySubject.set(subject, { ...trouble, sinceMs: before?.code === trouble.code ? before.sinceMs : nowMs });
    return !isSame;
  }

  /** Notes what failed; if it is news, logs it: as `OF-needs-you` where a person has to act, else as `OF-failed`. */
  noteFailure(subject: string, error: unknown, { of, log, nowMs, hasLasted = false, seenAs }: FailureNote): void {
    const found = seenAs ?? troubleOf(error);
    const trouble = hasLasted ? { ...found, level: "needs-you" as const } : found;
    if (!this.note(subject, trouble, nowMs)) return;
    const fields = { ...fieldsOfError(error), code: trouble.code, message: trouble.words };
    log.write(trouble.level === "healing" ? `${of}-failed` : `${of}-needs-you`, fields);
  }

  over(subject: string): void {
    this.#bySubject.delete(subject);
  }
}

/** By its disposition: what passes by itself heals, all else needs a person. */
export function troubleOf(error: unknown): Omit<Trouble, "sinceMs"> {
  const { code, message: words, hint, disposition } = recordOfError(error);
  const level = disposition === "retry" || disposition === "resync" ? "healing" : "needs-you";
  return { code, words, hint: hintInDaemon(code, hint), level };
}
