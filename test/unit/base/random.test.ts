import { AssertionError } from "node:assert";
import { expect, test } from "vitest";
import { randomHex } from "../../../src/base/random.js";

test("gives two lower-case hexadecimal characters a byte", () => {
  for (const byteCount of [1, 8, 16, 64]) {
    expect(randomHex(byteCount)).toMatch(new RegExp(`^[0-9a-f]{${byteCount * 2}}$`));
  }
});

test("gives something else each time", () => {
  expect(new Set(Array.from({ length: 1000 }, () => randomHex(8))).size).toBe(1000);
});

test.each([0, 65, 1.5, Number.NaN])("%d bytes are refused", (byteCount) => {
  expect(() => randomHex(byteCount)).toThrow(AssertionError);
});
