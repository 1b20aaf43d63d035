/** The line of `verify --deep` on a terminal. */
import { expect, test } from "vitest";
import { sampleOf } from "../../../src/daemon/verify/deep.js";
import { openDeepProgress } from "../../../src/daemon/verify/deep-progress.js";

function opened(isShown: boolean) {
  const written: string[] = [];
  let nowMs = 1_000;
  const clock = { monotonicMs: () => nowMs };
  const progress = openDeepProgress({ err: (text) => void written.push(text) }, isShown, clock);
  const at = (ms: number, done: number) => {
    nowMs = 1_000 + ms;
    progress.onProgress(done, 1_000);
  };
  return { written, at, end: progress.end };
}

test("says how far it is and how long it will take, five times a second at the most, and goes when it is done", () => {
  const { written, at, end } = opened(true);
  at(1_000, 100);
  at(1_100, 200);
  at(2_000, 500);
  end();
  end();
  const clear = "\r\u001b[K";
  expect(written).toStrictEqual([
    `${clear}10% 100 of 1,000 messages read, 9.00 s left`,
    `${clear}50% 500 of 1,000 messages read, 2.00 s left`,
    clear,
  ]);
});

test("says nothing where it is no terminal", () => {
  const { written, at, end } = opened(false);
  at(1_000, 100);
  end();
  expect(written).toStrictEqual([]);
});

test("reads another part each day, and all of them in turn", () => {
  const days = Array.from({ length: 30 }, (_, day) => sampleOf("1/30", day * 86_400_000 + 5).turn);
  expect(new Set(days).size).toBe(30);
});

test.each(["", "2/30", "1/0", "1/1", "1/01", "1/367", "30", "1/30x"])("refuses %j", (text) => {
  expect(() => sampleOf(text, 0)).toThrow(expect.objectContaining({ code: "usage" }) as Error);
});

test.each([2, 366])("takes 1/%i", (parts) => {
  expect(sampleOf(`1/${parts}`, 0)).toStrictEqual({ parts, turn: 0 });
});
