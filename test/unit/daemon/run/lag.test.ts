/** How long a replica will take until it has all: told by what was done in the last minute, and not where nobody knows. */
import { beforeEach, expect, test } from "vitest";
import { Pace } from "../../../../src/daemon/run/lag.js";
import { FakeClock } from "../../../fake-clock.js";

let clock: FakeClock;
let pace: Pace;

beforeEach(() => {
  clock = new FakeClock();
  pace = new Pace();
});

function note(of: "log" | "comparison", { done, all }: { readonly done: number; readonly all: number }): void {
  const log = { ackedLsn: done, transactions: all - done };
  if (of === "log") pace.note(undefined, log, clock.monotonicMs());
  else pace.note({ done, all }, { ackedLsn: 7, transactions: 1 }, clock.monotonicMs());
}

/** Looks every `everyMs`, `count` times; so many are done each time, of `all`. Returns what is done then. */
async function go(
  { from = 0, step, count, all }: { from?: number; step: number; count: number; all: number },
  { of = "log", everyMs = 100 }: { of?: "log" | "comparison"; everyMs?: number } = {},
): Promise<number> {
  let done = from;
  for (let i = 0; i < count; i++) {
    note(of, { done, all });
    await clock.advance(everyMs);
    done += step;
  }
  note(of, { done, all });
  return done;
}

test("it is told after a second", async () => {
  await go({ step: 1, count: 9, all: 100 });
  expect(pace.leftMs).toBeUndefined();
  await clock.advance(100);
  note("log", { done: 10, all: 100 });
  expect(pace.leftMs).toBe(9_000);
});

test("nothing is told where nothing is left, or nothing was done", async () => {
  await go({ step: 0, count: 100, all: 100 });
  expect(pace.leftMs).toBeUndefined();
  await go({ step: 1, count: 100, all: 100 });
  expect(pace.leftMs).toBeUndefined();
});

test("what was done more than a minute ago counts no more", async () => {
  const fast = await go({ step: 10, count: 600, all: 10_000 }); // 100 a second, for a minute.
  expect([fast, pace.leftMs]).toEqual([6_000, 40_000]);
  const half = await go({ from: fast, step: 1, count: 30, all: 10_000 }, { everyMs: 1_000 }); // 1 a second, for half a minute.
  expect(half).toBe(6_030);
  expect(pace.leftMs).toBe(Math.round((3_970 * 60_000) / 3_030));
  const slow = await go({ from: half, step: 1, count: 30, all: 10_000 }, { everyMs: 1_000 });
  expect(slow).toBe(6_060);
  expect(pace.leftMs).toBe(3_940_000);
  await go({ from: slow, step: 0, count: 60, all: 10_000 }, { everyMs: 1_000 });
  expect(pace.leftMs).toBeUndefined(); // it stands.
});

test("what comes meanwhile is part of what is left", async () => {
  await go({ step: 10, count: 20, all: 1_000 });
  expect(pace.leftMs).toBe(8_000);
  note("log", { done: 200, all: 1_800 });
  expect(pace.leftMs).toBe(16_000);
});

test("another count, one that has begun anew, and another link have no pace yet", async () => {
  await go({ step: 10, count: 20, all: 1_000 });
  note("comparison", { done: 300, all: 1_000 });
  expect(pace.leftMs).toBeUndefined();
  await go({ from: 300, step: 10, count: 20, all: 1_000 }, { of: "comparison" });
  expect(pace.leftMs).toBe(5_000);
  note("comparison", { done: 0, all: 1_000 });
  expect(pace.leftMs).toBeUndefined();
  await go({ step: 10, count: 20, all: 1_000 }, { of: "comparison" });
  expect(pace.leftMs).toBe(8_000);
  pace.end();
  expect(pace.leftMs).toBeUndefined();
  await clock.advance(1_000);
  note("comparison", { done: 900, all: 1_000 }); // another one has done that.
  expect(pace.leftMs).toBeUndefined();
  await go({ from: 900, step: 1, count: 20, all: 1_000 }, { of: "comparison" });
  expect(pace.leftMs).toBe(8_000);
  await clock.advance(20_000);
  note("comparison", { done: 930, all: 1_000 });
  expect(pace.leftMs).toBeUndefined();
});
