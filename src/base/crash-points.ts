/**
 * A test aid: named places in the program at which a test has the kernel kill it, to prove what a crash leaves behind.
 *
 * A room that promises crash safety takes a `CrashPoint` and calls it between its durable steps. In production it is
 * a function that does nothing. SIGKILL, not an exception: nothing may clean up, flush or record on the way out.
 */
import { writeSync } from "node:fs";
import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import { assert } from "./assert.js";

/** Called with the name of the place that was reached, for example "apply.after-rename". */
export type CrashPoint = (name: string) => void;

const SPEC = /^([a-z0-9]+(?:[.-][a-z0-9]+)*)(?::([1-9][0-9]{0,8}))?$/;

export const noCrashPoint: CrashPoint = () => {};

/** Threads that are started later find it there: how often the place was reached in all of them. */
const COUNT = "mailtwin-crash-count";

/** What the environment asks for. Call it before threads are started: they count together. */
export function crashAtOfEnvironment(): string | undefined {
  const spec = process.env["MAILTWIN_CRASH_AT"];
  if (spec !== undefined) setEnvironmentData(COUNT, new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  return spec;
}

/**
 * `spec` is "apply.after-rename" or, for the third time that it is reached, "apply.after-rename:3". Undefined or empty never
 * kills. `kill` is there for tests of this function.
 */
export function crashPointsFromEnv(spec: string | undefined, kill: CrashPoint = killThisProcess): CrashPoint {
  if (spec === undefined || spec === "") return noCrashPoint;
  const [, wanted, count] = SPEC.exec(spec) ?? [];
  assert(wanted !== undefined, `not a crash point: ${JSON.stringify(spec)}`);
  const shared: unknown = getEnvironmentData(COUNT);
  const reached = new Int32Array(
    shared instanceof SharedArrayBuffer ? shared : new ArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
  );
  return (name) => {
    if (name !== wanted) return;
    if (Atomics.add(reached, 0, 1) + 1 === Number(count ?? 1)) kill(name);
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
