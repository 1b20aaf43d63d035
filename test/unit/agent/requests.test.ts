/** What a source asks of a replica beside the stream of transactions. */
import { beforeEach, describe, expect, test } from "vitest";
import { Asker } from "../../../src/agent/asker.js";
import { FOR_LONG, LockPatience } from "../../../src/agent/lock-patience.js";
import { answerRequest, type RequestPorts } from "../../../src/agent/session-requests.js";
import type { RefusedMailbox } from "../../../src/agent/session-sinks.js";
import type { ApplyMethods } from "../../../src/apply/apply-types.js";
import { divergence } from "../../../src/apply/divergence.js";
import { parseBaseName, parseUid, UID_MAX } from "../../../src/maildir/ids.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import type { Ask, Reply } from "../../../src/wire/messages.js";
import { FakeClock } from "../../fake-clock.js";
import { turns, until } from "../../turns.js";
import { inlineWorker } from "../../worker-client.js";
import { mailboxRow } from "../log/state-fixtures.js";
import { MemoryState } from "./memory-state.js";
import { guid, path } from "./pair.js";

const never = new AbortController().signal;
const EFFECT = { mailboxes: [mailboxRow(3)], removedMailboxIds: [], chunks: [], limbo: [] };

let clock: FakeClock;
let state: MemoryState;

beforeEach(() => {
  clock = new FakeClock();
  state = new MemoryState();
});

function answer(
  methods: Partial<ApplyMethods>,
  ask: Ask,
  signal = never,
  sinks?: RequestPorts["sinks"],
): Promise<Reply> {
  const store = inlineWorker(methods as ApplyMethods);
  const patience = new LockPatience(clock, FOR_LONG);
  return answerRequest(
    { store, writer: state.writer(), clock, patience: () => patience, sinks },
    { kind: "request", id: 4, ask },
    signal,
  );
}

