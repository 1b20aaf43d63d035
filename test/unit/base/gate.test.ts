import { describe, expect, test } from "vitest";
import { Gate } from "../../../src/base/gate.js";
import { FakeClock } from "../../fake-clock.js";

const never = new AbortController().signal;

/** Whether a promise has settled once everything that was ready has run. */
async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => {
      settled = true;
    },
    () => {
      settled = true;
    },
  );
  await new Promise(setImmediate);
  return settled;
}

describe("Gate", () => {
  test("waits until somebody wakes it", async () => {
    const gate = new Gate();
    const waiting = gate.wait(never);
    expect(await hasSettled(waiting)).toBe(false);
    gate.wake();
    expect(await hasSettled(waiting)).toBe(true);
  });

  test("wakes that nobody waited for let exactly one wait pass", async () => {
    const gate = new Gate();
    gate.wake();
    gate.wake();
    gate.wake();
    expect(await hasSettled(gate.wait(never))).toBe(true);
    expect(await hasSettled(gate.wait(never))).toBe(false);
  });

  test("a wake that let someone pass is used up", async () => {
    const gate = new Gate();
    const waiting = gate.wait(never);
    gate.wake();
    await waiting;
    expect(await hasSettled(gate.wait(never))).toBe(false);
  });

  test("all that wait pass together", async () => {
    const gate = new Gate();
    const all = Promise.all([gate.wait(never), gate.wait(never)]);
    gate.wake();
    expect(await hasSettled(all)).toBe(true);
  });

  test("an abort ends the wait, and a wake after it is not lost to the one that left", async () => {
    const gate = new Gate();
    const controller = new AbortController();
    const waiting = gate.wait(controller.signal);
    controller.abort(new Error("enough"));
    gate.wake();
    await expect(waiting).rejects.toThrow("enough");
    expect(await hasSettled(gate.wait(never))).toBe(true);
  });

  test("an aborted signal does not use a wake up", async () => {
    const gate = new Gate();
    gate.wake();
    await expect(gate.wait(AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
    expect(await hasSettled(gate.wait(never))).toBe(true);
  });

  test("waiting until a time ends then, or with a wake, and leaves no timer", async () => {
    const gate = new Gate();
    const clock = new FakeClock();
    const byTime = gate.waitUntil(20, clock, never);
    await clock.advance(19);
    expect(await hasSettled(byTime)).toBe(false);
    await clock.advance(1);
    expect(await hasSettled(byTime)).toBe(true);
    const byWake = gate.waitUntil(1_000, clock, never);
    gate.wake();
    expect([await hasSettled(byWake), clock.timerCount]).toEqual([true, 0]);
    const forever = gate.waitUntil(Number.POSITIVE_INFINITY, clock, never);
    expect([await hasSettled(forever), clock.timerCount]).toEqual([false, 0]);
  });
});
