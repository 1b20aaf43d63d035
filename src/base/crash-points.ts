/**
 * A test aid: named places in the program at which a test has the kernel kill it, to prove what a crash leaves behind.
 *
 * A room that promises crash safety takes a `CrashPoint` and calls it between its durable steps. In production it is
 * a function that does nothing. SIGKILL, not an exception: nothing may clean up, flush or record on the way out.
 */
import { writeSync } from "node:fs";
import { assert } from "./assert.js";

/** Called with the name of the place that was reached, for example "apply.after-rename". */
export type CrashPoint = (name: string) => void;

const SPEC = /^([a-z0-9]+(?:[.-][a-z0-9]+)*)(?::([1-9][0-9]{0,8}))?$/;

export const noCrashPoint: CrashPoint = () => {};

/**
 * `spec` is "apply.after-rename" or, for the third time that it is reached in this thread, "apply.after-rename:3".
 * Undefined or empty never kills. `kill` is there for tests of this function.
 */
export function crashPointsFromEnv(spec: string | undefined, kill: CrashPoint = killThisProcess): CrashPoint {
  if (spec === undefined || spec === "") return noCrashPoint;
  const [, wanted, count] = SPEC.exec(spec) ?? [];
  assert(wanted !== undefined, `not a crash point: ${JSON.stringify(spec)}`);
  let left = count === undefined ? 1 : Number(count);
  return (name) => {
    if (name !== wanted) return;
    left -= 1;
    if (left === 0) kill(name);
  };
}

/**
 * From a worker thread too; the calling thread does not return from the system call. The word on stderr tells this death from any
 * other SIGKILL. It is written by this thread: what a worker gives to `process.stderr` would die with the main thread.
 */
function killThisProcess(name: string): void {
  writeSync(2, `killed at crash point ${name}\n`);
  process.kill(process.pid, "SIGKILL");
}
