/**
 * Which problems of mailboxes a live run tells before its end: those that stay. Much passes by itself between two looks (a lock
 * in other hands, a file that moves while it is read), and is nobody's concern.
 */
import type { RawPath } from "../base/raw-name.js";
import type { CaptureProblem } from "../capture/capture-types.js";

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
