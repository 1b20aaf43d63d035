/**
 * Which of the problems that are known come from looks at the whole store: the next look says whether they are over.
 *
 * INVARIANT: the problem of a mailbox that is missing, since something else stands in its place, stays until the mailbox is found
 * again or its going is in the log: a run that ends in between is to name it.
 * INVARIANT: of what stands nowhere and nobody knows no problem stays, whoever found it.
 */
import type { RawPath } from "../base/raw-name.js";
import type { CaptureProblem } from "./capture-types.js";
import { isAtOrBelow } from "./plan-structure.js";

export class SweepProblems {
  readonly #problems: Map<RawPath, CaptureProblem>;
  #paths = new Set<RawPath>();

  /** `problems`: all that are known, by path. */
  constructor(problems: Map<RawPath, CaptureProblem>) {
    this.#problems = problems;
  }

  /** What a look found; `missing`: paths of known mailboxes that it did not find, `standing`: of all that it did. */
  replace(
    found: readonly CaptureProblem[],
    { missing, standing }: { readonly missing: readonly RawPath[]; readonly standing: readonly RawPath[] },
  ): void {
    const stillMissing = new Set(missing);
    for (const path of this.#paths) if (!stillMissing.has(path)) this.#problems.delete(path);
    const kept = [...this.#paths].filter((path) => stillMissing.has(path));
    this.#paths = new Set([...kept, ...found.map(({ path }) => path)]);
    for (const problem of found) this.#problems.set(problem.path, problem);
    const known = new Set([...this.#paths, ...missing, ...standing]);
    for (const path of [...this.#problems.keys()])
      if (!known.has(path) && !found.some((above) => isAtOrBelow(path, above.path))) this.#problems.delete(path);
  }

  /** Of a mailbox that the last look missed. */
  add(problem: CaptureProblem): void {
    this.#paths.add(problem.path);
    this.#problems.set(problem.path, problem);
  }
}
