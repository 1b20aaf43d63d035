/** Lets everything that is ready run, without time passing. */
import { setImmediate } from "node:timers/promises";
import type { FakeClock } from "./fake-clock.js";

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

/** Time in which whatever takes several turns after each timer gets them. */
export async function letPass(clock: Pick<FakeClock, "advance">, ms: number, stepMs = 50): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await clock.advance(stepMs);
    await turns(20);
  }
}
