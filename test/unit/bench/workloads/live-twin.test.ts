/** A pair is used again only while earlier deliveries are few beside what it is called. */
import { expect, test } from "vitest";
import { growthAllows } from "../../../../bench/workloads/live-twin.js";

test("an INBOX may grow by a twentieth", () => {
  expect(growthAllows(500_000, 500_000, 2200)).toBe(true);
  expect(growthAllows(500_000, 522_800, 2200)).toBe(true);
  expect(growthAllows(500_000, 522_801, 2200)).toBe(false);
  expect(growthAllows(1000, 1000, 2200)).toBe(false);
});
