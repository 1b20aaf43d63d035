/** A thread that is there while somebody needs it. */
import { beforeEach, expect, test } from "vitest";
import type { WorkerClient } from "../../../src/base/worker-rpc.js";
import { WorkerOnDemand } from "../../../src/daemon/worker-on-demand.js";
import { FakeClock } from "../../fake-clock.js";

interface Started {
  isEnded: boolean;
}

let clock: FakeClock;
let started: Started[];
/** By itself. */
let die: () => void;
let onDemand: WorkerOnDemand<object>;

beforeEach(() => {
  clock = new FakeClock();
  started = [];
  onDemand = new WorkerOnDemand(start, clock);
});

function start(): WorkerClient<object> {
  const worker: Started = { isEnded: false };
  started.push(worker);
  const end = async () => {
    worker.isEnded = true;
  };
  const ended = new Promise<undefined>((resolve) => {
    die = () => resolve(undefined);
  });
  return { [Symbol.asyncDispose]: end, ended } as unknown as WorkerClient<object>;
}

test("starts with the first who takes it, and is shared", () => {
  expect(started).toHaveLength(0);
  expect(onDemand.take()).toBe(onDemand.take());
  expect(started).toHaveLength(1);
});

test("ends some time after the last has given it back, and starts anew", async () => {
  onDemand.take();
  onDemand.take();
  onDemand.giveBack();
  await clock.advance(60_000);
  expect(started).toStrictEqual([{ isEnded: false }]);
  onDemand.giveBack();
  onDemand.take();
  await clock.advance(60_000);
  expect(started).toStrictEqual([{ isEnded: false }]);
  onDemand.giveBack();
  await clock.advance(60_000);
  expect(started).toStrictEqual([{ isEnded: true }]);
  onDemand.take();
  expect(started).toStrictEqual([{ isEnded: true }, { isEnded: false }]);
});

test("ends with its owner, and leaves no timer", async () => {
  onDemand.take();
  onDemand.giveBack();
  await onDemand[Symbol.asyncDispose]();
  expect(started).toStrictEqual([{ isEnded: true }]);
  expect(clock.timerCount).toBe(0);
});

test("that has ended by itself is started anew for whoever comes next", async () => {
  const first = onDemand.take();
  die();
  await Promise.resolve();
  await Promise.resolve();
  expect(onDemand.take()).not.toBe(first);
  onDemand.giveBack();
  onDemand.giveBack();
  await clock.advance(60_000);
  expect(started).toStrictEqual([{ isEnded: false }, { isEnded: true }]);
});

test("never started ends at once", async () => {
  await onDemand[Symbol.asyncDispose]();
  expect(started).toStrictEqual([]);
});
