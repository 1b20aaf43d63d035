/** A replica over many links: nothing of one is left when the next begins, and what an operator does in between harms nothing. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Clock, systemClock } from "../../../../src/base/clock.js";
import type { Replica } from "../../../../src/daemon/config/config.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { ReplicaRunner, type RunnerPorts } from "../../../../src/daemon/run/replica-runner.js";
import type { SourceStore } from "../../../../src/daemon/run/source-store.js";
import { wireError } from "../../../../src/wire/errors.js";
import type { Link } from "../../../../src/wire/link.js";
import { openMemoryLink } from "../../../../src/wire/memory-link.js";
import { until } from "../../../live/lab/until.js";
import { makeMailbox } from "../../../live/twin/small-store.js";
import { RealPair } from "../../agent/real-pair.js";

const REPLICA = { name: "far", mode: "live", foreign: "keep", storeThere: "mail" } as unknown as Replica;

let pair: RealPair;
let stop: AbortController;

beforeEach(async () => {
  pair = await RealPair.open(systemClock);
  makeMailbox(pair.bench.source, "u1/Maildir", { messages: 2 });
  await pair.capture();
  await pair.sourceWriter.addReplica("far", 1);
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort(new Error("the test has ended"));
  await pair[Symbol.asyncDispose]();
});

function runnerOf(
  ports: Pick<RunnerPorts, "dial"> & { readonly clock?: Clock; readonly replica?: Replica },
): ReplicaRunner {
  const side = { reader: pair.sourceReader, writer: pair.sourceWriter, capturer: pair.capturer, bodies: undefined };
  const store = {
    ...{ side, adapted: {}, onCommitted: new Set(), isLive: true },
    untilCaptured: () => Promise.resolve(),
  } as unknown as SourceStore;
  const log = openEventLog("debug", () => undefined);
  const common = { replica: REPLICA, store, path: "/x", random: () => 0, log };
  return new ReplicaRunner({ ...common, clock: systemClock, mayHave: () => false, ...ports });
}

test("paused and resumed while a dial takes its time to end, it dials again", async () => {
  let dials = 0;
  const dial = (signal: AbortSignal): Promise<Link> => {
    dials += 1;
    return new Promise((_resolve, reject) => {
      // As ssh does, which is given time to end by itself.
      signal.addEventListener("abort", () => systemClock.setTimer(100, () => reject(signal.reason)));
    });
  };
  const runner = runnerOf({ dial });
  const run = runner.run(stop.signal);
  run.catch(() => undefined);
  await until("the first dial", () => dials === 1);
  runner.pause();
  runner.resume();
  await until("the second dial", () => dials === 2);
  expect(runner.state).toBe("connecting");
  runner.pause();
  await until("it to rest", () => runner.state === "paused");
  stop.abort(new Error("enough"));
  await expect(run).rejects.toThrow();
});

test("no loop of an earlier link is left behind", { timeout: 60_000 }, async () => {
  let [asleep, links] = [0, 0];
  const sleep = async (ms: number, signal: AbortSignal): Promise<void> => {
    asleep += 1;
    await systemClock.sleep(ms, signal).finally(() => {
      asleep -= 1;
    });
  };
  let current: ReturnType<typeof openMemoryLink> | undefined;
  const dial = (): Promise<Link> => {
    links += 1;
    current = openMemoryLink();
    void pair
      .makeSession(current.replica)
      .run(stop.signal)
      .catch(() => undefined);
    return Promise.resolve(current.source);
  };
  const runner = runnerOf({ dial, clock: { ...systemClock, sleep } });
  runner.run(stop.signal).catch(() => undefined);
  for (let round = 1; round <= 6; round++) {
    await until(`link ${round} to be live`, () => links === round && runner.state === "live");
    current?.replica.close();
    await until("it to end", () => runner.state !== "live");
  }
  await until("the last one to be live", () => runner.state === "live");
  await until("one loop, and no other", () => asleep <= 2);
  expect(links).toBe(7);
});

test("out of reach for longer than its alarm it needs a person, until there is a link again", async () => {
  let [aheadMs, isThere, dials] = [0, false, 0];
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  const dial = (): Promise<Link> => {
    dials += 1;
    if (!isThere) return Promise.reject(wireError("peer-unreachable", "dialling far: refused"));
    const link = openMemoryLink();
    void pair
      .makeSession(link.replica)
      .run(stop.signal)
      .catch(() => undefined);
    return Promise.resolve(link.source);
  };
  const runner = runnerOf({ dial, clock, replica: { ...REPLICA, unreachableAlarmMs: 3_600_000 } });
  runner.run(stop.signal).catch(() => undefined);
  const code = () => runner.troubles.all[0]?.code;
  await until("the first failure", () => code() === "peer-unreachable");
  const before = dials;
  aheadMs = 3_600_000;
  runner.fetchNow();
  await until("the alarm", () => code() === "replica-unreachable");
  expect(dials).toBeGreaterThan(before);
  expect(runner.troubles.all).toMatchObject([{ level: "needs-you", hint: expect.stringContaining("firewall") }]);
  isThere = true;
  runner.fetchNow();
  await until("it to be live", () => runner.state === "live");
  expect(runner.troubles.all).toEqual([]);
});
