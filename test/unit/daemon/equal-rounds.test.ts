/** Rounds of capturing and shipping, of which each finds something new. */
import { expect, test } from "vitest";
import { EqualRounds } from "../../../src/daemon/equal-rounds.js";

test("they end after a minute, and not before there were twenty", () => {
  const [quick, slow] = [new EqualRounds(), new EqualRounds()];
  let nowMs = 0;
  for (; nowMs < 60_000; nowMs += 100) expect(quick.isEnough(nowMs)).toBe(false);
  expect(quick.isEnough(nowMs)).toBe(true);
  for (let round = 1; round < 20; round++) expect(slow.isEnough(round * 1_000_000)).toBe(false);
  expect(slow.isEnough(20_000_000)).toBe(true);
});
