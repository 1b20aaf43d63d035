import { AssertionError } from "node:assert";
import { fc } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { formatBytes, formatCount, formatDuration } from "../../../src/base/text-format.js";

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [999, "999 bytes"],
  [1000, "1.00 kB"],
  [1024, "1.02 kB"],
  [9_994, "9.99 kB"],
  [9_996, "10.0 kB"],
  [23_449, "23.4 kB"],
  [999_499, "999 kB"],
  [999_500, "1.00 MB"],
  [233_000_000, "233 MB"],
  [2_300_000_000, "2.30 GB"],
  [5e18, "5000 PB"],
])("formatBytes(%d) is %s", (value, text) => {
  expect(formatBytes(value)).toBe(text);
});

test.each([
  [0, "0"],
  [999, "999"],
  [1000, "1,000"],
  [1_234_567, "1,234,567"],
])("formatCount(%d) is %s", (value, text) => {
  expect(formatCount(value)).toBe(text);
});

test.each([
  [0, "0 ms"],
  [0.42, "0.42 ms"],
  [12.34, "12.3 ms"],
  [850, "850 ms"],
  [999.6, "1.00 s"],
  [12_340, "12.3 s"],
  [59_960, "1 min"],
  [60_000, "1 min"],
  [200_000, "3 min 20 s"],
  [3_599_700, "1 h"],
  [7_500_000, "2 h 5 min"],
  [86_390_000, "1 d"],
  [273_600_000, "3 d 4 h"],
])("formatDuration(%d) is %s", (value, text) => {
  expect(formatDuration(value)).toBe(text);
});

test("never shows a thousand of a unit that has a larger one, nor sixty seconds", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e13, noNaN: true }), (value) => {
      expect(formatBytes(Math.floor(value))).not.toMatch(/^1000 (?!PB)/);
      expect(formatDuration(value)).not.toMatch(/\b(1000 ms|60(\.0)? s|60 min|24 h)\b/);
    }),
  );
});

test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])("%d is no quantity", (value) => {
  for (const format of [formatBytes, formatCount, formatDuration]) expect(() => format(value)).toThrow(AssertionError);
});
