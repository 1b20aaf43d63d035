import { expect, test } from "vitest";
import { Beside, eachInTurn } from "../../../src/base/beside.js";
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

/** Items that end when the test says so: capitals are large. Two at a time. */
function begin(items: string) {
  const underWay = new Map<string, ReturnType<typeof work>>();
  const begun: string[] = [];
  const run = eachInTurn([...items], {
    lanesMax: 2,
    isLarge: (item) => item === item.toUpperCase(),
    work: (item) => {
      begun.push(item);
      const own = work();
      underWay.set(item, own);
      return own.promise;
    },
  });
  run.catch(() => undefined);
  const end = async (item: string): Promise<string> => {
    underWay.get(item)?.end();
    await turns();
    return begun.join("");
  };
  return { run, begun, end, underWay };
}

test("large ones take turns for as long as others have not begun, which keep their order", async () => {
  const { run, end } = begin("ABCde");
  await turns();
  expect(await end("")).toBe("Ad");
  expect(await end("d")).toBe("Ade");
  expect(await end("e")).toBe("AdeB"); // nobody would wait for both.
  expect(await end("A")).toBe("AdeBC");
  await end("B");
  await end("C");
  await run;
});

test("when a large one ends, the next in order begins", async () => {
  const { run, end } = begin("AxByz");
  await turns();
  expect(await end("")).toBe("Ax");
  expect(await end("A")).toBe("AxB");
  expect(await end("x")).toBe("AxBy");
  expect(await end("y")).toBe("AxByz");
  await end("z");
  await end("B");
  await run;
});

test("after a failure nothing more begins, and it is thrown when the rest has ended", async () => {
  const { run, begun, end, underWay } = begin("abc");
  await turns();
  const failure = new Error("the disk is full");
  underWay.get("a")?.fail(failure);
  await turns();
  expect(begun).toEqual(["a", "b"]);
  let hasEnded = false;
  run.catch(() => {
    hasEnded = true;
  });
  await turns();
  expect(hasEnded).toBe(false);
  await end("b");
  await expect(run).rejects.toBe(failure);
  expect(begun).toEqual(["a", "b"]);
});
