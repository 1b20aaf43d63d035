import { AssertionError } from "node:assert";
import { fc } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { BoundedQueue } from "../../../src/base/bounded-queue.js";

const never = new AbortController().signal;
const turn = () => new Promise(setImmediate);

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** A queue that is full, with one push waiting. */
async function fullQueue() {
  const queue = new BoundedQueue<number>(1);
  await queue.push(1, never);
  const controller = new AbortController();
  const waiting = queue.push(2, controller.signal);
  return { queue, waiting, controller };
}

describe("BoundedQueue", () => {
  test("everything comes out in order, and never more is held than allowed", async () => {
    const lengths = fc.record({
      count: fc.nat(60),
      itemsMax: fc.integer({ min: 1, max: 5 }),
      pauses: fc.infiniteStream(fc.boolean()),
    });
    await fc.assert(
      fc.asyncProperty(lengths, async ({ count, itemsMax, pauses }) => {
        const queue = new BoundedQueue<number>(itemsMax);
        const produce = async () => {
          for (let i = 0; i < count; i++) {
            if (pauses.next().value === true) await Promise.resolve();
            expect(await queue.push(i, never)).toBe(true);
          }
          queue.close();
        };
        const seen: number[] = [];
        const producing = produce();
        for await (const item of queue) {
          expect(queue.length).toBeLessThanOrEqual(itemsMax);
          if (pauses.next().value === true) await turn();
          seen.push(item);
        }
        await producing;
        expect(seen).toEqual(Array.from({ length: count }, (_, i) => i));
      }),
      { numRuns: 50 },
    );
  });

  test("push waits while it is full, and goes on when something is taken", async () => {
    const { queue, waiting } = await fullQueue();
    let accepted = false;
    void waiting.then(() => {
      accepted = true;
    });
    await turn();
    expect([accepted, queue.length, queue.tryPush(3)]).toEqual([false, 1, false]);
    expect(await queue.take(never)).toBe(1);
    expect(await waiting).toBe(true);
    expect(await queue.take(never)).toBe(2);
  });

  test("nobody overtakes a push that waits", async () => {
    const { queue, waiting } = await fullQueue();
    expect(await queue.take(never)).toBe(1);
    expect(queue.tryPush(3)).toBe(false);
    expect(await waiting).toBe(true);
    expect(await queue.take(never)).toBe(2);
  });

  test("an aborted push is not in the queue", async () => {
    const { queue, waiting, controller } = await fullQueue();
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    queue.close();
    expect(await collect(queue)).toEqual([1]);
  });

  test("an aborted take loses nothing", async () => {
    const queue = new BoundedQueue<number>(1);
    const controller = new AbortController();
    const taking = queue.take(controller.signal);
    controller.abort(new Error("enough"));
    await expect(taking).rejects.toThrow("enough");
    expect(queue.tryPush(1)).toBe(true);
    expect(await queue.take(never)).toBe(1);
  });

  test("drain ends with the abort reason", async () => {
    const queue = new BoundedQueue<number>(1);
    const controller = new AbortController();
    const draining = collect(queue.drain(controller.signal));
    controller.abort(new Error("enough"));
    await expect(draining).rejects.toThrow("enough");
  });

  test("close lets everything through that was pushed before, and nothing after", async () => {
    const { queue, waiting } = await fullQueue();
    queue.close();
    queue.close();
    expect([await queue.push(3, never), queue.tryPush(4)]).toEqual([false, false]);
    expect(await collect(queue)).toEqual([1, 2]);
    expect(await waiting).toBe(true);
    expect(await queue.take(never)).toBeUndefined();
  });

  test("close ends a consumer that waits", async () => {
    const queue = new BoundedQueue<number>(1);
    const consuming = collect(queue);
    await turn();
    queue.close();
    expect(await consuming).toEqual([]);
  });

  test("fail reaches the producer that waits and every later call, and drops what is queued", async () => {
    const { queue, waiting } = await fullQueue();
    const error = new Error("broken");
    queue.fail(error);
    queue.fail(new Error("a later one"));
    await expect(waiting).rejects.toBe(error);
    await expect(queue.push(3, never)).rejects.toBe(error);
    await expect(queue.take(never)).rejects.toBe(error);
    expect(() => queue.tryPush(3)).toThrow(error);
    expect(queue.length).toBe(0);
  });

  test("fail reaches a consumer that waits, and one that has not read all after close", async () => {
    const error = new Error("broken");
    const idle = new BoundedQueue<number>(1);
    const taking = idle.take(never);
    idle.fail(error);
    await expect(taking).rejects.toBe(error);
    const closed = new BoundedQueue<number>(1);
    closed.tryPush(1);
    closed.close();
    closed.fail(error);
    await expect(collect(closed)).rejects.toBe(error);
  });

  test("a consumer that leaves its loop lets the producers go", async () => {
    const { queue, waiting } = await fullQueue();
    const third = queue.push(3, never);
    for await (const item of queue) {
      expect(item).toBe(1);
      break;
    }
    expect(await waiting).toBe(true); // it had moved up when the first item was taken.
    expect(await third).toBe(false);
    expect(await queue.push(4, never)).toBe(false);
    expect(queue.length).toBe(0);
  });

  test("a queue without room is a defect of the caller", () => {
    expect(() => new BoundedQueue(0)).toThrow(AssertionError);
  });
});
