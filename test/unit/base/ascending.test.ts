import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { firstAbove } from "../../../src/base/ascending.js";

test.prop([fc.uniqueArray(fc.nat(50)), fc.integer({ min: -1, max: 51 })])("as looking at each", (numbers, limit) => {
  const ascending = Uint32Array.from(numbers).sort();
  const at = ascending.findIndex((number) => number > limit);
  expect(firstAbove(ascending, limit)).toBe(at < 0 ? ascending.length : at);
});

test("also of texts", () => {
  expect(["", "a", "b", "c"].map((limit) => firstAbove(["a", "b"], limit))).toEqual([0, 1, 2, 2]);
});
