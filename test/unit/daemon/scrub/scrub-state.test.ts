/** How far the reading of bodies is: its text, when a turn is due, and what needs a person. */
import { expect, test } from "vitest";
import {
  beginRound,
  dueMs,
  endRound,
  NEVER,
  OPEN_MAX,
  type OpenBody,
  readScrubState,
  withOpen,
  writeScrubState,
} from "../../../../src/daemon/scrub/scrub-state.js";
import { parseUid } from "../../../../src/maildir/ids.js";
import { guid } from "../../log/state-fixtures.js";

const HOUR = { everyMs: 3_600_000 };
const START = 1_700_000_000_000;

const open = (uid: number, bad: OpenBody["bad"] = "source", sinceMs = START): OpenBody => {
  return { guid: guid(1), uid: parseUid(uid), bad, sinceMs };
};

test("what was written is read; what is none of ours is as if nothing had been read", () => {
  const at = { guid: guid(3), uid: parseUid(17) };
  const state = { ...beginRound(NEVER, START), at, done: 4, read: 3, repaired: 1, open: [open(5), open(6, "unknown")] };
  for (const each of [NEVER, state, endRound(state, START + 5)])
    expect(readScrubState(writeScrubState(each))).toStrictEqual(each);
  const wrong = ["", "{", "[]", '{"done":-1}', writeScrubState(state).replace('"uid":17', '"uid":0')];
  for (const text of [undefined, ...wrong]) expect(readScrubState(text)).toStrictEqual(NEVER);
});

test("the first round begins at once, the next one when its time has come; turns are spread over it", () => {
  expect(dueMs(NEVER, HOUR, { all: 10, nowMs: START })).toBe(START);
  const begun = beginRound(NEVER, START);
  const dueAt = (done: number, nowMs = START) => dueMs({ ...begun, done }, HOUR, { all: 10, nowMs }) - START;
  expect([0, 5, 10, 30].map((done) => dueAt(done))).toEqual([0, 1_620_000, 3_240_000, 3_240_000]);
  expect(dueMs(endRound(begun, START + 9), HOUR, { all: 10, nowMs: START })).toBe(START + HOUR.everyMs);
  expect(dueMs({ ...begun, done: 1 }, HOUR, { all: 0, nowMs: START }), "all mail is gone").toBe(START + 3_240_000);
  expect(dueAt(5, START - 86_400_000), "the clock went back").toBe(1_620_000 - 86_400_000);
});

test("what is open stays so since its first time, until it is closed; of too many some are counted", () => {
  const first = withOpen(NEVER, [open(1), open(2)], []);
  const later = withOpen(first, [open(2, "both", START + 9), open(3, "unknown", START + 9)], [open(1)]);
  expect(later.open).toStrictEqual([open(2, "both"), open(3, "unknown", START + 9)]);
  const many = Array.from({ length: OPEN_MAX + 5 }, (_, index) => open(index + 1));
  const full = withOpen(NEVER, many, []);
  expect([full.open.length, full.further]).toEqual([OPEN_MAX, 5]);
  expect(readScrubState(writeScrubState(full))).toStrictEqual(full);
  expect(beginRound(full, START).further).toBe(0);
});
