/** A twin that is to die by `kill -9` at a crash point (MAILTWIN_CRASH_AT). */
import { expect } from "vitest";
import type { Twin } from "../lab/mailtwin.js";

type Waiting = Parameters<Twin["waitFor"]>;

/** Waits for its end, insists that it was SIGKILL, and gives up with `isPast`: an event that comes only if the point was passed by. */
export async function expectKilled(
  twin: Twin,
  point: string,
  { isPast = () => false, deadlineMs }: { readonly isPast?: Waiting[1]; readonly deadlineMs?: Waiting[2] } = {},
): Promise<void> {
  await twin.waitFor(`SIGKILL at ${point}`, isPast, deadlineMs).catch(() => undefined);
  expect(twin.isRunning(), `${point} was not reached`).toBe(false);
  expect(await twin.exited, twin.output.stderr).toEqual({ code: undefined, signal: "SIGKILL" });
}
