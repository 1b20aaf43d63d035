/** Waits for conditions of other programs, which no fake clock can drive: polled, always with a deadline. */
import { setTimeout as sleep } from "node:timers/promises";

export interface UntilOptions {
  /** Default 30 s. */
  readonly deadlineMs?: number;
  /** Default 20 ms between the end of one try and the next. */
  readonly pollMs?: number;
  /** What to say beside `what` when the deadline passes. */
  readonly detail?: () => string;
}

/** Returns when `condition` holds; throws `waited N ms for <what>` when the deadline passes first. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  options: UntilOptions = {},
): Promise<void> {
  const { deadlineMs = 60_000, pollMs = 20, detail } = options;
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > deadlineMs) {
      throw new Error(`waited ${deadlineMs} ms for ${what}${detail === undefined ? "" : `; ${detail()}`}`);
    }
    await sleep(pollMs);
  }
}
