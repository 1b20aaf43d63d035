/** Clients that ask for something over a link, and go before the answer comes: however many they are, the link goes on. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Asker } from "../../../src/agent/asker.js";
import type { LimboSide } from "../../../src/agent/limbo-side.js";
import { RemoteLimbo } from "../../../src/agent/remote-limbo.js";
import { askOver, serveSums } from "../../../src/agent/sums-link.js";
import { systemClock } from "../../../src/base/clock.js";
import { parseUid } from "../../../src/maildir/ids.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import type { Ask, Reply, WireMessage } from "../../../src/wire/messages.js";
import { FakeClock } from "../../fake-clock.js";
import { turns } from "../../turns.js";
import { storeSide } from "../resync/store-side.js";
import { eachPair } from "./each-pair.js";
import { guid, type Pair } from "./pair.js";

const MANY = 60;
const never = new AbortController().signal;
const ROOM: Ask = { kind: "yield-uids", mailbox: guid("a"), uids: [], from: parseUid(1), floor: 1 };
const SURVEY: Ask = { kind: "survey" };
const LIMBO: Ask = { kind: "tell-limbo", after: undefined };

let pair: Pair;
let stop: AbortController;

eachPair((fresh, controller) => {
  pair = fresh;
  stop = controller;
});

/** `ask` by one who goes as soon as whatever comes of it at once has come. */
async function askAndGo(ask: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const client = new AbortController();
  const asked = expect(ask(client.signal)).rejects.toThrow("gone");
  await turns(3);
  client.abort(new Error("gone"));
  await asked;
}

test("that a replica has to look at its store for long", async () => {
  pair.replica.yieldOutcome = { kind: "busy", by: "9:h", ageMs: 1 };
  const run = pair.start();
  await run.prepared;
  const { asker } = run.agent;
  for (let i = 0; i < MANY; i++) await askAndGo((signal) => asker.ask(ROOM, signal));
  expect(run.agent.owed).toBe("answer");
  const asked = asker.ask(SURVEY, stop.signal);
  pair.replica.yieldOutcome = { kind: "yielded", moves: [], uidNext: 9 };
  await pair.clock.advance(1_000);
  expect(await asked).toEqual({ kind: "survey", mailboxes: [] });
  expect(run.agent.owed).toBeUndefined();
  await run.untilAcked(pair.log("a", [{ uid: 1 }]));
  expect(pair.replica.applied).toHaveLength(1);
  await run.end();
});

test("that a limbo is read for long: who waits has his answer, and of those who have gone one was begun", async () => {
  const dir = mkdtempSync(join(tmpdir(), "mtl-impatient-"));
  try {
    let letGo = (): void => undefined;
    const slow = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    let begun = 0;
    const page: LimboSide["page"] = async () => {
      begun += 1;
      await slow;
      return { rows: [], more: false };
    };
    const link = openMemoryLink();
    const limboSide = { page } as Partial<LimboSide> as LimboSide;
    const serving = serveSums(link.replica, storeSide(dir), stop.signal, limboSide);
    await using far = askOver(link.source, "b", systemClock);
    const limbo = new RemoteLimbo(far.asker);
    for (let i = 0; i < MANY; i++) await askAndGo((signal) => limbo.page(undefined, signal));
    const asked = limbo.page(undefined, stop.signal);
    await turns();
    expect(begun).toBe(1);
    letGo();
    expect(await asked).toEqual({ rows: [], more: false });
    expect(begun).toBe(2);
    link.source.close();
    await serving;
  } finally {
    rmSync(dir, { recursive: true });
  }
});

describe("what is on its way", () => {
  function open() {
    const link = openMemoryLink();
    const clock = new FakeClock();
    const asker = new Asker({ link: link.source, clock });
    const sent: Extract<WireMessage, { kind: "request" }>[] = [];
    const reading = (async () => {
      for await (const message of link.replica.messages(stop.signal))
        if (message.kind === "request") sent.push(message);
    })();
    reading.catch(() => undefined); // the test is over.
    const kinds = () => sent.map(({ ask }) => ask.kind);
    return { asker, clock, sent, kinds };
  }
  const done = (id: number): Reply => {
    return { kind: "reply", id, result: { ok: true, answer: { kind: "survey", mailboxes: [] } } };
  };

  test("of each kind half of what the other end lets wait, in order; a reply makes room for one", async () => {
    const { asker, kinds } = open();
    const all = Array.from({ length: MANY }, (_, i) => asker.ask(i % 2 === 0 ? SURVEY : LIMBO, never));
    await turns();
    expect(kinds()).toEqual(Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? SURVEY : LIMBO).kind));
    asker.settle(done(2));
    await turns();
    expect(kinds().slice(16)).toEqual(["tell-limbo"]);
    for (let id = 1; id <= MANY; id++) {
      asker.settle(done(id));
      await turns(3);
    }
    expect(await Promise.all(all)).toHaveLength(MANY);
    expect(kinds()).toHaveLength(MANY);
  });

  test("behind one whose asker has gone comes nothing of its kind; who goes before his turn is not sent at all", async () => {
    const { asker, clock, kinds } = open();
    await askAndGo((signal) => asker.ask(LIMBO, signal));
    for (let i = 0; i < MANY; i++) await askAndGo((signal) => asker.ask(LIMBO, signal));
    const behind = [asker.ask(LIMBO, never), asker.ask(LIMBO, never)];
    const beside = asker.ask(SURVEY, never);
    await turns();
    expect(kinds()).toEqual(["tell-limbo", "survey"]);
    await clock.advance(5_000);
    expect(asker.waitedMs).toBe(5_000);
    for (const id of [1, 2, 3, 4]) {
      asker.settle(done(id));
      await turns(3);
    }
    expect(await Promise.all([...behind, beside])).toHaveLength(3);
    expect(kinds()).toEqual(["tell-limbo", "survey", "tell-limbo", "tell-limbo"]);
    expect(asker.waitedMs).toBeUndefined();
  });

  test("when the link ends, whoever waits for a place or for a reply is told why", async () => {
    const { asker, kinds } = open();
    const all = Array.from({ length: MANY }, () => asker.ask(LIMBO, never));
    const ended = Promise.allSettled(all);
    await turns();
    asker.fail(new Error("the line is cut"));
    const whys = (await ended).map((it) => (it.status === "rejected" ? (it.reason as Error).message : "answered"));
    expect(new Set(whys)).toEqual(new Set(["the line is cut"]));
    expect(kinds()).toHaveLength(8);
    await expect(asker.ask(LIMBO, never)).rejects.toThrow("the line is cut");
  });
});
