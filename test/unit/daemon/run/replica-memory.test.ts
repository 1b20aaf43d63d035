/** What is known of a replica over a change of its settings: when it is the same one, and what of it stays. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Replica } from "../../../../src/daemon/config/config.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { isSameReplica, ReplicaMemory } from "../../../../src/daemon/run/replica-memory.js";
import { wireError } from "../../../../src/wire/errors.js";
import { FakeClock } from "../../../fake-clock.js";

const HOUR_MS = 3_600_000;
const REPLICA = {
  ...{ name: "b", to: { kind: "tls", host: "b", port: 1 }, peer: "b", storeThere: "mail", mode: "live" },
  ...{ unreachableAlarmMs: HOUR_MS, foreign: "refuse" },
} as unknown as Replica;
const ELSEWHERE = { kind: "tls", host: "b2", port: 1 } as const;
const like = (more: Partial<Replica>): Replica => ({ ...REPLICA, ...more });

test("it is the same one while it is the same store of the same peer, however it is reached", () => {
  const named = [
    { unreachableAlarmMs: 1 },
    { mode: "on-demand" },
    { foreign: "keep" },
    { to: ELSEWHERE },
    { to: undefined },
  ];
  for (const more of named) expect(isSameReplica(REPLICA, like(more as Partial<Replica>))).toBe(true);
  for (const more of [{ storeThere: "mail2" }, { peer: "c" }, { peer: undefined }])
    expect(isSameReplica(REPLICA, like(more as unknown as Partial<Replica>))).toBe(false);
  const nameless = like({ peer: undefined });
  expect(isSameReplica(nameless, { ...nameless, unreachableAlarmMs: 1 })).toBe(true);
  expect(isSameReplica(nameless, { ...nameless, to: ELSEWHERE })).toBe(false);
});

describe("with other settings", () => {
  let clock: FakeClock;
  let memory: ReplicaMemory;
  let lines: { msg: string; code: string }[];

  beforeEach(() => {
    clock = new FakeClock();
    lines = [];
    const log = openEventLog("debug", (line) => lines.push(JSON.parse(line) as { msg: string; code: string }));
    memory = new ReplicaMemory({ replica: REPLICA, reader: { rejections: () => [] }, clock, log });
  });

  const told = () => memory.troubles.all.map(({ code, level, sinceMs }) => [code, level, sinceMs]);
  const logged = () => lines.map(({ msg, code }) => [msg, code]);
  const reload = (more: Partial<Replica>) => {
    memory.link.rest();
    memory.configure(like(more));
    memory.link.lacking();
  };

  test("the sums stay", () => {
    memory.noteBodyBytes(7);
    memory.noteShipped();
    reload({ unreachableAlarmMs: 1, to: ELSEWHERE });
    expect(memory.sums).toStrictEqual({ bytesSent: 7, transactionsSent: 1, lastSuccessMs: clock.nowMs() });
  });

  test("an alarm is judged anew, from the same begin, and is told once", async () => {
    const startMs = clock.nowMs();
    memory.link.lacking();
    memory.link.ended(wireError("peer-unreachable", "dialling b: refused"));
    memory.link.lacking();
    await clock.advance(HOUR_MS / 2);
    reload({ unreachableAlarmMs: HOUR_MS / 4 });
    await clock.advance(1);
    expect(told()).toStrictEqual([["replica-unreachable", "needs-you", startMs]]);
    reload({ unreachableAlarmMs: HOUR_MS / 3 });
    await clock.advance(1);
    expect(logged()).toStrictEqual([
      ["replica-failed", "peer-unreachable"],
      ["replica-needs-you", "replica-unreachable"],
    ]);
    reload({ unreachableAlarmMs: HOUR_MS });
    expect(told()).toMatchObject([["peer-unreachable", "healing", expect.anything()]]);
    await clock.advance(HOUR_MS / 2);
    expect(told()).toStrictEqual([["replica-unreachable", "needs-you", startMs]]);
    expect(clock.timerCount).toBe(0);
  });

  test("reached in another way it begins without trouble, and counts anew", async () => {
    memory.link.ended(wireError("peer-unreachable", "dialling b: refused"));
    memory.link.lacking();
    await clock.advance(HOUR_MS - 1);
    reload({ to: ELSEWHERE });
    expect(told()).toStrictEqual([]);
    await clock.advance(HOUR_MS - 1);
    expect(told()).toStrictEqual([]);
    await clock.advance(1);
    expect(told()).toMatchObject([["replica-unreachable", "needs-you", expect.anything()]]);
  });
});
