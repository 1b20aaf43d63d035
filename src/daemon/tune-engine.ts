/**
 * Tells V8 to be less eager. By default it compiles with its optimising compiler what ran for some milliseconds, in each
 * thread anew; in a run of a few seconds that took a fifth of the CPU time, and one of two cores. What runs for long is
 * still optimised, a little later: that is why a daemon leaves it alone.
 */
import { setFlagsFromString } from "node:v8";

/** Bytes of bytecode that a function runs through before it is looked at again (default 67584). */
const INTERRUPT_BUDGET = 500_000;

/** For this thread and those that are started later. Only where it was measured: Node 20. */
export function tuneEngine(): void {
  if (process.versions.v8.startsWith("11.")) setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`);
}
