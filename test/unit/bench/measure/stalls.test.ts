/** A mail is left out exactly when a stall that the probe saw overlaps its way; nothing is hidden by it. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { percentilesOf } from "../../../../bench/measure/percentiles.js";
import { lagOutside, overlaps, stallsIn, summarizeFloor } from "../../../../bench/measure/stalls.js";

const span = (fromMs: number, toMs: number) => ({ fromMs, toMs });

test("percentiles of durations", () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect(percentilesOf(values)).toEqual({ p50: 50.02, p90: 90.05, p99: 99.01, max: 100.03 });
  expect(percentilesOf([0.333])).toEqual({ p50: 0.33, p90: 0.33, p99: 0.33, max: 0.33 });
  expect(percentilesOf([])).toEqual({ p50: 0, p90: 0, p99: 0, max: 0 });
});

test.each([
  ["before", span(0, 10), span(20, 30), false],
  ["touching", span(0, 20), span(20, 30), false],
  ["reaching in", span(0, 21), span(20, 30), true],
  ["inside", span(22, 25), span(20, 30), true],
  ["around", span(0, 100), span(20, 30), true],
  ["after", span(30, 40), span(20, 30), false],
])("a mail %s a stall", (_, mail, stall, expected) => {
  expect(overlaps(mail, stall)).toBe(expected);
  expect(overlaps(stall, mail)).toBe(expected);
});

describe("the disk floor", () => {
  const writes = [span(1000, 1000.25), span(1050, 1100), span(1150, 1450.5), span(1500, 1501)];

  test("counts as stalls what took longer than 50 ms, and tells their times from the beginning", () => {
    expect(stallsIn(writes)).toEqual([span(1150, 1450.5)]);
    const floor = summarizeFloor(writes, span(990, 2990));
    expect(floor).toMatchObject({ probes: 4, stalls: [span(160, 460.5)], stalledMs: 300.5, seconds: 2, p50: 1 });
    expect(floor.max).toBeCloseTo(300.5, 0);
  });

  test("of no writes is no stall", () => {
    expect(summarizeFloor([], span(0, 1000))).toMatchObject({ probes: 0, stalls: [], stalledMs: 0, max: 0 });
  });
});

test("mails that met a stall are left out and counted", () => {
  const mails = [span(0, 10), span(95, 300), span(250, 260), span(400, 420)];
  expect(lagOutside([span(100, 300)], mails)).toEqual({ p99: percentilesOf([10, 20]).p99, counted: 2, leftOut: 2 });
  expect(lagOutside([span(0, 1000)], mails)).toEqual({ p99: undefined, counted: 0, leftOut: 4 });
});

const stretch = fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 200 })).map(([from, ms]) => span(from, from + ms));

test.prop([fc.array(stretch, { minLength: 1 })])("without stalls both percentiles are the same", (mails) => {
  const { p99 } = percentilesOf(mails.map(({ fromMs, toMs }) => toMs - fromMs));
  expect(lagOutside([], mails)).toEqual({ p99, counted: mails.length, leftOut: 0 });
});

test.prop([fc.array(stretch), fc.array(stretch)])("every mail is either counted or left out", (stalls, mails) => {
  const { counted, leftOut } = lagOutside(stalls, mails);
  expect(counted + leftOut).toBe(mails.length);
});
