import { expect, test } from "vitest";
import { GroupSync } from "../../../src/base/group-sync.js";

interface Flush {
  readonly end: (value: number) => void;
  readonly fail: (error: Error) => void;
}

function controlled(): { readonly flushes: Flush[]; readonly sync: GroupSync<number> } {
  const flushes: Flush[] = [];
  const sync = new GroupSync(
    () => new Promise<number>((resolve, reject) => void flushes.push({ end: resolve, fail: reject })),
  );
  return { flushes, sync };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("whoever asks while one runs shares the next one, not the running one", async () => {
  const { flushes, sync } = controlled();
  const first = sync.run();
  await turn();
  const second = sync.run();
  const third = sync.run();
  await turn();
  expect(flushes).toHaveLength(1);
  flushes[0]?.end(1);
  expect(await first).toBe(1);
  await turn();
  expect(flushes).toHaveLength(2);
  flushes[1]?.end(2);
  expect(await Promise.all([second, third])).toEqual([2, 2]);
});

test("a failure is that of those who shared it; the next ones get a flush of their own", async () => {
  const { flushes, sync } = controlled();
  const first = sync.run();
  await turn();
  const second = sync.run();
  flushes[0]?.fail(new Error("the disk is gone"));
  await expect(first).rejects.toThrow("the disk is gone");
  await turn();
  flushes[1]?.end(2);
  expect(await second).toBe(2);
});
