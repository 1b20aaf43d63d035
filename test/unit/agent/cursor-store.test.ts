/** How a cursor gets to the disk. */
import { expect, test } from "vitest";
import { CursorStore } from "../../../src/agent/cursor-store.js";
import { turns } from "../../turns.js";

function open(isFailing: (lsn: number) => boolean = () => false) {
  const started: number[] = [];
  const errors: unknown[] = [];
  const ends: (() => void)[] = [];
  const write = async (lsn: number) => {
    started.push(lsn);
    await new Promise<void>((resolve) => ends.push(resolve));
    if (isFailing(lsn)) throw new Error(`no space for ${lsn}`);
  };
  const store = new CursorStore(write, (error) => errors.push(error));
  return { store, started, errors, end: () => ends.shift()?.() };
}

test("one write is under way, and only the last of what moves meanwhile is written next", async () => {
  const { store, started, end } = open();
  for (let lsn = 1; lsn <= 1000; lsn++) store.put(lsn);
  await turns(2);
  expect(started).toStrictEqual([1]);
  end();
  await turns(2);
  expect(started).toStrictEqual([1, 1000]);
  end();
  await store.settled();
  store.put(1001);
  expect(started).toStrictEqual([1, 1000, 1001]);
});

test("a write that fails is told, and whoever waits does not wait for ever", async () => {
  const { store, errors, end } = open((lsn) => lsn === 2);
  store.put(2);
  store.put(3);
  end();
  await store.settled();
  expect(errors).toMatchObject([{ message: "no space for 2" }]);
});
