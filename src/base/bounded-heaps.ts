/**
 * Tells V8 to keep little garbage while large mailboxes are compared. By default the main thread's room for new objects grows to 32 MB and
 * stays, and a heap may become four times what lives in it before it is looked through; half a dozen threads do so each for itself.
 * All the time it would cost a daemon 5 % more CPU time.
 */
import { setFlagsFromString } from "node:v8";

/** Of what lives in a heap after a collection, so much may come before the next one; at the least a few MB. */
const HEAP_GROWING_PERCENT = 100;
/** Undocumented ways: only where it was measured. */
const IS_KNOWN = process.versions.v8.startsWith("11.");

let users = 0;

/** For all threads of the process, also those that are started meanwhile, until what is returned is disposed. */
export function boundHeaps(): Disposable {
  users += 1;
  if (users === 1) setBounds();
  let isHeld = true;
  return {
    [Symbol.dispose]() {
      if (!isHeld) return;
      isHeld = false;
      users -= 1;
      if (users === 0) setBounds();
    },
  };
}

/** Call it when a thread has started: by that V8 sets the first of the two back, for all threads. */
export function renewBounds(): void {
  if (users > 0) setBounds();
}

function setBounds(): void {
  if (!IS_KNOWN) return;
  const isBounded = users > 0;
  setFlagsFromString(`--semi-space-growth-factor=${isBounded ? 1 : 2}`); // nothing else bounds it in a thread that runs.
  setFlagsFromString(`--heap-growing-percent=${isBounded ? HEAP_GROWING_PERCENT : 0}`);
}
