/** Ends of a link that say what cannot be of parts of a mailbox and their sums: the link ends with a code, and nothing is offered or looked at. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UID_MAX } from "../../../src/maildir/ids.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import type {
  Answer,
  Ask,
  ComparedMailbox,
  DifferingParts,
  ToldMailbox,
  WireMessage,
} from "../../../src/wire/messages.js";
import { makeMailbox } from "../../live/twin/small-store.js";
import { turns, until } from "../../turns.js";
import { eachPair } from "./each-pair.js";
import { guid, type Pair, path } from "./pair.js";
import { openSession } from "./peers.js";
import { RealPair, type RealRun } from "./real-pair.js";

const INBOX = "u1/Maildir";
/** Of the 64 parts of two UIDs that are asked about here. */
const EQUAL: DifferingParts = { bits: new Uint8Array(8), hasOthers: false, isEqual: true };

describe("a source", () => {
  let pair: Pair;
  let stop: AbortController;

  eachPair((fresh, controller) => {
    pair = fresh;
    stop = controller;
  });

  const where = { mailbox: guid("a"), path: path("a") };
  const sums = { bits: 7, parts: [3], sums: [1] };
  const ask = { kind: "compare", ...where, seed: 7, sums } as const;

  test.each<[string, Ask]>([
    ["names a part twice", { ...ask, sums: { ...sums, parts: [3, 3], sums: [1, 1] } }],
    [
      "names more parts than it may",
      {
        ...ask,
        sums: {
          ...sums,
          parts: Array.from({ length: 8193 }, (_, at) => at),
          sums: Array.from({ length: 8193 }, () => 1),
        },
      },
    ],
    ["names a part that no UID has", { ...ask, sums: { ...sums, parts: [2 ** 25] } }],
    ["has parts larger than any", { ...ask, sums: { ...sums, bits: 32 } }],
    ["has a sum too many", { ...ask, sums: { ...sums, sums: [1, 1] } }],
    ["has half a digest", { ...ask, sums: { ...sums, whole: new Uint8Array(8) } }],
    ["wants to be told of nothing", { kind: "tell-held", ...where, spans: [{ from: 5, below: 5 }] }],
    ["wants to be told of UIDs beyond all", { kind: "tell-held", ...where, spans: [{ from: 5, below: 2 ** 32 - 1 }] }],
    [
      "wants to be told of more spans than it may",
      {
        kind: "tell-held",
        ...where,
        spans: Array.from({ length: 4097 }, (_, at) => ({ from: 2 * at, below: 2 * at + 1 })),
      },
    ],
  ])("that %s has its link ended, and nothing was looked at", async (_what, how) => {
    const { run, send, store } = await openSession(pair, stop.signal);
    await send({ kind: "request", id: 1, ask: how });
    await expect(run).rejects.toThrow(expect.objectContaining({ code: "wire-invalid" }));
    expect(store.calls.filter(({ method }) => method === "compare" || method === "tellHeld")).toStrictEqual([]);
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

  /** It has all of the log, and answers so when the mailbox is compared, or its messages are to be told. */
  function startAgainst(compared: Partial<ComparedMailbox>, told: Partial<ToldMailbox> = {}): void {
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
    const answerOf = ({ kind }: Ask): Answer => {
      if (kind === "standing") return { kind, mailboxes: [], more: false };
      if (kind === "tell-held") return { kind, written, standing, messages: [], reached: UID_MAX, ...told };
      return { kind: "compare", written, standing, looked: UID_MAX, differing: EQUAL, ...compared };
    };
    const answerTo = (message: WireMessage): WireMessage | undefined => {
      if (message.kind === "mark") return { kind: "outcome", id: message.id, notes: [] };
      if (message.kind === "hello") {
        const appliedLsn = pair.sourceReader.lastLsn();
        return { kind: "welcome", protocol: message.protocol, software: "x", appliedLsn, firstContact: false };
      }
      if (message.kind !== "request") return undefined;
      const answer = answerOf(message.ask);
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
  const differing = (bits: number[], more: Partial<DifferingParts> = {}) => {
    return { differing: { ...EQUAL, isEqual: false, bits: new Uint8Array(bits), ...more } };
  };

  test("that calls all equal is believed, and offered nothing of it", async () => {
    startAgainst({});
    await until(() => sent.filter(({ kind }) => kind === "mark").length > 1, "it is compared");
    await turns();
    // 128 UIDs, two at a time.
    expect(asked()).toMatchObject([{ bits: 1, parts: { length: 64 }, whole: { length: 16 } }]);
    expect(sent.filter(({ kind }) => kind === "offer")).toStrictEqual([]);
  });

  test("that has less of what differs than the source is offered the rest", async () => {
    startAgainst(differing([1, 0, 0, 0, 0, 0, 0, 0]), { reached: 1 });
    await until(() => sent.some(({ kind }) => kind === "offer"), "it is offered");
    const told = sent.flatMap((it) => (it.kind === "request" && it.ask.kind === "tell-held" ? [it.ask.spans] : []));
    expect(told).toStrictEqual([[{ from: 0, below: 2 }]]);
  });

  test.each<[string, string, Partial<ComparedMailbox>, Partial<ToldMailbox>?]>([
    ["tells of more parts than it was asked", "peer-confused", differing([0, 0, 0, 0, 0, 0, 0, 0, 1])],
    ["tells of fewer parts than it was asked", "peer-confused", differing([1])],
    ["tells of no part at all", "peer-confused", { differing: undefined as never }],
    ["calls equal what differs", "peer-confused", differing([1, 0, 0, 0, 0, 0, 0, 0], { isEqual: true })],
    ["calls equal what has more", "peer-confused", { differing: { ...EQUAL, hasOthers: true } }],
    ["has looked at nothing", "peer-confused", { looked: 0, differing: undefined as never }],
    ["tells what differs before it has looked at all", "peer-confused", { looked: 127 }],
    ["has looked at more than there can be", "wire-invalid", { looked: UID_MAX + 1 }],
    ["tells of UIDs beyond those asked about", "peer-confused", differing([1, 0, 0, 0, 0, 0, 0, 0]), { reached: 200 }],
    ["tells nothing of those asked about", "peer-confused", differing([2, 0, 0, 0, 0, 0, 0, 0]), { reached: 1 }],
  ])("that %s has its link ended, and is offered nothing", async (_what, code, compared, told = {}) => {
    startAgainst(compared, told);
    await expect(run).rejects.toThrow(expect.objectContaining({ code }));
    expect(sent.filter(({ kind }) => kind === "offer")).toStrictEqual([]);
  });
});
