import { AssertionError } from "node:assert";
import { fc } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { KeyedQueue } from "../../../src/base/keyed-queue.js";

const never = new AbortController().signal;
const turn = () => new Promise(setImmediate);

/** A task that runs until it is told to end, and notes when it began. */
function openTask(log: string[], name: string) {
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = async () => {
    log.push(name);
    await ended;
    return name;
  };
  return { run, end };
}

describe("KeyedQueue", () => {
  test("one key: one at a time, in order; all keys: never more than allowed", async () => {
    const jobs = fc.array(fc.record({ key: fc.integer({ min: 0, max: 3 }), turns: fc.nat(3), fails: fc.boolean() }), {
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(jobs, fc.integer({ min: 1, max: 4 }), async (list, tasksMax) => {
        const queue = new KeyedQueue<number>(tasksMax);
        const begun = new Map<number, number[]>();
        const running = new Set<number>();
        const results = list.map(({ key, turns, fails }, index) =>
          queue.run(
            key,
            async () => {
              expect(running.has(key)).toBe(false);
              running.add(key);
              expect(running.size).toBeLessThanOrEqual(tasksMax);
              begun.set(key, [...(begun.get(key) ?? []), index]);
              for (let i = 0; i < turns; i++) await Promise.resolve();
              running.delete(key);
              if (fails) throw new Error(`task ${index}`);
              return index;
            },
            never,
          ),
        );
        const settled = await Promise.allSettled(results);
        settled.forEach((result, index) => {
          if (list[index]?.fails)
            expect(result).toMatchObject({ status: "rejected", reason: { message: `task ${index}` } });
          else expect(result).toEqual({ status: "fulfilled", value: index });
        });
        for (const [key, order] of begun) {
          expect(order).toEqual(list.flatMap((job, index) => (job.key === key ? [index] : [])));
        }
        expect(queue.keyCount).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  test("keys take turns when there is less room than keys", async () => {
    const queue = new KeyedQueue<string>(1);
    const log: string[] = [];
    const note = (name: string) => async () => {
      log.push(name);
      await turn();
    };
    await Promise.all(["a1", "a2", "a3", "b1", "c1"].map((name) => queue.run(name.slice(0, 1), note(name), never)));
    expect(log).toEqual(["a1", "b1", "c1", "a2", "a3"]);
  });

  test("a task that waits can be aborted; it never runs, and those behind it move up", async () => {
    const queue = new KeyedQueue<string>(2);
    const log: string[] = [];
    const first = openTask(log, "first");
    const controller = new AbortController();
    const one = queue.run("k", first.run, never);
    const two = queue.run("k", async () => log.push("second"), controller.signal);
    const three = queue.run("k", async () => log.push("third"), never);
    controller.abort(new Error("enough"));
    await expect(two).rejects.toThrow("enough");
    first.end();
    expect(await one).toBe("first");
    await three;
    expect(log).toEqual(["first", "third"]);
  });

  test("a key whose only waiting task was aborted is forgotten", async () => {
    const queue = new KeyedQueue<string>(1);
    const log: string[] = [];
    const busy = openTask(log, "busy");
    const running = queue.run("a", busy.run, never);
    const controller = new AbortController();
    const waiting = queue.run("b", async () => log.push("b"), controller.signal);
    expect(queue.keyCount).toBe(2);
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    expect(queue.keyCount).toBe(1);
    busy.end();
    await running;
    expect(await queue.run("b", async () => "again", never)).toBe("again");
    expect([log, queue.keyCount]).toEqual([["busy"], 0]);
  });

  test("an abort does not free the key of a task that runs", async () => {
    const queue = new KeyedQueue<string>(2);
    const log: string[] = [];
    const controller = new AbortController();
    const slow = openTask(log, "slow");
    const one = queue.run("k", slow.run, controller.signal);
    const two = queue.run("k", async () => log.push("next"), never);
    controller.abort();
    await turn();
    expect(log).toEqual(["slow"]);
    slow.end();
    await Promise.all([one, two]);
    expect(log).toEqual(["slow", "next"]);
  });

  test("a task gets the signal, and an aborted one does not enter", async () => {
    const queue = new KeyedQueue<string>(1);
    const { signal } = new AbortController();
    expect(await queue.run("k", async (given) => given === signal, signal)).toBe(true);
    await expect(queue.run("k", async () => 1, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
    expect(queue.keyCount).toBe(0);
  });

  test("a queue that runs nothing is a defect of the caller", () => {
    expect(() => new KeyedQueue(0)).toThrow(AssertionError);
  });
});
