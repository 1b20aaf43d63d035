import { expect, test } from "vitest";
import { formatUids, parseUids, UidSet } from "../../../src/capture/uid-set.js";

test("UIDs in runs, as text and back", () => {
  const set = new UidSet([9, 1, 2, 3, 2, 5]);
  expect(formatUids(set)).toBe("1:3,5,9");
  expect([0, 1, 3, 4, 5, 6, 9, 10].filter((uid) => set.has(uid))).toEqual([1, 3, 5, 9]);
  expect(set.size).toBe(5);
  expect(formatUids(parseUids("1:3,5,9"))).toBe("1:3,5,9");
  expect([parseUids("").size, formatUids(new UidSet([]))]).toEqual([0, ""]);
});
