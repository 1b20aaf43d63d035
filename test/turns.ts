/** Lets everything that is ready run, without time passing. */
import { setImmediate } from "node:timers/promises";

/** Returns when the condition holds; throws when nothing comes of it for long. */
export async function until(condition: () => boolean, what: string, turnsMax = 2_000): Promise<void> {
  for (let turn = 0; turn < turnsMax; turn++) {
    if (condition()) return;
    await setImmediate();
  }
  throw new Error(`this did not come about: ${what}`);
}

/** Enough turns for whatever is going to happen to have happened. */
export async function turns(count = 50): Promise<void> {
  for (let turn = 0; turn < count; turn++) await setImmediate();
}
