/**
 * A twin that is to die by `kill -9` at a crash point (MAILTWIN_CRASH_AT).
 *
 * INVARIANT: there are two outcomes, killed just there (it says so on stderr) or come past, as an event tells. One that ends in
 * another way, or does neither in time, fails the test with what it said.
 */
import { expect } from "vitest";
import type { Twin, TwinEvent } from "../lab/mailtwin.js";
import { until } from "../lab/until.js";

const KILLED_MS_MAX = 60_000;
const TOLD_EVENTS_MAX = 20;

interface Waiting {
  /** An event that comes only if the point was passed by, or was not come to yet. */
  readonly isPast?: (event: TwinEvent) => boolean;
  readonly deadlineMs?: number;
}

/** Waits for its end, and insists that it was SIGKILL at that point; gives up with an event that `isPast`. */
export async function expectKilled(twin: Twin, point: string, waiting: Waiting = {}): Promise<void> {
  const outcome = await killedOrPast(twin, point, waiting);
  expect(outcome, `${point} was not reached; ${wordsOf(twin)}`).toBe("killed");
}

/** Which of the two comes first. */
export async function killedOrPast(
  twin: Twin,
  point: string,
  { isPast = () => false, deadlineMs = KILLED_MS_MAX }: Waiting,
): Promise<"killed" | "past"> {
  const isAsTold = (): boolean => twin.output.events.some(isPast);
  const detail = (): string => wordsOf(twin);
  await until(`SIGKILL at ${point}`, () => isAsTold() || !twin.isRunning(), { deadlineMs, pollMs: 2, detail });
  if (isAsTold()) return "past";
  expect(await twin.exited, wordsOf(twin)).toEqual({ code: undefined, signal: "SIGKILL" });
  const [name = point] = point.split(":"); // "apply.locked:2" is the second time at "apply.locked".
  expect(twin.output.stderr, wordsOf(twin)).toBe(`killed at crash point ${name}\n`);
  return "killed";
}

function wordsOf({ output }: Twin): string {
  const events = output.events.slice(-TOLD_EVENTS_MAX).map((event) => JSON.stringify(event));
  return `the twin said:\n${[...events, ...output.strayOutput, output.stderr].join("\n")}`;
}
