/**
 * A vitest reporter that ends each run with what was not run, one line a file and reason: `not run: FILE: WHAT: WHY`.
 *
 * scripts/test collects these lines, so their beginning is fixed. The reason is what a test gave to `context.skip(...)`, else what
 * stands in brackets at the end of its name or of a suite around it: "... [needs root]", "... [skipped: no Dovecot]".
 */
import { relative } from "node:path";

/**
 * What this needs of vitest's own reported tests.
 *
 * @typedef {{ readonly name?: string, readonly parent?: Named }} Named
 * @typedef {Named & { readonly name: string, readonly fullName: string, result(): { readonly state: string, readonly note?: string | undefined } }} Test
 * @typedef {{ readonly moduleId: string, readonly children: { allTests(): Iterable<Test> } }} Module
 */

/**
 * @param {readonly Module[]} modules
 * @param {string} root
 * @returns {string[]}
 */
export function notRunLines(modules, root) {
  return modules.flatMap(({ moduleId, children }) => {
    /** @type {Map<string, string[]>} */
    const namesByReason = new Map();
    for (const test of children.allTests()) {
      const result = test.result();
      if (result.state !== "skipped") continue;
      const reason = result.note ?? bracketed(test) ?? "no reason was given";
      namesByReason.set(reason, [...(namesByReason.get(reason) ?? []), test.fullName]);
    }
    const file = relative(root, moduleId);
    return [...namesByReason].map(([reason, names]) => {
      const what = names.length === 1 ? `"${names[0]}"` : `${names.length} tests`;
      return `not run: ${file}: ${what}: ${reason}`;
    });
  });
}

/**
 * @param {Named} test
 * @returns {string | undefined}
 */
function bracketed(test) {
  for (let at = /** @type {Named | undefined} */ (test); at !== undefined; at = at.parent) {
    const reason = /\[(?:skipped: )?([^[\]]+)\]$/.exec(at.name ?? "")?.[1];
    if (reason !== undefined) return reason;
  }
  return undefined;
}

export default class NotRunReporter {
  #root = process.cwd();
  #isPicked = false;

  /** @param {{ readonly config: { readonly root: string, readonly testNamePattern?: RegExp | undefined } }} vitest */
  onInit({ config }) {
    this.#root = config.root;
    this.#isPicked = config.testNamePattern !== undefined;
  }

  /** @param {readonly Module[]} modules */
  onTestRunEnd(modules) {
    if (this.#isPicked) return; // Who names the tests to be run knows that the others are not.
    for (const line of notRunLines(modules, this.#root)) process.stdout.write(`${line}\n`);
  }
}
