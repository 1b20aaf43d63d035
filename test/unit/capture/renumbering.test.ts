/** How the next UID of a source's mailbox is raised: one lock is waited for so long, and what was written is captured. */
import { describe, expect, test } from "vitest";
import type { CaptureMethods, RaiseOutcome } from "../../../src/capture/capture-types.js";
import { Renumbering } from "../../../src/capture/renumbering.js";
import { FakeClock } from "../../fake-clock.js";
import { inlineWorker } from "../../worker-client.js";
import { mailboxRow } from "../log/state-fixtures.js";
import { rawPath } from "./capture-bench.js";

const never = new AbortController().signal;
const ROW = mailboxRow(1, { path: rawPath("a") });
const WISH = { guid: ROW.guid, uidValidity: ROW.uidValidity, to: 40 };
const BUSY: RaiseOutcome = { kind: "busy", by: "9:h", ageMs: 1 };

function openRenumbering(outcomes: RaiseOutcome[], isKnown = true) {
  const clock = new FakeClock();
  const told: string[] = [];
  const asked: unknown[] = [];
  const raiseNextUid: CaptureMethods["raiseNextUid"] = (request) => {
    asked.push(request);
    return outcomes.shift() ?? BUSY;
  };
  const counts = { renumbered: 0, raised: 0 };
  const renumbering = new Renumbering({
    ...{ worker: inlineWorker({ raiseNextUid } as unknown as CaptureMethods), clock, counts, problems: new Map() },
    row: () => (isKnown ? ROW : undefined),
    markFull: (path) => told.push(`list ${path}`),
    markUidlist: (path) => told.push(`look ${path}`),
    sweepSoon: () => told.push("sweep"),
  });
  return { renumbering, clock, told, asked, counts };
}

describe("raising the next UID", () => {
  test("waits for the lock; then the uidlist is looked at, and nothing is listed", async () => {
    const { renumbering, clock, told, asked, counts } = openRenumbering([BUSY, { kind: "raised", from: 4 }]);
    const done = renumbering.raiseNextUid(WISH, 1_000, never);
    await clock.advance(10);
    expect(await done).toEqual({ kind: "raised", from: 4 });
    expect(asked).toEqual(Array(2).fill({ ...WISH, path: "a" }));
    expect([told, counts]).toEqual([["look a"], { renumbered: 0, raised: 1 }]);
  });

  test("gives a lock up that stays in other hands", async () => {
    const { renumbering, clock, told } = openRenumbering([]);
    const done = renumbering.raiseNextUid(WISH, 20, never);
    await clock.advance(40);
    expect(await done).toMatchObject({ kind: "problem", problem: { path: "a", code: "lock-held" } });
    expect(told).toEqual([]);
  });

  test.each<readonly [RaiseOutcome, readonly string[]]>([
    [{ kind: "ahead" }, []],
    [{ kind: "absent" }, ["sweep"]],
  ])("where there is nothing to raise: %j", async (outcome, expected) => {
    const { renumbering, told, counts } = openRenumbering([outcome]);
    expect(await renumbering.raiseNextUid(WISH, 1_000, never)).toEqual({ kind: "none" });
    expect([told, counts.raised]).toEqual([expected, 0]);
  });

  test("of a mailbox that the log does not have asks nobody", async () => {
    const { renumbering, asked } = openRenumbering([], false);
    expect(await renumbering.raiseNextUid(WISH, 1_000, never)).toEqual({ kind: "none" });
    expect(asked).toEqual([]);
  });

  test("tells a problem of the mailbox, and leaves the mailbox's other business alone", async () => {
    const problem = { path: ROW.path, code: "uidlist-damaged", message: "m", hint: "h" };
    const { renumbering, told } = openRenumbering([{ kind: "problem", problem }]);
    expect(await renumbering.raiseNextUid(WISH, 1_000, never)).toEqual({ kind: "problem", problem });
    expect(told).toEqual([]);
  });
});
