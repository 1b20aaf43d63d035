/** A replica over many links: nothing of one is left when the next begins, and what an operator does in between harms nothing. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../../../src/base/clock.js";
import type { ReplicaRunner } from "../../../../src/daemon/run/replica-runner.js";
import { wireError } from "../../../../src/wire/errors.js";
import type { Link } from "../../../../src/wire/link.js";
import { openMemoryLink } from "../../../../src/wire/memory-link.js";
import { PROTOCOL_VERSION, type WireFailure } from "../../../../src/wire/messages.js";
import { NO_SOURCE } from "../../../../src/wire/opening.js";
import { FakeClock } from "../../../fake-clock.js";
import { until } from "../../../live/lab/until.js";
import { makeMailbox } from "../../../live/twin/small-store.js";
import { RealPair } from "../../agent/real-pair.js";
import { REPLICA, type RunnerWish, runnerOn } from "./runner-on.js";

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

let lines: Record<string, unknown>[];

const runnerOf = (ports: Omit<RunnerWish, "lines">): ReplicaRunner => {
  lines = [];
  return runnerOn(pair, { ...ports, lines });
};

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
  runner.pause(1);
  runner.resume();
  await until("the second dial", () => dials === 2);
  expect(runner.state).toBe("connecting");
  runner.pause(1);
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
  const paces: (number | undefined)[] = [];
  const dial = (): Promise<Link> => {
    links += 1;
    paces.push(runner.pace.leftMs);
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
    const nowMs = systemClock.monotonicMs();
    for (const done of [1, 2])
      runner.pace.note({ done, all: 9 }, { ackedLsn: 0, transactions: 0 }, nowMs + 1_000 * done);
    current?.replica.close();
    await until("it to end", () => runner.state !== "live");
  }
  await until("the last one to be live", () => runner.state === "live");
  await until("one loop, and no other", () => asleep <= 2);
  expect(links).toBe(7);
  expect(new Set(paces)).toEqual(new Set([undefined])); // nor is its pace.
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
  expect(code()).toBe("replica-unreachable"); // by the clock: whether it was tried since or not.
  runner.fetchNow();
  await until("a further try", () => dials > before);
  await until("it to have failed", () => runner.state === "backing-off");
  expect(code()).toBe("replica-unreachable");
  expect(runner.troubles.all).toMatchObject([{ level: "needs-you", hint: expect.stringContaining("firewall") }]);
  isThere = true;
  runner.fetchNow();
  await until("it to be live", () => runner.state === "live");
  expect(runner.troubles.all).toEqual([]);
});

test("paused, what a next try might mend is no trouble: nothing is tried", async () => {
  const dial = () => Promise.reject(wireError("peer-unreachable", "dialling far: refused"));
  const runner = runnerOf({ dial });
  runner.run(stop.signal).catch(() => undefined);
  await until("the failure", () => runner.troubles.all[0]?.code === "peer-unreachable");
  runner.pause(7);
  expect([runner.troubles.all, runner.pausedSinceMs]).toStrictEqual([[], 7]);
  await until("it to rest", () => runner.state === "paused");
  runner.resume();
  await until("it to fail again", () => runner.troubles.all[0]?.code === "peer-unreachable");
  expect(runner.pausedSinceMs).toBeUndefined();
});

test("paused past its alarm, or with what a person has to mend: only that stays told", async () => {
  let [aheadMs, code] = [0, "peer-unreachable" as "peer-unreachable" | "peer-key-differs"];
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  const dial = () => Promise.reject(wireError(code, "dialling far"));
  const runner = runnerOf({ dial, clock, replica: { ...REPLICA, unreachableAlarmMs: 3_600_000 } });
  runner.run(stop.signal).catch(() => undefined);
  const told = (expected: string) =>
    until(expected, () => {
      runner.fetchNow();
      return runner.troubles.all[0]?.code === expected;
    });
  await told("peer-unreachable");
  aheadMs = 3_600_000;
  await told("replica-unreachable");
  runner.pause(1);
  expect(runner.troubles.all).toStrictEqual([]);
  runner.resume();
  await told("peer-unreachable");
  code = "peer-key-differs";
  await told("peer-key-differs");
  runner.pause(1);
  expect(runner.troubles.all).toMatchObject([{ code: "peer-key-differs", level: "needs-you" }]);
});

describe("a replica that dials in", () => {
  const dialsIn = () => {
    const runner = runnerOf({ dial: undefined, replica: { ...REPLICA, to: undefined } });
    runner.run(stop.signal).catch(() => undefined);
    return runner;
  };

  test("and goes away is away, and no trouble; the log says how its link ended", async () => {
    const runner = dialsIn();
    const { source, replica } = openMemoryLink();
    const session = pair.makeSession(replica).run(stop.signal);
    session.catch(() => undefined);
    runner.offer({ link: source, said: NO_SOURCE });
    await until("it to be live", () => runner.state === "live");
    replica.close();
    await until("it to be away", () => runner.state === "away");
    expect(runner.troubles.all).toStrictEqual([]);
    expect(lines.filter(({ msg }) => msg === "replica-gone")).toMatchObject([{ code: "link-closed", level: 30 }]);
    expect(lines.filter(({ msg }) => msg === "replica-failed")).toStrictEqual([]);
  });

  test("and ended its link with what needs a person, or heals: told, and the latter until the next link has ended", async () => {
    const runner = dialsIn();
    const comes = async (said: WireFailure | undefined) => {
      const { source, replica } = openMemoryLink();
      runner.offer({ link: source, said: NO_SOURCE });
      await until("it to be greeted", () => runner.state === "greeting");
      if (said !== undefined) await replica.send({ kind: "farewell", failure: said }, stop.signal);
      replica.close();
      await until("it to be away", () => runner.state === "away");
      return runner.troubles.all.map(({ code, level }) => [code, level]);
    };
    const full = { code: "ENOSPC", message: "writing", hint: "Look.", disposition: "operator", exitCode: 74 } as const;
    expect(await comes({ ...full, code: "store-not-ready" })).toStrictEqual([["store-not-ready", "healing"]]);
    expect(await comes(undefined)).toStrictEqual([]);
    expect(await comes(full)).toStrictEqual([["ENOSPC", "needs-you"]]);
    expect(await comes(undefined)).toStrictEqual([["ENOSPC", "needs-you"]]);
  });
});

test("a comparison of all that is asked for while one runs is not forgotten, whoever is killed in between", async () => {
  const held: (() => void)[] = [];
  let isHolding = false;
  const dial = (): Promise<Link> => {
    const { source, replica } = openMemoryLink();
    void pair
      .makeSession(replica)
      .run(stop.signal)
      .catch(() => undefined);
    const send: Link["send"] = async (message, signal) => {
      if (isHolding && message.kind === "mark") await new Promise<void>((resolve) => held.push(resolve));
      await source.send(message, signal);
    };
    return Promise.resolve({ ...source, send });
  };
  const runner = runnerOf({ dial });
  runner.run(stop.signal).catch(() => undefined);
  await until("it to be live", () => runner.state === "live");
  const next = async (what: string): Promise<void> => {
    await until(what, () => held.length === 1);
    held.pop()?.();
  };
  const compared = () => lines.filter(({ msg }) => msg === "replica-compared");
  isHolding = true;
  await runner.compareAll();
  await next("the first one to begin");
  await until("it to end", () => held.length === 1);
  await runner.compareAll();
  await next("it to end");
  await until("the second one to begin", () => held.length === 1);
  // As a kill would leave it: the next link compares.
  expect([compared().length, runner.needsResync]).toStrictEqual([1, true]);
  await next("the second one to begin");
  await next("it to end");
  await until("nothing to be left", () => !runner.needsResync);
  expect(compared()).toMatchObject([{ again: true }, {}]);
});

test("a replica that never greets is told of, its link is given up, and it stays told until it gets on", async () => {
  const clock = new FakeClock();
  let dials = 0;
  const dial = (): Promise<Link> => {
    dials += 1;
    return Promise.resolve(openMemoryLink().source);
  };
  const runner = runnerOf({ dial, clock });
  runner.run(stop.signal).catch(() => undefined);
  await clock.advance(59_000);
  expect(runner.troubles.all).toStrictEqual([]);
  await clock.advance(2_000);
  expect(runner.troubles.all).toMatchObject([{ code: "no-progress", level: "healing" }]);
  expect(dials).toBe(1);
  await clock.advance(10 * 60_000);
  expect(dials).toBeGreaterThan(3);
  await clock.advance(5 * 60_000);
  expect(runner.troubles.all).toMatchObject([{ code: "no-progress", level: "needs-you" }]);
  expect(lines.filter(({ msg }) => msg === "replica-stalled").map(({ level }) => level)).toHaveLength(2);
});

test("a replica that talks all the time and settles nothing is told of as one that says nothing", async () => {
  const clock = new FakeClock();
  const ends: Link[] = [];
  const dial = (): Promise<Link> => {
    const { source, replica } = openMemoryLink();
    ends.push(replica);
    return Promise.resolve(source);
  };
  const runner = runnerOf({ dial, clock });
  runner.run(stop.signal).catch(() => undefined);
  await clock.advance(1_000);
  const [replica] = ends;
  const reading = (async (): Promise<void> => {
    for await (const _ of replica?.messages(stop.signal) ?? []);
  })();
  reading.catch(() => undefined);
  // Neither new to the source nor sure of how far it is: it is compared, and that begins with a mark.
  const welcome = {
    kind: "welcome",
    protocol: PROTOCOL_VERSION,
    software: "x",
    appliedLsn: 0,
    firstContact: false,
  } as const;
  for (let seconds = 0; seconds < 70; seconds += 10) {
    expect(runner.troubles.all).toStrictEqual([]);
    await replica?.send(welcome, stop.signal);
    await replica?.send({ kind: "want", id: 1, indexes: [] }, stop.signal);
    await clock.advance(10_000);
  }
  expect(runner.troubles.all).toMatchObject([{ code: "no-progress", words: expect.stringContaining("acknowledged") }]);
});
