/** Several things opened at once: the errors and the order of their ends are those of one after the other. */
import { expect, test } from "vitest";
import { Disposer } from "../../../src/base/disposal.js";
import { adoptLater, together } from "../../../src/daemon/open-together.js";
import { turns } from "../../turns.js";

test("all are there, in their order", async () => {
  expect(await together(Promise.resolve(1), turns(2), Promise.resolve("three"))).toStrictEqual([1, undefined, "three"]);
});

test("the error is the first one's in their order, when all have ended", async () => {
  let hasEnded = false;
  const slow = turns(3).then(() => {
    hasEnded = true;
    throw new Error("first");
  });
  await expect(together(slow, Promise.reject(new Error("second")))).rejects.toThrow("first");
  expect(hasEnded).toBe(true);
});

test("what is adopted later ends in the place where it was begun", async () => {
  const ended: string[] = [];
  const named = (name: string) => ({
    [Symbol.asyncDispose]: async () => {
      ended.push(name);
    },
  });
  const owner = new Disposer();
  const opening = adoptLater(
    owner,
    turns(2).then(() => named("writer")),
  );
  owner.adopt(named("worker"));
  await opening;
  await owner.dispose();
  expect(ended).toStrictEqual(["worker", "writer"]);
});

test("what could not be opened leaves nothing to release", async () => {
  const owner = new Disposer();
  const opening = adoptLater(owner, Promise.reject(new Error("no")));
  await expect(opening).rejects.toThrow("no");
  await owner.dispose();
});
