import { AssertionError } from "node:assert";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Clock, isUnixMs, systemClock, unixMs } from "../../../src/base/clock.js";
import { FakeClock } from "../../fake-clock.js";

const never = new AbortController().signal;

describe("UnixMs", () => {
  test.each([0, 1_700_000_000_000, Number.MAX_SAFE_INTEGER])("%d passes the door", (value) => {
    expect(isUnixMs(value)).toBe(true);
    expect(unixMs(value)).toBe(value);
  });
  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])("%d does not", (value) => {
    expect(isUnixMs(value)).toBe(false);
    expect(() => unixMs(value)).toThrow(AssertionError);
  });
});

describe("FakeClock", () => {
  test("stands still until it is moved", async () => {
    const clock = new FakeClock(1000);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1000, 0]);
    await clock.advance(250);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1250, 250]);
  });

  test("runs timers at their time, in order, those of one moment as they were set", async () => {
    const clock = new FakeClock(0);
    const seen: string[] = [];
    const note = (name: string) => () => seen.push(`${name}@${clock.nowMs()}`);
    clock.setTimer(30, note("c"));
    clock.setTimer(10, note("a"));
    clock.setTimer(10, note("b"));
    clock.setTimer(31, note("later"));
    await clock.advance(30);
    expect(seen).toEqual(["a@10", "b@10", "c@30"]);
    expect(clock.timerCount).toBe(1);
  });

  test("what a timer sets on the way runs on the way, through promises too", async () => {
    const clock = new FakeClock(0);
    const seen: number[] = [];
    const loop = async () => {
      for (let i = 0; i < 3; i++) {
        await clock.sleep(10, never);
        seen.push(clock.nowMs());
      }
    };
    const running = loop();
    await clock.advance(100);
    await running;
    expect(seen).toEqual([10, 20, 30]);
  });

  test("a cancelled timer does not run", async () => {
    const clock = new FakeClock();
    const run = vi.fn();
    const timer = clock.setTimer(5, run);
    timer.cancel();
    timer.cancel();
    await clock.advance(10);
    expect(run).not.toHaveBeenCalled();
  });
});

describe.each<[string, () => Clock]>([
  ["system", () => systemClock],
  ["fake", () => new FakeClock()],
])("sleep of the %s clock", (_name, open) => {
  test("an abort ends it with the reason and leaves no timer", async () => {
    const clock = open();
    const controller = new AbortController();
    const sleeping = clock.sleep(60_000, controller.signal);
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
    if (clock instanceof FakeClock) expect(clock.timerCount).toBe(0);
  });

  test("does not begin when it is aborted already", async () => {
    const reason = new Error("enough");
    await expect(open().sleep(0, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

describe("systemClock", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("a timer of forty days runs after forty days, not at once", () => {
    const run = vi.fn();
    const fortyDaysMs = 40 * 86_400_000;
    systemClock.setTimer(fortyDaysMs, run);
    vi.advanceTimersByTime(fortyDaysMs - 1);
    expect(run).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(1);
  });

  test("a long timer can be cancelled after its first leg", () => {
    const run = vi.fn();
    const timer = systemClock.setTimer(40 * 86_400_000, run);
    vi.advanceTimersByTime(30 * 86_400_000);
    timer.cancel();
    vi.advanceTimersByTime(30 * 86_400_000);
    expect(run).not.toHaveBeenCalled();
  });

  test("tells the wall clock in whole milliseconds, and a monotonic one", () => {
    vi.setSystemTime(1_700_000_000_123);
    const beforeMs = systemClock.monotonicMs();
    vi.advanceTimersByTime(40);
    expect(systemClock.nowMs()).toBe(1_700_000_000_163);
    expect(systemClock.monotonicMs() - beforeMs).toBe(40);
  });
});
