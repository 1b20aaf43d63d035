/** Sizes and durations as people write them. */
import { describe, expect, test } from "vitest";
import { readByteCount, readDurationMs, writeByteCount, writeDurationMs } from "../../../src/base/quantity.js";

const ANY_SIZE = { least: "0B", most: "8191TiB" };
const ANY_TIME = { least: "0ms", most: "9999w" };

describe("a size", () => {
  test.each([
    ["0B", 0],
    ["512MiB", 2 ** 29],
    ["1 GB", 1e9],
    ["1gib", 2 ** 30],
    ["007kB", 7000],
    ["8191TiB", 8191 * 2 ** 40],
  ])("%s", (text, value) => {
    expect(readByteCount(text, ANY_SIZE)).toStrictEqual({ kind: "value", value });
  });

  test.each(["", "1", "B", "-1B", "1.5GiB", "1  GB", "1GB ", "1e3B", "1_0B", "1PB", "٣B", "1GB\n"])(
    "%j is none",
    (text) => {
      expect(readByteCount(text, ANY_SIZE)).toMatchObject({ kind: "wrong", why: "that is no size" });
    },
  );

  test("is refused beyond its bounds, at the next byte, and where numbers end", () => {
    const bounds = { least: "2B", most: "1KiB" };
    const kinds = ["1B", "2B", "1024B", "1025B", "9999999999999999TiB"].map((text) => readByteCount(text, bounds).kind);
    expect(kinds).toStrictEqual(["wrong", "value", "value", "wrong", "wrong"]);
  });
});

test("a duration is read in each unit", () => {
  const values = ["1ms", "1s", "1m", "1h", "1d", "1w"].map((text) => readDurationMs(text, ANY_TIME));
  const expected = [1, 1000, 60_000, 3_600_000, 86_400_000, 604_800_000];
  expect(values).toStrictEqual(expected.map((value) => ({ kind: "value", value })));
  expect(readDurationMs("1y", ANY_TIME)).toMatchObject({ why: "that is no duration" });
});

test("what is written is exact, in the largest unit that fits", () => {
  for (const text of ["0B", "1023B", "1kB", "1KiB", "1500MB", "3GiB"]) {
    const reading = readByteCount(text, ANY_SIZE);
    expect(reading.kind === "value" && writeByteCount(reading.value)).toBe(text);
  }
  expect([0, 1500, 60_000, 14 * 86_400_000, 25 * 3_600_000].map(writeDurationMs)).toStrictEqual([
    "0ms",
    "1500ms",
    "1m",
    "2w",
    "25h",
  ]);
});
