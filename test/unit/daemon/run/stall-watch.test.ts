/** When a replica that is there does not get on: told, for a person after a while, and given up; and when nothing of it is true. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { StallWatch, type WatchedAgent } from "../../../../src/daemon/run/stall-watch.js";
import { Troubles } from "../../../../src/daemon/run/troubles.js";
import { wireError } from "../../../../src/wire/errors.js";
import { FakeClock } from "../../../fake-clock.js";
import { makeMailbox } from "../../../live/twin/small-store.js";
import { RealPair } from "../../agent/real-pair.js";

const MINUTE_MS = 60_000;

let clock: FakeClock;
let troubles: Troubles;
let stall: StallWatch;
let stop: AbortController;
let logged: unknown[];
let agent: { -readonly [K in keyof WatchedAgent]: WatchedAgent[K] };
let bodies: number;

beforeEach(() => {
  clock = new FakeClock();
  troubles = new Troubles();
  logged = [];
  const log = openEventLog("debug", (line) => logged.push((JSON.parse(line) as { readonly msg: string }).msg));
  stall = new StallWatch({ clock, troubles, log });
  stop = new AbortController();
  agent = { heard: 0, owed: "outcome", waitedMs: 0 };
  bodies = 0;
});

afterEach(() => stop.abort(new Error("enough")));

function watch(watched: WatchedAgent = agent) {
  const end: { error?: unknown } = {};
  stall
    .watch(watched, () => bodies, stop.signal)
    .catch((error: unknown) => {
      end.error = error;
    });
  return end;
}

const levels = () => troubles.all.map(({ code, level }) => [code, level]);

test.each(["welcome", "answer", "outcome"] as const)("nothing comes of what is owed (%s)", async (owed) => {
  agent.owed = owed;
  watch();
  await clock.advance(59_000);
  expect(levels()).toStrictEqual([]);
  await clock.advance(2_000);
  expect(levels()).toStrictEqual([["no-progress", "healing"]]);
  expect(logged).toStrictEqual(["replica-stalled"]);
});

test("a person is called after a quarter of an hour, once, and the link is given up after an hour", async () => {
  const end = watch();
  await clock.advance(14 * MINUTE_MS);
  expect(levels()).toStrictEqual([["no-progress", "healing"]]);
  await clock.advance(2 * MINUTE_MS);
  expect(levels()).toStrictEqual([["no-progress", "needs-you"]]);
  await clock.advance(43 * MINUTE_MS);
  expect(end.error).toBeUndefined();
  await clock.advance(2 * MINUTE_MS);
  expect(end.error).toMatchObject({ code: "no-progress", disposition: "retry" });
  expect(logged).toStrictEqual(["replica-stalled", "replica-stalled"]);
});

test.each([
  [
    "an answer",
    () => {
      agent.heard += 1;
    },
  ],
  [
    "a body that is taken",
    () => {
      bodies += 1;
    },
  ],
  [
    "nothing to do for a moment",
    async () => {
      agent.owed = undefined;
      await clock.advance(1_000);
      agent.owed = "outcome";
    },
  ],
])("%s every minute is progress, for however long", async (_, work) => {
  const end = watch();
  for (let minute = 0; minute < 120; minute++) {
    await clock.advance(58_000);
    await Promise.resolve(work());
    expect(levels()).toStrictEqual([]);
  }
  await clock.advance(62_000);
  expect([levels(), end.error]).toStrictEqual([[["no-progress", "healing"]], undefined]);
});

test("one request that is never answered ends the link, though all else gets on", async () => {
  const end = watch();
  for (let minute = 0; minute <= 60; minute++) {
    expect([levels(), end.error]).toStrictEqual([[], undefined]);
    agent.heard += 1;
    agent.waitedMs = minute * MINUTE_MS;
    await clock.advance(30_000);
  }
  expect(end.error).toMatchObject({ code: "no-progress" });
});

describe("the end of a link", () => {
  test("for want of progress leaves the trouble, which goes on with the next link", async () => {
    agent.owed = "welcome";
    for (let link = 0; link < 7; link++) {
      const end = watch();
      await clock.advance(2 * MINUTE_MS + 1_000);
      expect(end.error).toMatchObject({ code: "no-progress" });
      expect(stall.ended(end.error)).toBe(true);
      await clock.advance(MINUTE_MS); // the back-off.
    }
    expect(levels()).toStrictEqual([["no-progress", "needs-you"]]);
  });

  test("of another kind ends the trouble: days without a link are no want of progress", async () => {
    agent.owed = "welcome";
    watch();
    await clock.advance(MINUTE_MS + 1_000);
    stop.abort(new Error("cut"));
    expect(stall.ended(wireError("link-closed", "x"))).toBe(false);
    expect(levels()).toStrictEqual([]);
    await clock.advance(48 * 60 * MINUTE_MS);
    stop = new AbortController();
    watch();
    await clock.advance(59_000);
    expect(levels()).toStrictEqual([]);
  });

  test("before there was one, as nobody answered, is told too", () => {
    expect(stall.ended(wireError("no-progress", "opening a link with b: its answer did not come"))).toBe(true);
    expect(troubles.all).toMatchObject([{ code: "no-progress", words: expect.stringContaining("opening a link") }]);
  });
});

describe("a real comparison of many mailboxes on a host that is slow", () => {
  test("is no alarm while pages come, and one when its worker hangs", { timeout: 60_000 }, async () => {
    await using pair = await RealPair.open(clock);
    for (let user = 0; user < 30; user++)
      makeMailbox(pair.bench.source, `u${user}/Maildir`, { messages: 1, seed: user });
    await pair.ship();
    const compare = pair.store.compare.bind(pair.store);
    let [pages, isHanging] = [0, false];
    const slow = async (request: Parameters<typeof compare>[0]) => {
      pages += 1;
      await clock.sleep(isHanging ? 1e9 : 50_000, stop.signal);
      return compare(request);
    };
    pair.store.compare = slow as unknown as typeof compare;
    const run = pair.start({ mustCompare: true });
    watch(run.agent);
    for (let minute = 0; minute < 60 && run.compared.length === 0; minute++) {
      await clock.advance(MINUTE_MS);
      expect(levels()).toStrictEqual([]);
    }
    expect([pages, run.compared.length]).toStrictEqual([30, 1]);
    isHanging = true;
    await run.agent.resync("all");
    await clock.advance(2 * MINUTE_MS);
    expect(levels()).toStrictEqual([["no-progress", "healing"]]);
    stop.abort(new Error("it hangs no longer"));
    await run.cut();
  });
});