describe("answerRequest", () => {
  test("a survey has empty places for what Dovecot has not given yet", async () => {
    const mailboxes = () => [{ path: path("a") }, { path: path("b"), guid: guid("b"), uidNext: 5 }];
    const reply = await answer({ mailboxes }, { kind: "survey" });
    expect(reply.result).toStrictEqual({
      ok: true,
      answer: {
        kind: "survey",
        mailboxes: [
          { path: path("a"), guid: "", uidValidity: 0, uidNext: 0 },
          { path: path("b"), guid: guid("b"), uidValidity: 0, uidNext: 5 },
        ],
      },
    });
  });

  test("the inventory of a mailbox that is not there is empty", async () => {
    const reply = await answer(
      { inventory: () => ({ kind: "absent" }) },
      { kind: "inventory", path: path("a"), afterUid: 3 },
    );
    expect(reply.result).toMatchObject({ ok: true, answer: { messages: [], more: false, unnumbered: 0 } });
  });

  test("what was moved is recorded before the answer", async () => {
    const intents: number[] = [];
    const foreign = () => {
      intents.push(state.intents.size);
      return { kind: "applied" as const, effect: EFFECT, moved: 2, absent: 0 };
    };
    const intentOfForeign = () => Buffer.from("intent");
    const ask: Ask = { kind: "foreign", path: path("a"), bases: ["x", "y"], action: "limbo" };
    const reply = await answer({ foreign, intentOfForeign }, ask);
    expect(reply.result).toStrictEqual({ ok: true, answer: { kind: "foreign", messages: 2, copies: 0 } });
    expect(intents).toEqual([1]);
    expect(state.effects).toStrictEqual([{ ...EFFECT, intent: 1 }]);
  });

  test("what was refused leaves no intent, and what is in the limbo all the same is recorded", async () => {
    const found = divergence({ kind: "mailbox-missing", mailbox: guid("a"), path: path("a") });
    const where = { name: "2026-01-01/x", mailbox: guid("a"), path: path("a") };
    const limbo = [{ ...where, uid: 1, base: "x", size: 1, cause: "foreign", removedMs: 0 }];
    const foreign = () => ({ kind: "diverged" as const, divergence: found, limbo });
    const intentOfForeign = () => Buffer.from("intent");
    const ask: Ask = { kind: "foreign", path: path("a"), bases: ["x"], action: "limbo" };
    expect((await answer({ foreign, intentOfForeign }, ask)).result).toMatchObject({ ok: false });
    expect(state.intents.size).toBe(0);
    expect(state.effects).toMatchObject([{ limbo }]);
  });

  test("what waits for a lock in vain leaves no intent", async () => {
    const foreign = () => ({ kind: "busy" as const, by: "9:h", ageMs: 1 });
    const ask: Ask = { kind: "foreign", path: path("a"), bases: ["x"], action: "limbo" };
    const refused = answer({ foreign, intentOfForeign: () => Buffer.from("intent") }, ask);
    await turns(5);
    expect(state.intents.size).toBe(1);
    await clock.advance(40_000);
    expect((await refused).result).toMatchObject({ ok: false, failure: { code: "replica-lock-held" } });
    expect(state.intents.size).toBe(0);
  });

  test("if it cannot be recorded the worker forgets, and the failure is the answer", async () => {
    const forgotten: string[] = [];
    state.onWrite = () => {
      throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    };
    const methods: Partial<ApplyMethods> = {
      foreign: () => ({ kind: "applied", effect: EFFECT, moved: 2, absent: 0 }),
      forget: ({ mailbox }) => void forgotten.push(mailbox),
    };
    const reply = await answer(methods, { kind: "foreign", path: path("a"), bases: [], action: "aside" });
    expect(reply.result).toMatchObject({ ok: false, failure: { code: "ENOSPC", disposition: "operator" } });
    expect(forgotten).toStrictEqual([mailboxRow(3).guid]);
  });

  test("a name that cannot be one is refused, and nothing is moved", async () => {
    let isCalled = false;
    const methods: Partial<ApplyMethods> = {
      foreign: () => {
        isCalled = true;
        return { kind: "busy", by: "", ageMs: 0 };
      },
    };
    const ask: Ask = { kind: "foreign", path: path("a"), bases: ["../x"], action: "limbo" };
    expect((await answer(methods, ask)).result).toMatchObject({ ok: false, failure: { code: "message-name-invalid" } });
    expect(isCalled).toBe(false);
  });

  test("a divergence is a failure in its own words", async () => {
    const found = divergence({ kind: "mailbox-missing", mailbox: guid("a"), path: path("a") });
    const methods: Partial<ApplyMethods> = { yieldUids: () => ({ kind: "diverged", divergence: found }) };
    const reply = await answer(methods, {
      kind: "yield-uids",
      mailbox: guid("a"),
      uids: [],
      from: parseUid(3),
      floor: 9,
    });
    expect(reply.result).toMatchObject({ ok: false, failure: { code: "mailbox-rejected", message: found.words } });
  });

  test.each([
    ["uidlist-damaged", "uidlist-damaged"],
    ["mailbox-missing", "mailbox-rejected"],
  ] as const)("one of a comparison (%s) is %s, as in the rejection log, and told here", async (kind, code) => {
    const where = { mailbox: guid("a"), path: path("a") };
    const found = divergence(kind === "mailbox-missing" ? { kind, ...where } : { kind, ...where, line: 3, why: "x" });
    const methods: Partial<ApplyMethods> = { compare: () => ({ kind: "diverged", divergence: found }) };
    const told: RefusedMailbox[] = [];
    const sinks = { onRefused: (it: RefusedMailbox) => void told.push(it), onRead: () => undefined };
    const reply = await answer(methods, { kind: "compare", ...where, seed: 7 }, never, sinks);
    expect(reply.result).toMatchObject({ ok: false, failure: { code, message: found.words, disposition: "resync" } });
    expect(told).toStrictEqual([{ ...where, code: kind, words: found.words }]);
    await answer(methods, { kind: "compare", ...where, seed: 7, looksOnly: true }, never, sinks);
    expect(told).toHaveLength(1);
  });

  test("one that only looks is no comparison: what was refused of that mailbox stays so", async () => {
    const read: string[] = [];
    const sinks = { onRefused: () => undefined, onRead: (mailbox: string) => void read.push(mailbox) };
    const methods: Partial<ApplyMethods> = {
      compare: () => ({ kind: "read", looked: UID_MAX }),
    };
    const ask = { kind: "compare", mailbox: guid("a"), path: path("a"), seed: 7 } as const;
    await answer(methods, { ...ask, looksOnly: true }, never, sinks);
    expect(read).toStrictEqual([]);
    await answer(methods, ask, never, sinks);
    expect(read).toStrictEqual([guid("a")]);
  });

  test("a look that takes long comes in several answers, each after so many messages or so much time", async () => {
    let [looked, takesMs, nowMs] = [0, 0, 0];
    clock.monotonicMs = () => nowMs;
    const compare: ApplyMethods["compare"] = ({ messagesMax }) => {
      looked += messagesMax;
      nowMs += takesMs;
      return { kind: "read", looked };
    };
    const ask = { kind: "compare", mailbox: guid("a"), path: path("a"), seed: 7 } as const;
    expect((await answer({ compare }, ask)).result).toMatchObject({ answer: { looked: 65_536 } });
    takesMs = 4_000;
    expect((await answer({ compare }, ask)).result).toMatchObject({ answer: { looked: 65_536 + 3 * 8192 } });
  });

  test("it waits while the lock is held, then gives up", async () => {
    let left = 3;
    const yieldUids: ApplyMethods["yieldUids"] = () => {
      left -= 1;
      const move = { base: parseBaseName("x"), fromUid: parseUid(1), toUid: parseUid(8) };
      return left > 0 ? { kind: "busy", by: "9:h", ageMs: 1 } : { kind: "yielded", moves: [move], uidNext: 9 };
    };
    const ask: Ask = { kind: "yield-uids", mailbox: guid("a"), uids: [], from: parseUid(3), floor: 9 };
    const replied = answer({ yieldUids }, ask);
    await turns(5);
    await clock.advance(100);
    expect((await replied).result).toStrictEqual({ ok: true, answer: { kind: "yielded-uids", uidNext: 9, moved: 1 } });
    left = Number.POSITIVE_INFINITY;
    const refused = answer({ yieldUids }, ask);
    await turns(5);
    await clock.advance(40_000);
    expect((await refused).result).toMatchObject({ ok: false, failure: { code: "replica-lock-held" } });
    expect(clock.timerCount).toBe(0);
  });

  test("an abort is no answer", async () => {
    const stop = new AbortController();
    const ask: Ask = { kind: "yield-uids", mailbox: guid("a"), uids: [], from: parseUid(3), floor: 9 };
    const replied = answer({ yieldUids: () => ({ kind: "busy", by: "9:h", ageMs: 1 }) }, ask, stop.signal);
    await until(() => clock.timerCount > 0, "it waits for the lock");
    const reason = new Error("stop");
    stop.abort(reason);
    await expect(replied).rejects.toBe(reason);
    expect(clock.timerCount).toBe(0);
  });
});

