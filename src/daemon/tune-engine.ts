/**
 * Tells V8 what this program is like. Only where it was measured (docs/performance.md): Node 20.
 */
import { setFlagsFromString } from "node:v8";

/** Bytes of bytecode that a function runs through before it is looked at again (default 67584). */
const INTERRUPT_BUDGET = 500_000;

/**
 * For a run of a few seconds. By default V8 compiles with its optimising compiler what ran for some milliseconds, in each thread anew;
 * in such a run that took a fifth of the CPU time, and one of two cores. What runs for long is still optimised, a little later: that is
 * why a daemon leaves it alone. For this thread and those that are started later, as the next.
 */
export function tuneForRun(): void {
  tune(`--interrupt-budget=${INTERRUPT_BUDGET}`);
}

/**
 * For a daemon. V8 collects all of a thread's garbage several times when little happens in it, which takes some 30 ms each time, in half
 * a dozen threads. A thread that has work now and then has always just had some.
 */
export function tuneForDaemon(): void {
  tune("--no-memory-reducer");
}

function tune(flag: string): void {
  if (process.versions.v8.startsWith("11.")) setFlagsFromString(flag);
}
