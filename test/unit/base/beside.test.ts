import { expect, test } from "vitest";
import { Beside } from "../../../src/base/beside.js";
import { turns } from "../../turns.js";

/** Work that ends when the test says so. */
function work() {
  let end: () => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((resolve, reject) => {
    end = resolve;
    fail = reject;
  });
  return { promise, end, fail };
}

const noFailure = (error: unknown): void => {
  throw error;
};

test("waits only when one more would be too many, and until any of them has ended", async () => {
  const beside = new Beside(2, noFailure);
  const [first, second, third] = [work(), work(), work()];
  await beside.add(first.promise);
  let hasRoom = false;
  const added = beside.add(second.promise).then(() => {
    hasRoom = true;
  });
  await turns();
  expect(hasRoom).toBe(false);
  second.end();
  await added;
  let isThirdTaken = false;
  const again = beside.add(third.promise).then(() => {
    isThirdTaken = true;
  });
  await turns();
  expect(isThirdTaken).toBe(false);
  first.end();
  await again;
  third.end();
  await beside.ended();
});

test("a failure is told at once, makes room, and is no rejection of what waits", async () => {
  const failures: unknown[] = [];
  const beside = new Beside(2, (error) => failures.push(error));
  const [first, second] = [work(), work()];
  await beside.add(first.promise);
  const failure = new Error("the disk is full");
  first.fail(failure);
  await turns();
  expect(failures).toStrictEqual([failure]);
  await beside.add(second.promise); // there is room again.
  second.end();
  await beside.ended();
});

test("has ended when all of it has, however it did", async () => {
  const beside = new Beside(3, () => undefined);
  const [first, second] = [work(), work()];
  await beside.add(first.promise);
  await beside.add(second.promise);
  let hasEnded = false;
  const ended = beside.ended().then(() => {
    hasEnded = true;
  });
  first.fail(new Error("gone"));
  await turns();
  expect(hasEnded).toBe(false);
  second.end();
  await ended;
  await beside.ended();
});
