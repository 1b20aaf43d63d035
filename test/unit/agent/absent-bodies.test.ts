/** Bodies that the source does not find and its log still has: who waits for them, and for how long. */
import { expect, test } from "vitest";
import { turns, until } from "../../turns.js";
import { eachPair } from "./each-pair.js";
import { guid, type Pair } from "./pair.js";

let pair: Pair;
eachPair((it) => {
  pair = it;
  pair.log("a", [{ uid: 1 }, { uid: 2 }]);
  pair.log("b", [{ uid: 3 }]);
  pair.bodies.gone.add("ba2");
  pair.uidsAmong = ({ uids }) => uids; // it stands in the log.
});

const REFUSED = { mailbox: guid("a"), code: "body-not-found" };

test("of a message whose deletion is held back nobody waits: its mailbox is refused at once, and others go on", async () => {
  const asked: unknown[] = [];
  pair.whyHeld = async (of) => {
    asked.push(of);
    return "deletions-held";
  };
  const run = pair.start();
  await run.untilAcked(2); // no time passes.
  const message = expect.stringMatching(/^mail of it is gone at the source, and its deletion is held back until/);
  expect(run.rejected).toMatchObject([{ ...REFUSED, message }]);
  expect(run.shipped.map(({ lsn }) => lsn)).toEqual([2]);
  expect(asked).toEqual([{ guid: guid("a"), uids: [2] }]);
  expect(pair.looks, "it may be back, and is looked for once").toBe(1);
  await run.end();
});

test("one of which nothing is known yet is waited for until something is", async () => {
  let asked = 0;
  pair.whyHeld = async () => {
    asked += 1;
    return asked > 2 ? "mount-missing" : undefined;
  };
  const run = pair.start();
  const acked = run.untilAcked(2);
  for (let looks = 1; looks <= 2; looks++) {
    await until(() => asked === looks && pair.clock.timerCount === 1, "it waits for the next look");
    expect(run.rejected).toEqual([]);
    await pair.clock.advance(50);
  }
  await acked;
  const message = "the file system that it lies on at the source is not mounted there";
  expect(run.rejected).toMatchObject([{ ...REFUSED, message }]);
  expect([asked, pair.clock.monotonicMs()]).toEqual([3, 100]);
  await run.end();
});

test("one that is there at the next look is sent", async () => {
  const run = pair.start();
  const acked = run.untilAcked(2);
  await until(() => pair.looks === 1, "it is looked for");
  pair.bodies.gone.clear();
  await turns();
  await pair.clock.advance(50);
  await acked;
  expect([run.rejected, run.shipped.map(({ lsn }) => lsn)]).toEqual([[], [1, 2]]);
  expect(pair.replica.applied.map(({ gone }) => gone)).toEqual([[], []]);
  await run.end();
});

/** Lets time pass until it holds; returns how long that took, in ms. */
async function passTime(isOver: () => boolean): Promise<number> {
  const startMs = pair.clock.monotonicMs();
  while (!isOver()) {
    await until(() => isOver() || pair.clock.timerCount > 0, "somebody waits");
    if (!isOver()) await pair.clock.advance(50);
  }
  return pair.clock.monotonicMs() - startMs;
}

test("where several mailboxes lack something, they are waited for together, not one after the other", async () => {
  for (const letter of ["c", "d", "e"]) {
    pair.log(letter, [{ uid: 4 }]);
    pair.bodies.gone.add(`b${letter}4`);
  }
  pair.log("b", [{ uid: 5 }]);
  const run = pair.start();
  const acked = run.untilAcked(6);
  expect(await passTime(() => run.rejected.length === 4), "as long as for one: 10 s").toBeLessThan(11_000);
  await acked;
  expect(run.rejected.map(({ mailbox, code }) => ({ mailbox, code })).sort()).toMatchObject(
    ["a", "c", "d", "e"].map((letter) => ({ ...REFUSED, mailbox: guid(letter) })),
  );
  expect(run.shipped.map(({ lsn }) => lsn)).toEqual([2, 6]);
  await run.end();
});

test.each([
  { has: "has looked at its mailboxes four times", sweepsAtMs: 25_000, untilMs: 25_050 },
  { has: "was waited for long enough", sweepsAtMs: Number.POSITIVE_INFINITY, untilMs: 60_000 },
])("a slow source is waited for until it $has", async ({ sweepsAtMs, untilMs }) => {
  pair.sweeps = 7;
  pair.whyHeld = async () => {
    pair.sweeps = pair.clock.monotonicMs() >= sweepsAtMs ? 11 : 10;
    return undefined;
  };
  const run = pair.start();
  const acked = run.untilAcked(2);
  expect(await passTime(() => run.rejected.length > 0)).toBe(untilMs);
  await acked;
  expect(run.rejected).toMatchObject([REFUSED]);
  await run.end();
});

test("one that is deleted after long, by a slow source, is no failure", async () => {
  pair.sweeps = 1;
  const run = pair.start();
  const acked = run.untilAcked(2);
  await passTime(() => pair.clock.monotonicMs() >= 30_000);
  pair.vanished.add(guid("a"));
  await passTime(() => run.shipped.length === 2);
  await acked;
  expect(run.rejected).toEqual([]);
  await run.end();
});
