/** How a cursor gets to the disk. */
import { expect, test } from "vitest";
import { CursorStore } from "../../../src/agent/cursor-store.js";
import { FakeClock } from "../../fake-clock.js";
import { turns } from "../../turns.js";

const PAUSE_MS = 1_000;

function open(isFailing: (lsn: number) => boolean = () => false) {
  const started: number[] = [];
  const errors: unknown[] = [];
  const ends: (() => void)[] = [];
  const write = async (lsn: number) => {
    started.push(lsn);
    await new Promise<void>((resolve) => ends.push(resolve));
    if (isFailing(lsn)) throw new Error(`no space for ${lsn}`);
  };
  const clock = new FakeClock();
  const store = new CursorStore({ write, onError: (error) => errors.push(error), clock, pauseMs: PAUSE_MS });
  return { store, started, errors, clock, end: () => ends.shift()?.() };
}

test("the first is written at once, and of what follows within the pause the last", async () => {
  const { store, started, clock, end } = open();
  for (let lsn = 1; lsn <= 1000; lsn++) store.put(lsn);
  end();
  await clock.advance(PAUSE_MS - 1);
  expect(started).toStrictEqual([1]);
  await clock.advance(1);
  expect(started).toStrictEqual([1, 1000]);
  end();
  await clock.advance(PAUSE_MS);
  store.put(1001);
  expect(started, "it was quiet for longer than the pause").toStrictEqual([1, 1000, 1001]);
});

test("one write is under way, also when it takes longer than the pause", async () => {
  const { store, started, clock, end } = open();
  store.put(1);
  store.put(2);
  await clock.advance(5 * PAUSE_MS);
  expect(started).toStrictEqual([1]);
  end();
  await turns(2);
  expect(started).toStrictEqual([1, 2]);
});

test("at the end what waits is written without the pause, and no timer is left", async () => {
  const { store, started, clock, end } = open();
  store.put(1);
  store.put(2);
  const settled = store.settled();
  end();
  await turns(2);
  expect(started).toStrictEqual([1, 2]);
  end();
  await settled;
  expect(clock.timerCount).toBe(0);
});

test("a write that fails is told, and whoever waits does not wait for ever", async () => {
  const { store, errors, started, clock, end } = open((lsn) => lsn === 2);
  store.put(2);
  store.put(3);
  end();
  await store.settled();
  expect(errors).toMatchObject([{ message: "no space for 2" }]);
  expect(started, "the run is over with it").toStrictEqual([2]);
  expect(clock.timerCount).toBe(0);
});
