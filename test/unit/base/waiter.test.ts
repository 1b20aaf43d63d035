import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { Waiter } from "../../../src/base/waiter.js";

test("settles once", async () => {
  const waiter = new Waiter<number>(new AbortController().signal);
  expect(waiter.settle(1)).toBe(true);
  expect(waiter.settle(2)).toBe(false);
  expect(waiter.fail(new Error("late"))).toBe(false);
  expect(await waiter.promise).toBe(1);
});

test("a signal has one listener, however many wait or have waited, and each that waits gets its reason", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  for (let i = 0; i < 1000; i++) new Waiter<void>(signal).settle();
  const order: number[] = [];
  const waiters = [1, 2, 3].map((n) => new Waiter<void>(signal, () => order.push(n)));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  controller.abort("over");
  expect(order).toEqual([1, 2, 3]);
  for (const { promise } of waiters) await expect(promise).rejects.toBe("over");
});

test("one that is settled by another's clean-up is not rejected any more", async () => {
  const controller = new AbortController();
  const first = new Waiter<string>(controller.signal, () => second.settle("got it"));
  first.promise.catch(() => undefined);
  let cleaned = 0;
  const second: Waiter<string> = new Waiter<string>(controller.signal, () => {
    cleaned += 1;
  });
  controller.abort("over");
  expect([await second.promise, cleaned]).toEqual(["got it", 0]);
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

test("signals that nobody waits on any more keep no listener, but for the last ones; they serve again all the same", async () => {
  const controllers = Array.from({ length: 1000 }, () => new AbortController());
  for (const { signal } of controllers) new Waiter<void>(signal).settle();
  const listened = controllers.filter(({ signal }) => getEventListeners(signal, "abort").length > 0);
  expect(listened).toStrictEqual(controllers.slice(-64));
  const [first] = controllers;
  const waiting = new Waiter<void>(first?.signal ?? AbortSignal.abort());
  for (const { signal } of controllers.slice(1)) new Waiter<void>(signal).settle();
  first?.abort("over");
  await expect(waiting.promise).rejects.toBe("over");
});
