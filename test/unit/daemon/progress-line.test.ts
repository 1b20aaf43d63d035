/** The line that a terminal shows meanwhile. */
import { describe, expect, test } from "vitest";
import { canRedraw, drawProgress, percentOf } from "../../../src/daemon/progress-line.js";
import type { Progress } from "../../../src/daemon/reporter.js";

const PROGRESS: Progress = {
  ...{ messagesTotal: 12_000, counting: false, messagesDone: 9_500, bytesDone: 1_500_000, elapsedMs: 9_500 },
};

describe("how much is drawn", () => {
  test.each([
    [200, `${"█".repeat(32)}${"░".repeat(8)} 79% 9,500 of 12,000 messages, 1.50 MB sent, 2.50 s left`],
    [70, `${"█".repeat(11)}${"░".repeat(3)} 79% 9,500 of 12,000 messages, 1.50 MB sent, 2.50 s left`],
    [60, "79% 9,500 of 12,000 messages, 1.50 MB sent, 2.50 s left"],
    [40, "79% 9,500 of 12,000 messages"],
    [10, "79% 9,500 "],
  ])("in %d columns", (columns, line) => {
    expect(drawProgress(PROGRESS, 79, columns)).toBe(line);
  });

  test("is never wider than the terminal", () => {
    for (let columns = 0; columns < 140; columns++)
      for (const percent of [undefined, 0, 100])
        expect(drawProgress(PROGRESS, percent, columns).length).toBeLessThanOrEqual(columns);
  });

  test("while the source is read there are counts, and no share of a whole that is not known", () => {
    const counting = { ...PROGRESS, counting: true };
    expect(percentOf(counting)).toBeUndefined();
    const line = "9,500 of 12,000 messages, 1.50 MB sent, still reading the source";
    expect(drawProgress(counting, undefined, 200)).toBe(line);
  });
});

test("a share is whole percent, not more than all, and nothing of nothing", () => {
  expect(percentOf(PROGRESS)).toBe(79);
  expect(percentOf({ ...PROGRESS, messagesDone: 12_001 })).toBe(100);
  expect(percentOf({ ...PROGRESS, messagesTotal: 0, messagesDone: 0 })).toBeUndefined();
});

test("it is drawn on a terminal that can go back in its line", () => {
  const [terminal, file] = [{ isTTY: true }, {}];
  expect(canRedraw([terminal, terminal], "xterm")).toBe(true);
  for (const streams of [
    [terminal, file],
    [file, terminal],
  ])
    expect(canRedraw(streams, "xterm")).toBe(false);
  expect(canRedraw([terminal, terminal], "dumb")).toBe(false);
});
