/** A replica that cannot be reached: when that becomes a person's matter, and when it is over. */
import { expect, test } from "vitest";
import { unixMs } from "../../../../src/base/clock.js";
import { Troubles } from "../../../../src/daemon/run/troubles.js";
import { Unreachable } from "../../../../src/daemon/run/unreachable.js";

const HOUR_MS = 3_600_000;
const refused = { code: "peer-unreachable", words: "dialling b: refused", hint: "Look.", level: "healing" } as const;
const cut = { ...refused, code: "link-closed", words: "it hung up" } as const;

function clockAt(startMs: number) {
  const clock = { ms: startMs, nowMs: () => unixMs(clock.ms + 1_000_000), monotonicMs: () => clock.ms };
  return clock;
}

test("past the alarm it needs a person, whatever the reasons were that followed each other", () => {
  const clock = clockAt(5);
  const watch = new Unreachable(clock, HOUR_MS);
  expect(watch.failed(refused)).toMatchObject(refused);
  clock.ms += HOUR_MS - 1;
  expect(watch.failed(cut)).toMatchObject(cut);
  clock.ms += 1;
  expect(watch.failed(refused)).toEqual({
    ...{ code: "replica-unreachable", level: "needs-you", hint: refused.hint, sinceMs: 1_000_005 },
    words: `there has been no link for 1 h; the last failure: ${refused.words}`,
  });
});

test("in the status it stands since the first failure, and is news once", () => {
  const clock = clockAt(0);
  const [watch, troubles] = [new Unreachable(clock, HOUR_MS), new Troubles()];
  const news = [0, 1, HOUR_MS, HOUR_MS + 60_000].filter((atMs) => {
    clock.ms = atMs;
    const { sinceMs, ...trouble } = watch.failed(atMs % 2 === 0 ? refused : cut);
    return troubles.note("link", trouble, sinceMs);
  });
  expect(news).toEqual([0, 1, HOUR_MS]);
  expect(troubles.all).toMatchObject([{ code: "replica-unreachable", level: "needs-you", sinceMs: 1_000_000 }]);
});

test("a link, or a pause, begins the count anew", () => {
  const clock = clockAt(0);
  const watch = new Unreachable(clock, HOUR_MS);
  watch.failed(refused);
  clock.ms = HOUR_MS;
  expect(watch.over()).toBe(false);
  expect(watch.failed(refused)).toMatchObject(refused);
  clock.ms = 2 * HOUR_MS;
  expect(watch.failed(refused)).toMatchObject({ code: "replica-unreachable" });
  expect([watch.over(), watch.over()]).toEqual([true, false]);
  expect(watch.failed(refused)).toMatchObject(refused);
});

test("the clock decides: it is one when the time has passed, though nothing was tried since, or nothing ever failed", () => {
  const clock = clockAt(5);
  const watch = new Unreachable(clock, HOUR_MS);
  expect([watch.judge(), watch.leftMs]).toEqual([undefined, undefined]);
  watch.lacking();
  clock.ms += HOUR_MS - 1;
  watch.lacking();
  expect([watch.judge(), watch.leftMs]).toEqual([undefined, 1]);
  clock.ms += 1;
  expect(watch.leftMs).toBe(0);
  expect(watch.judge()).toEqual({
    ...{ code: "replica-unreachable", level: "needs-you", sinceMs: 1_000_005 },
    ...{ words: "there has been no link for 1 h", hint: expect.stringContaining("mailtwin pause") },
  });
  expect([watch.leftMs, watch.over()]).toEqual([undefined, true]);
  watch.failed(refused);
  clock.ms += HOUR_MS;
  expect(watch.judge()).toMatchObject({ words: `there has been no link for 1 h; the last failure: ${refused.words}` });
});

test("with another alarm it is judged anew, from the same begin", () => {
  const clock = clockAt(0);
  const watch = new Unreachable(clock, HOUR_MS);
  watch.failed(refused);
  clock.ms = HOUR_MS;
  expect(watch.judge()).toBeDefined();
  expect(watch.alarmAfter(HOUR_MS / 2)).toBeUndefined();
  expect(watch.alarmAfter(2 * HOUR_MS)).toEqual({ last: refused });
  expect([watch.judge(), watch.leftMs]).toEqual([undefined, HOUR_MS]);
  clock.ms = 2 * HOUR_MS;
  expect(watch.judge()).toMatchObject({ sinceMs: 1_000_000 });
  expect(watch.alarmAfter(undefined)).toEqual({ last: refused });
  expect(watch.judge()).toBeUndefined();
});

test("one that nobody expects to be there never is; what needs a person anyway stays as it is", () => {
  const clock = clockAt(0);
  const watch = new Unreachable(clock, undefined);
  const strict = new Unreachable(clock, HOUR_MS);
  const denied = { ...refused, code: "no-right", level: "needs-you" } as const;
  expect([watch.failed(refused), strict.failed(denied)]).toMatchObject([refused, denied]);
  clock.ms = 100 * HOUR_MS;
  expect([watch, strict].flatMap((each) => [each.judge(), each.leftMs])).toEqual(Array(4).fill(undefined));
  expect([watch.failed(refused), strict.failed(denied)]).toMatchObject([refused, denied]);
});
