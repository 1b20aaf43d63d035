import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { Waiter } from "../../../src/base/waiter.js";

test("settles once, and leaves no listener behind", async () => {
  const { signal } = new AbortController();
  const waiter = new Waiter<number>(signal);
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  expect(waiter.settle(1)).toBe(true);
  expect(waiter.settle(2)).toBe(false);
  expect(waiter.fail(new Error("late"))).toBe(false);
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  expect(await waiter.promise).toBe(1);
});

test("an abort runs the clean-up first, then rejects with the very reason", async () => {
  const controller = new AbortController();
  let cleaned = 0;
  const waiter = new Waiter<number>(controller.signal, () => {
    cleaned += 1;
  });
  const reason = { any: "value" };
  controller.abort(reason);
  expect(cleaned).toBe(1);
  await expect(waiter.promise).rejects.toBe(reason);
});

test("an abort after the end changes nothing", async () => {
  const controller = new AbortController();
  let cleaned = 0;
  const waiter = new Waiter<number>(controller.signal, () => {
    cleaned += 1;
  });
  waiter.settle(1);
  controller.abort();
  expect([cleaned, await waiter.promise]).toEqual([0, 1]);
});
