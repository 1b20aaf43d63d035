/** A pause that was forgotten is told, and when it becomes a person's matter. */
import { describe, expect, test } from "vitest";
import { troubleOfPause } from "../../../../src/daemon/run/pause-trouble.js";
import { pausedSinceMs } from "../../../../src/daemon/run/replica-notes.js";

const paused = { target: "mail/b", sinceMs: 7, behind: 0, resyncWhy: undefined, isAsked: false };

describe("a replica that is paused", () => {
  test("and lacks nothing is told by its state alone", () => expect(troubleOfPause(paused)).toBeUndefined());

  test.each([
    [{ behind: 1_200 }, "healing", "it is 1,200 behind"],
    [{ resyncWhy: "asked" }, "healing", "it is to be compared"],
    [{ isAsked: true }, "healing", "it is to be compared"],
    [{ behind: 1, resyncWhy: "asked" }, "healing", "it is 1 behind, it is to be compared"],
    [{ resyncWhy: "log-size" }, "needs-you", "past the limits of the log, which does not wait for it any more"],
    [
      { behind: 1, resyncWhy: "log-age" },
      "needs-you",
      "it is 1 behind, past the limits of the log, which does not wait for it any more",
    ],
  ] as const)("and lacks something: %j", (lacks, level, words) => {
    expect(troubleOfPause({ ...paused, ...lacks })).toStrictEqual({
      ...{ code: "replica-paused", level, sinceMs: 7 },
      words: `paused by an operator, until \`mailtwin resume\`: ${words}`,
      hint: expect.stringMatching(/^`mailtwin resume mail\/b` lets it go on/),
    });
  });
});

test("since when is what was noted; of an older release's note, since now", () => {
  expect([undefined, "", "1", "1700000000000"].map((value) => pausedSinceMs(value, 5))).toStrictEqual([
    ...[undefined, undefined, 5, 1_700_000_000_000],
  ]);
});
