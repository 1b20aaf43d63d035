/** A message that has begun has to get on; a slow line gets on, a dribble does not. */
import { describe, expect, test } from "vitest";
import { FRAME_PROGRESS, FrameProgress } from "../../../src/wire/frame-progress.js";

const { bytesMin, msMax } = FRAME_PROGRESS;
const INSIDE = { hasEnded: false, isInside: true };

/** When a message that comes in such chunks is given up, if it is looked at whenever one has come; undefined: it is not. */
function givenUpMs({ bytes, everyMs, totalBytes }: Readonly<Record<"bytes" | "everyMs" | "totalBytes", number>>) {
  const progress = new FrameProgress();
  for (let [nowMs, came] = [0, 0]; came < totalBytes; nowMs += everyMs) {
    if (progress.whyStuck(nowMs) !== undefined) return nowMs;
    came += bytes;
    progress.note({ bytes, ...INSIDE, nowMs });
  }
  return undefined;
}

describe("FrameProgress", () => {
  const MIB = 1024 * 1024;

  test.each([
    ["a modem of 56 kbit/s", { bytes: 700, everyMs: 100, totalBytes: MIB }],
    ["a line of 600 bit/s, by segments", { bytes: 536, everyMs: 9_000, totalBytes: 64 * 1024 }],
    ["one that is silent for half a minute each time", { bytes: 1460, everyMs: 34_000, totalBytes: MIB }],
    ["the largest message by ISDN", { bytes: 8_000, everyMs: 1_000, totalBytes: 32 * MIB }],
  ])("%s gets on, however long it takes", (_, line) => {
    expect(givenUpMs(line)).toBeUndefined();
  });

  test.each([
    ["a byte a second", { bytes: 1, everyMs: 1_000, totalBytes: 32 * MIB }],
    ["ten bytes a second", { bytes: 1, everyMs: 100, totalBytes: 32 * MIB }],
    ["a byte every half a minute", { bytes: 1, everyMs: 30_000, totalBytes: 32 * MIB }],
  ])("%s does not", (_, line) => {
    expect(givenUpMs(line)).toBeLessThanOrEqual(msMax + line.everyMs);
  });

  test("what ends, and what has not begun, owes nothing", () => {
    const progress = new FrameProgress();
    expect(progress.whyStuck(10 * msMax)).toBeUndefined();
    progress.note({ bytes: 5, ...INSIDE, nowMs: 0 });
    progress.note({ bytes: 1, hasEnded: true, isInside: false, nowMs: msMax });
    expect(progress.whyStuck(10 * msMax)).toBeUndefined();
    progress.note({ bytes: 5, ...INSIDE, nowMs: 10 * msMax });
    progress.note({ bytes: 5, hasEnded: true, isInside: true, nowMs: 11 * msMax }); // another one began with its end.
    expect(progress.whyStuck(12 * msMax)).toBeUndefined();
    expect(progress.whyStuck(12 * msMax + 1)).toBe(
      `of a message that it had begun it sent no ${bytesMin} bytes in 120 s`,
    );
  });

  test("an end that was away itself forgives that time", () => {
    const progress = new FrameProgress();
    progress.forgive(0);
    expect(progress.whyStuck(2 * msMax)).toBeUndefined();
    progress.note({ bytes: 5, ...INSIDE, nowMs: 2 * msMax });
    progress.forgive(5 * msMax);
    expect(progress.whyStuck(6 * msMax)).toBeUndefined();
    expect(progress.whyStuck(6 * msMax + 1)).toBeDefined();
  });
});
