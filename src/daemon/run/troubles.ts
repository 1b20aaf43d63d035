/**
 * What is wrong with a store or a replica now: told once as it comes, kept for the status until it is over.
 *
 * INVARIANT: one trouble for each subject; the time since when it stands is that of its first moment, however often it comes again.
 * INVARIANT: how many troubles a peer can make of one is bounded: what it says counts only where it is a code that is known here.
 */
import { isOfSource, LAST_CODES } from "../../agent/farewell.js";
import { type MailtwinError, recordOfError } from "../../base/errors.js";
import { DAEMON_HINTS, hintInDaemon } from "./daemon-hints.js";
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

interface Standing {
  readonly trouble: Trouble;
  /** What tells it from another one. */
  readonly reason: string;
}

export class Troubles {
  readonly #bySubject = new Map<string, Standing>();

  get all(): readonly Trouble[] {
    return Array.from(this.#bySubject.values(), ({ trouble }) => trouble);
  }

  /** Returns whether it is news: another reason than before, or none before. `reason`: its code, where that says all. */
  note(subject: string, trouble: Omit<Trouble, "sinceMs">, nowMs: number, reason: string = trouble.code): boolean {
    const before = this.#bySubject.get(subject);
    const same = before?.reason === reason ? before.trouble : undefined;
    this.#bySubject.set(subject, { trouble: { ...trouble, sinceMs: same?.sinceMs ?? nowMs }, reason });
    return same?.level !== trouble.level;
  }

  /** Notes what failed; if it is news, logs it: as `OF-needs-you` where a person has to act, else as `OF-failed`. */
  noteFailure(subject: string, error: unknown, note: FailureNote): void {
    const { of, log, nowMs, hasLasted = false, seenAs } = note;
    const found = seenAs ?? troubleOf(error);
    const trouble = hasLasted ? { ...found, level: "needs-you" as const } : found;
    if (!this.note(subject, trouble, nowMs, isOfSource(error) ? reasonOfSource(error) : trouble.code)) return;
    const fields = { ...fieldsOfError(error), code: trouble.code, message: trouble.words, hint: trouble.hint };
    log.write(trouble.level === "healing" ? `${of}-failed` : `${of}-needs-you`, fields);
  }

  /** `level`: only if it is of that one. */
  over(subject: string, level?: Trouble["level"]): void {
    if (level === undefined || this.#bySubject.get(subject)?.trouble.level === level) this.#bySubject.delete(subject);
  }
}

/** By its disposition: what passes by itself heals, all else needs a person. */
export function troubleOf(error: unknown): Omit<Trouble, "sinceMs"> {
  const { code, message: words, hint, disposition } = recordOfError(error);
  const level = disposition === "retry" || disposition === "resync" ? "healing" : "needs-you";
  return { code, words, hint: hintInDaemon(code, hint), level };
}

/** Codes of last words of a source, beyond those that a daemon has a hint for. */
const OF_SOURCES = ["replica-emptied", "store-missing", "uids-too-high"];
const KNOWN: ReadonlySet<string> = new Set([...LAST_CODES.keys(), ...Object.keys(DAEMON_HINTS), ...OF_SOURCES]);

/** What tells last words of a source from others: their code, where it is known here. All others are alike: a peer can make up any. */
function reasonOfSource({ code, detail: { said } }: MailtwinError): string {
  return typeof said === "string" && KNOWN.has(said) ? `${code}: ${said}` : code;
}
