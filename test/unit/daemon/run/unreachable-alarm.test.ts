/** `unreachable_alarm` of a replica that is served: the clock decides when it is a person's matter, whatever is tried. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../../src/base/clock.js";
import type { Replica } from "../../../../src/daemon/config/config.js";
import { wireError } from "../../../../src/wire/errors.js";
import type { Link } from "../../../../src/wire/link.js";
import { openMemoryLink } from "../../../../src/wire/memory-link.js";
import { NO_SOURCE } from "../../../../src/wire/opening.js";
import { FakeClock } from "../../../fake-clock.js";
import { until } from "../../../live/lab/until.js";
import { makeMailbox } from "../../../live/twin/small-store.js";
import { RealPair } from "../../agent/real-pair.js";
import { REPLICA, runnerOn } from "./runner-on.js";

let pair: RealPair;
let stop: AbortController;
let lines: Record<string, unknown>[];

beforeEach(async () => {
  pair = await RealPair.open(systemClock);
  makeMailbox(pair.bench.source, "u1/Maildir", { messages: 2 });
  await pair.capture();
  await pair.sourceWriter.addReplica("far", 1);
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort(new Error("the test has ended"));
  await pair[Symbol.asyncDispose]();
});

describe("the alarm of a replica without a link", () => {
  const ALARM_MS = 95_000;
  const alarms = () => lines.filter(({ msg }) => msg === "replica-needs-you");
  const started = (dial: ((signal: AbortSignal) => Promise<Link>) | undefined, more: Partial<Replica> = {}) => {
    const clock = new FakeClock();
    lines = [];
    const runner = runnerOn(pair, {
      dial,
      clock,
      lines,
      replica: { ...REPLICA, unreachableAlarmMs: ALARM_MS, ...more },
    });
    runner.run(stop.signal).catch(() => undefined);
    return { clock, runner };
  };

  test("comes when the time has passed, between two tries, and is logged once", async () => {
    let dials = 0;
    const dial = () => {
      dials += 1;
      return Promise.reject(wireError("peer-unreachable", "dialling far: refused"));
    };
    const { clock, runner } = started(dial);
    await clock.advance(ALARM_MS - 1);
    expect([runner.state, runner.troubles.all.map(({ code }) => code), alarms()]).toStrictEqual([
      ...["backing-off", ["peer-unreachable"], []],
    ]);
    const before = dials;
    await clock.advance(1);
    expect([dials, alarms().map(({ code, level }) => [code, level])]).toStrictEqual([
      before,
      [["replica-unreachable", 50]],
    ]);
    await clock.advance(10 * ALARM_MS);
    expect(dials).toBeGreaterThan(before);
    expect([alarms().length, runner.troubles.all]).toMatchObject([
      1,
      [{ code: "replica-unreachable", words: expect.stringMatching(/no link for 17 min .*; the last failure: /) }],
    ]);
  });

  test("comes where the only try does not end", async () => {
    const { clock, runner } = started(() => new Promise(() => undefined));
    await clock.advance(ALARM_MS);
    expect([runner.state, alarms().length, runner.troubles.all.length]).toStrictEqual(["connecting", 1, 1]);
  });

  test("of one that dials in: when it has not come for so long; over when it does, and counted anew when it goes", async () => {
    const { clock, runner } = started(undefined, { to: undefined });
    await clock.advance(ALARM_MS - 1);
    expect([runner.state, runner.troubles.all]).toStrictEqual(["away", []]);
    await clock.advance(1);
    expect(runner.troubles.all).toMatchObject([
      {
        ...{ code: "replica-unreachable", level: "needs-you", words: expect.stringContaining("which dials in") },
        hint: expect.stringContaining("Its own host dials this one"),
      },
    ]);
    await clock.advance(10 * ALARM_MS);
    const { source, replica } = openMemoryLink();
    pair
      .makeSession(replica)
      .run(stop.signal)
      .catch(() => undefined);
    runner.offer({ link: source, said: NO_SOURCE });
    await until("it to be live", async () => {
      await clock.advance(100);
      return runner.state === "live";
    });
    expect([runner.troubles.all, alarms().length]).toStrictEqual([[], 1]);
    await clock.advance(10 * ALARM_MS);
    replica.close();
    await until("it to be away", async () => {
      await clock.advance(1);
      return runner.state === "away";
    });
    await clock.advance(ALARM_MS - 1_000);
    expect(runner.troubles.all).toStrictEqual([]);
    await clock.advance(1_000);
    expect([runner.troubles.all.length, alarms().length]).toStrictEqual([1, 2]);
  });

  test("does not come to one that is paused, that nobody expects, or whose runner has ended; and no timer is left", async () => {
    const { clock, runner } = started(undefined, { to: undefined });
    await clock.advance(1);
    expect(clock.timerCount).toBe(1);
    runner.pause(1);
    await clock.advance(2 * ALARM_MS);
    expect([clock.timerCount, runner.troubles.all]).toStrictEqual([0, []]);
    runner.resume();
    await clock.advance(ALARM_MS - 1);
    expect([clock.timerCount, runner.troubles.all]).toStrictEqual([1, []]);
    stop.abort(new Error("enough"));
    await clock.advance(0);
    expect(clock.timerCount).toBe(0);
    stop = new AbortController();
    const never = started(undefined, { to: undefined, unreachableAlarmMs: undefined });
    await never.clock.advance(1_000 * ALARM_MS);
    expect([never.clock.timerCount, never.runner.troubles.all]).toStrictEqual([0, []]);
  });
});
