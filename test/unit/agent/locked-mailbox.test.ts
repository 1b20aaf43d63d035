/** Somebody keeps the lock of one mailbox: all others go on, over real stores. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FakeClock } from "../../fake-clock.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { letPass, turns, until } from "../../turns.js";
import { RealPair, type RealRun } from "./real-pair.js";

const [INBOX, WORK, OTHER] = ["u1/Maildir", "u1/Maildir/.Work", "u2/Maildir"];

let pair: RealPair;
let source: string;
let replica: string;
let run: RealRun;

beforeEach(async () => {
  pair = await RealPair.open();
  ({ source, replica } = pair.bench);
  makeMailbox(source, INBOX, { messages: 4 });
  makeMailbox(source, WORK, { messages: 3, seed: 10 });
  makeMailbox(source, OTHER, { messages: 2, seed: 20 });
  await pair.ship();
  run = pair.start();
  await run.untilAcked(pair.sourceReader.lastLsn());
});

afterEach(async () => {
  await run.end();
  await pair[Symbol.asyncDispose]();
});

const clock = () => pair.clock as FakeClock;
const rejections = () => pair.sourceReader.rejections();
const lockOf = (path: string) => join(replica, path, "dovecot-uidlist.lock");
/** Of a host that nobody can ask whether it is alive. */
const hold = (path: string) => writeFileSync(lockOf(path), "1:elsewhere");
const differing = (path: string) => pair.differences.filter((words) => words.includes(path));
let seed = 100;

/** Mail for both; returns when the second has it, with how long that took, in the time of both ends. */
async function deliver(first: string, second: string): Promise<number> {
  addMessage(join(source, first), { seed: seed++ });
  await pair.capture();
  addMessage(join(source, second), { seed: seed++ });
  await pair.capture();
  const startMs = clock().monotonicMs();
  run.agent.wake();
  for (let ms = 0; differing(second).length > 0; ms += 10) {
    if (ms > 60_000) throw new Error("it never comes");
    await turns(100);
    if (differing(second).length > 0) await clock().advance(10);
  }
  return clock().monotonicMs() - startMs;
}

describe("a mailbox whose lock somebody keeps", () => {
  test("holds another's mail up for a moment, once, and has its own soon after it is let go", async () => {
    hold(INBOX);
    expect(await deliver(INBOX, OTHER)).toBeLessThan(1_000);
    await until(() => run.rejected.length > 0, "it is refused");
    expect(rejections()).toMatchObject([{ mailbox: pair.guidAt(INBOX), code: "lock-held" }]);
    for (let round = 0; round < 4; round++) {
      expect(await deliver(INBOX, OTHER)).toBeLessThan(50);
      await letPass(clock(), 30_000, 1_000); // it is tried again meanwhile.
    }
    expect(rejections()[0]?.attempts).toBeGreaterThan(4);
    rmSync(lockOf(INBOX));
    await letPass(clock(), 21_000, 1_000);
    await until(() => rejections().length === 0 && pair.differences.length === 0, "it has all of its mail");
  });

  test("has it within a second or two, where it was let go soon", async () => {
    hold(INBOX);
    await deliver(INBOX, OTHER);
    await until(() => run.rejected.length > 0, "it is refused");
    rmSync(lockOf(INBOX));
    await letPass(clock(), 1_000);
    await until(() => rejections().length === 0 && pair.differences.length === 0, "it has all of its mail");
  });

  test("is not compared while the log has what was refused: it would be refused again", async () => {
    hold(INBOX);
    await deliver(INBOX, OTHER);
    await until(() => run.rejected.length > 0, "it is refused");
    await letPass(clock(), 5_000);
    expect(run.rejected.length).toBeGreaterThan(1);
    expect(run.sent.filter((it) => it.kind === "request" && it.ask.kind === "compare")).toStrictEqual([]);
    rmSync(lockOf(INBOX));
  });

  test("does not keep the mending of others waiting, nor do two", async () => {
    for (const path of [INBOX, WORK]) hold(path);
    await deliver(INBOX, OTHER);
    await deliver(WORK, OTHER);
    await until(() => rejections().length === 2, "they are refused");
    const resynced = run.agent.resync(pair.guidAt(OTHER));
    await turns(500);
    expect(await resynced).toBe(true);
    await letPass(clock(), 2_000);
    expect(rejections().map(({ mailbox }) => mailbox)).not.toContain(pair.guidAt(OTHER));
    for (const path of [INBOX, WORK]) rmSync(lockOf(path));
  });
});
