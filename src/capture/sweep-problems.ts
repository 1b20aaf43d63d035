/**
 * Which of the problems that are known come from looks at the whole store: the next look says whether they are over.
 *
 * INVARIANT: the problem of a mailbox that is missing, since something else stands in its place, stays until the mailbox is found
 * again or its going is in the log: a run that ends in between is to name it.
 */
import type { RawPath } from "../base/raw-name.js";
import type { CaptureProblem } from "./capture-types.js";

export class SweepProblems {
  readonly #problems: Map<RawPath, CaptureProblem>;
  #paths = new Set<RawPath>();

  /** `problems`: all that are known, by path. */
  constructor(problems: Map<RawPath, CaptureProblem>) {
    this.#problems = problems;
  }

  /** What a look found; `missing`: paths of mailboxes that it did not find. */
  replace(found: readonly CaptureProblem[], missing: readonly (RawPath | undefined)[]): void {
    const stillMissing = new Set(missing);
    for (const path of this.#paths) if (!stillMissing.has(path)) this.#problems.delete(path);
    const kept = [...this.#paths].filter((path) => stillMissing.has(path));
    this.#paths = new Set([...kept, ...found.map(({ path }) => path)]);
    for (const problem of found) this.#problems.set(problem.path, problem);
  }

  /** Of a mailbox that the last look missed. */
  add(problem: CaptureProblem): void {
    this.#paths.add(problem.path);
    this.#problems.set(problem.path, problem);
  }
}
