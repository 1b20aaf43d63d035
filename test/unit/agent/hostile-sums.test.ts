/** Ends of a link that say what cannot be of chunks and their sums: the link ends with a code, and nothing is offered or looked at. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import type { Answer, Ask, WireMessage } from "../../../src/wire/messages.js";
import { makeMailbox } from "../../live/twin/small-store.js";
import { turns, until } from "../../turns.js";
import { eachPair } from "./each-pair.js";
import { guid, type Pair, path } from "./pair.js";
import { openSession } from "./peers.js";
import { RealPair, type RealRun } from "./real-pair.js";

const INBOX = "u1/Maildir";

describe("a source", () => {
  let pair: Pair;
  let stop: AbortController;

  eachPair((fresh, controller) => {
    pair = fresh;
    stop = controller;
  });

  const sum = { chunk: 3, count: 1, digest: new Uint8Array(16) };
  const ask = { kind: "compare", mailbox: guid("a"), path: path("a"), afterUid: 0, upTo: 1023, sums: [sum] } as const;

  test.each<[string, Partial<Extract<Ask, { kind: "compare" }>>]>([
    ["names a chunk twice", { sums: [sum, sum] }],
    [
      "names more chunks than it may",
      { sums: Array.from({ length: 65 }, (_, chunk) => ({ ...sum, chunk })), upTo: 8319 },
    ],
    ["has no message in a chunk", { sums: [{ ...sum, count: 0 }] }],
    ["has more messages than a chunk", { sums: [{ ...sum, count: 129 }] }],
    ["names a chunk beyond its range", { sums: [{ ...sum, chunk: 8 }] }],
    ["asks about a part of a chunk", { upTo: 1000 }],
    ["asks about nothing", { afterUid: 1023 }],
  ])("that %s has its link ended, and nothing was looked at", async (_what, how) => {
    const { run, send, store } = await openSession(pair, stop.signal);
    await send({ kind: "request", id: 1, ask: { ...ask, ...how } });
    await expect(run).rejects.toThrow(expect.objectContaining({ code: "wire-invalid" }));
    expect(store.calls.filter(({ method }) => method === "compare")).toStrictEqual([]);
  });
});

describe("a replica", () => {
  let pair: RealPair;
  let stop: AbortController;
  let sent: WireMessage[];
  let run: Promise<unknown>;

  beforeEach(async () => {
    pair = await RealPair.open();
    makeMailbox(pair.bench.source, INBOX, { messages: 2 });
    await pair.capture();
    stop = new AbortController();
    sent = [];
  });

  afterEach(async () => {
    stop.abort(new Error("the test is over"));
    await run.catch(() => undefined);
    await pair[Symbol.asyncDispose]();
  });

  /** It has all of the log, and answers so when the mailbox is compared. */
  function startAgainst(page: Partial<Extract<Answer, { kind: "compare" }>>): void {
    const link = openMemoryLink();
    const sinks = {
      conflicts: [],
      rejected: [],
      shipped: [],
      compared: [],
      mended: [],
      foreign: new Map(),
    } as unknown as RealRun;
    const agent = pair.makeAgent(link.source, { compares: true, mustCompare: true, random: () => 0 }, sinks);
    const [row] = pair.sourceReader.mailboxes();
    if (row === undefined) throw new Error("the source has a mailbox");
    const { path: at, uidValidity, uidNext, headerExtra } = row;
    const standing = { path: at, uidValidity, uidNext };
    const written = { ...standing, headerExtra };
    const answerTo = (message: WireMessage): WireMessage | undefined => {
      if (message.kind === "mark") return { kind: "outcome", id: message.id, notes: [] };
      if (message.kind === "hello") {
        const appliedLsn = pair.sourceReader.lastLsn();
        return { kind: "welcome", protocol: message.protocol, software: "x", appliedLsn, firstContact: false };
      }
      if (message.kind !== "request") return undefined;
      const answer: Answer =
        message.ask.kind === "standing"
          ? { kind: "standing", mailboxes: [], more: false }
          : { kind: "compare", written, standing, told: [], messages: [], reached: 0xffff_0000, ...page };
      return { kind: "reply", id: message.id, result: { ok: true, answer } };
    };
    const answering = async () => {
      for await (const message of link.replica.messages(stop.signal)) {
        sent.push(message);
        const answer = answerTo(message);
        if (answer !== undefined) await link.replica.send(answer, stop.signal);
      }
    };
    answering().catch(() => undefined);
    run = agent.run(async () => undefined, stop.signal);
    run.catch(() => undefined);
  }

  const asked = () => sent.flatMap((it) => (it.kind === "request" && it.ask.kind === "compare" ? [it.ask.sums] : []));

  test("that calls all equal is believed, and offered nothing of it", async () => {
    startAgainst({});
    await until(() => sent.filter(({ kind }) => kind === "mark").length > 1, "it is compared");
    await turns();
    expect(asked()).toMatchObject([[{ chunk: 0, count: 2 }]]);
    expect(sent.filter(({ kind }) => kind === "offer")).toStrictEqual([]);
  });

  test.each<[string, string, Partial<Extract<Answer, { kind: "compare" }>>]>([
    ["tells of a chunk that nobody has", "peer-confused", { told: [1] }],
    ["tells of a chunk beyond its answer", "peer-confused", { told: [2], reached: 255 }],
    ["tells of chunks in a mailbox that is not there", "peer-confused", { told: [0], standing: undefined as never }],
    ["ends within a chunk", "wire-invalid", { reached: 300 }],
    ["reaches nothing", "wire-invalid", { reached: 0 }],
    ["comes to no end", "peer-confused", { reached: 127 }],
    ["names a chunk twice", "wire-invalid", { told: [0, 0] }],
  ])("that %s has its link ended, and is offered nothing", async (_what, code, page) => {
    startAgainst(page);
    await expect(run).rejects.toThrow(expect.objectContaining({ code }));
    expect(sent.filter(({ kind }) => kind === "offer")).toStrictEqual([]);
  });
});
