/**
 * Problems that a run tells as they come, and which of those of mailboxes a live run tells before its end: those that stay. Much
 * passes by itself between two looks (a lock in other hands, a file that moves while it is read), and is nobody's concern.
 */
import { systemHintOf } from "../base/errors.js";
import { displayRaw, type RawPath } from "../base/raw-name.js";
import type { CaptureProblem } from "../capture/capture-types.js";
import type { RejectionRow } from "../log/state-types.js";
import type { ProblemReport } from "./reporter.js";
import { mailboxName } from "./words.js";

export class StandingProblems {
  /** Codes, as numbers in a message may change. */
  #seen: ReadonlyMap<RawPath, string> = new Map();
  readonly #told = new Map<RawPath, string>();

  /** Those that stood at the last call too, each once for as long as it stands. */
  due(problems: ReadonlyMap<RawPath, CaptureProblem>): readonly CaptureProblem[] {
    const due = [...problems.values()].filter(
      ({ path, code }) => this.#seen.get(path) === code && this.#told.get(path) !== code,
    );
    for (const path of this.#told.keys()) if (!problems.has(path)) this.#told.delete(path);
    for (const { path, code } of due) this.#told.set(path, code);
    this.#seen = new Map([...problems.values()].map(({ path, code }) => [path, code]));
    return due;
  }
}

const REJECTED_HINT =
  "The other mailboxes go on. It is kept in the log; remove the cause, and the next run tries it again.";
const MISSING_HINT =
  "The other mailboxes go on. If it was removed in DST, the next run compares DST as at first contact and makes it anew.";

const HINTS: Readonly<Record<string, string>> = {
  "mailbox-missing": MISSING_HINT,
  "mailbox-occupied":
    "The other mailboxes go on. Rename the mailbox that stands there in DST (as one of its clients can), or move its directory out of DST: the next run makes SRC's in its place.",
  "uidlist-damaged":
    "The other mailboxes go on. Before Dovecot reads it, restore dovecot-uidlist of that mailbox in DST, or remove that file: the next run then compares DST as at first contact, and sends nothing that is there.",
  "uidvalidity-differs":
    "The other mailboxes go on. Was dovecot-uidlist of DST lost, or put back from a backup? As it was before it is right again. Else `mailtwin sync SRC DST --accept-uidvalidity` has it take SRC's, and clients of DST fetch that mailbox anew.",
  "mailbox-denied": `Let the user that mailtwin runs as change what the message names: owner and mode (ls -ld, chown, chmod); for root an attribute (lsattr; chattr -i -a), or an export that squashes root. ${REJECTED_HINT}`,
};

export function problemOfRejection(row: Pick<RejectionRow, "path" | "code" | "message">): ProblemReport {
  return {
    path: displayRaw(row.path),
    code: row.code,
    message: `shipping to ${mailboxName(row.path)}: ${row.message}`,
    hint: Object.hasOwn(HINTS, row.code)
      ? (HINTS[row.code] ?? REJECTED_HINT)
      : [systemHintOf(row.code) ?? [], REJECTED_HINT].flat().join(" "),
  };
}

export function problemOfWatch(error: Error): ProblemReport {
  return {
    path: "",
    code: "watch-refused",
    message: `watching the source: ${error.message}`,
    hint: "Changes are found by sweeps until it succeeds; are fs.inotify.max_user_watches and max_user_instances too low?",
  };
}
