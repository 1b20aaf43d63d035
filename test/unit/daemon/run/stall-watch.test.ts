/** When a replica that is there does not get on: told, for a person after a while, and given up; and when nothing of it is true. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { StallWatch, type WatchedAgent } from "../../../../src/daemon/run/stall-watch.js";
import { Troubles } from "../../../../src/daemon/run/troubles.js";
import { WatchedLink } from "../../../../src/daemon/run/watched-link.js";
import { wireError } from "../../../../src/wire/errors.js";
import { openMemoryLink } from "../../../../src/wire/memory-link.js";
import { PROTOCOL_VERSION, type WireMessage } from "../../../../src/wire/messages.js";
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
let link: { progress: number };

beforeEach(() => {
  clock = new FakeClock();
  troubles = new Troubles();
  logged = [];
  const log = openEventLog("debug", (line) => logged.push((JSON.parse(line) as { readonly msg: string }).msg));
  stall = new StallWatch({ clock, troubles, log });
  stop = new AbortController();
  agent = { owed: "outcome", waitedMs: 0 };
  link = { progress: 0 };
});

afterEach(() => stop.abort(new Error("enough")));

function watch(watched: WatchedAgent = agent, over: { readonly progress: number } = link) {
  const end: { error?: unknown } = {};
  stall.watch(watched, over, stop.signal).catch((error: unknown) => {
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
    "what settles something",
    () => {
      link.progress += 1;
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
    link.progress += 1;
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

describe("what is said over a link", () => {
  const [hash, payload] = [new Uint8Array(32), Buffer.from("mail")];
  const bodies = (index: number) =>
    ({ kind: "bodies", id: 1, heads: [{ index, size: 4, sha256: hash, gone: false }], payloads: [payload] }) as const;
  const welcome = {
    kind: "welcome",
    protocol: PROTOCOL_VERSION,
    software: "x",
    appliedLsn: 0,
    firstContact: false,
  } as const;
  const answered = (id: number): WireMessage => ({
    kind: "reply",
    id,
    result: { ok: true, answer: { kind: "survey", mailboxes: [] } },
  });

  /** Watched from now on, with nobody behind it but the test. */
  function talk() {
    const { source, replica } = openMemoryLink();
    const watched = new WatchedLink(source);
    const reading = (async (): Promise<void> => {
      for await (const _ of watched.messages(stop.signal));
    })();
    reading.catch(() => undefined);
    const taking = (async (): Promise<void> => {
      for await (const _ of replica.messages(stop.signal));
    })();
    taking.catch(() => undefined);
    watch(agent, watched);
    return {
      ask: (id: number) => watched.send({ kind: "request", id, ask: { kind: "survey" } }, stop.signal),
      mark: (id: number) => watched.send({ kind: "mark", id, lsn: 0 }, stop.signal),
      give: (message: WireMessage) => watched.send(message, stop.signal),
      say: (message: WireMessage) => replica.send(message, stop.signal),
    };
  }

  test("that nobody waits for is no progress, nor what is wanted again and again", async () => {
    const { mark, give, say, ask } = talk();
    await mark(1);
    await ask(7);
    const told: (readonly string[])[] = [];
    for (let half = 0; half < 60; half++) {
      await say(welcome);
      await say(answered(7));
      await say(answered(99));
      await say({ kind: "want", id: 1, indexes: [0] });
      await give(bodies(0));
      await clock.advance(30_000);
      told.push(troubles.all.map(({ code }) => code));
    }
    // While what it wants again may have been taken away, and not for longer.
    const first = told.findIndex((codes) => codes.length > 0);
    expect([first > 14, first < 20]).toStrictEqual([true, true]);
    expect(told.slice(first).every(([code]) => code === "no-progress")).toBe(true);
    expect(levels()).toStrictEqual([["no-progress", "needs-you"]]);
    await say({ kind: "outcome", id: 1, notes: [] });
    await clock.advance(1_000);
    expect(levels()).toStrictEqual([]);
  });

  test("is progress where it is owed: pages, outcomes, and a body that takes hours", async () => {
    const { mark, give, say, ask } = talk();
    for (let id = 1; id <= 30; id++) {
      await ask(id);
      await clock.advance(50_000);
      await say(answered(id));
      await mark(id);
      await clock.advance(50_000);
      await say({ kind: "outcome", id, notes: [] });
      expect(levels()).toStrictEqual([]);
    }
    await mark(31);
    const part = { kind: "body-part", id: 31, index: 3, last: false, sha256: hash, payload } as const;
    for (let offset = 0; offset < 400; offset += 4) {
      await give({ ...part, offset });
      await clock.advance(50_000);
      expect(levels()).toStrictEqual([]);
    }
    await clock.advance(MINUTE_MS);
    expect(levels()).toStrictEqual([["no-progress", "healing"]]);
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
    watch(run.agent, run.link);
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
