/**
 * Tells V8 to keep little garbage, for a process that lives long. By default the main thread's room for new objects grows to 32 MB and stays,
 * and a heap may become four times what lives in it before it is looked through; half a dozen threads do so each for itself.
 */
import { setFlagsFromString } from "node:v8";

/** Of what lives in a heap after a collection, so much may come before the next one; at the least a few MB. */
const HEAP_GROWING_PERCENT = 100;

let isAsked = false;

/** For this thread and those that are started later: call it first. Only where it was measured: Node 20. */
export function boundHeaps(): void {
  isAsked = process.versions.v8.startsWith("11.");
  renewBounds();
}

/** Call it when a thread has started: by that V8 sets the first of the two back, for all threads. */
export function renewBounds(): void {
  if (!isAsked) return;
  setFlagsFromString("--semi-space-growth-factor=1"); // nothing else bounds it in a thread that runs.
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
}