describe("Asker", () => {
  function open() {
    const link = openMemoryLink();
    return { asker: new Asker({ link: link.source, clock }), link };
  }
  const done = (id: number, messages: number): Reply => {
    return { kind: "reply", id, result: { ok: true, answer: { kind: "foreign", messages, copies: 0 } } };
  };

  test("answers find their questions in any order, and unknown ones are dropped", async () => {
    const { asker } = open();
    const asked = [1, 2].map(() => asker.ask({ kind: "survey" }, never));
    asker.settle(done(2, 22));
    asker.settle(done(9, 99));
    asker.settle(done(1, 11));
    expect(await Promise.all(asked)).toMatchObject([{ messages: 11 }, { messages: 22 }]);
  });

  test("the other end's failure keeps its code, hint and exit code; a disposition that is not known is a bug", async () => {
    const { asker } = open();
    const asked = asker.ask({ kind: "survey" }, never);
    const failure = { code: "EIO", message: "m", hint: "h", disposition: "odd", exitCode: 74 };
    asker.settle({ kind: "reply", id: 1, result: { ok: false, failure } });
    await expect(asked).rejects.toMatchObject({
      code: "EIO",
      message: "m",
      hint: "h",
      disposition: "bug",
      exitCode: 74,
    });
  });

  test("after a failure everyone gets it, the first one counts", async () => {
    const { asker } = open();
    const asked = asker.ask({ kind: "survey" }, never);
    asker.fail(new Error("first"));
    asker.fail(new Error("second"));
    await expect(asked).rejects.toThrow("first");
    await expect(asker.ask({ kind: "survey" }, never)).rejects.toThrow("first");
  });

  test("an abort ends the question, and its late answer is dropped", async () => {
    const { asker } = open();
    const stop = new AbortController();
    const asked = asker.ask({ kind: "survey" }, stop.signal);
    const ended = expect(asked).rejects.toThrow("stop");
    await turns(3);
    stop.abort(new Error("stop"));
    await ended;
    asker.settle(done(1, 1));
  });
});
