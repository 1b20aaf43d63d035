/** What an end does when the other one does not keep to the protocol: it ends with a code, keeps its memory, loses nothing. */
import { describe, expect, test } from "vitest";

import { parseUid } from "../../../src/maildir/ids.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import { PROTOCOL_VERSION } from "../../../src/wire/messages.js";
import { turns, until } from "../../turns.js";
import { eachPair } from "./each-pair.js";
import { guid, type Pair, path, STEP_BY_STEP } from "./pair.js";
import { openAgent, openSession } from "./peers.js";

const CONFUSED = expect.objectContaining({ code: "peer-confused" });
const CLOSED = expect.objectContaining({ code: "link-closed" });
const NOBODY = { path: path("a"), uids: [], replicaNext: 0 };

let pair: Pair;
let stop: AbortController;

eachPair((fresh, controller) => {
  pair = fresh;
  stop = controller;
});

describe("a source", () => {
  test("that asks more than it may while a request waits for the lock", async () => {
    pair.replica.yieldOutcome = { kind: "busy", by: "9:h", ageMs: 1 };
    const { run, send } = await openSession(pair, stop.signal);
    const asking = (async () => {
      for (let id = 1; id < 100; id++) {
        await send({
          kind: "request",
          id,
          ask: { kind: "yield-uids", mailbox: guid("a"), uids: [], from: parseUid(1), floor: 1 },
        });
      }
    })();
    await expect(asking).rejects.toThrow(CLOSED);
    await expect(run).rejects.toThrow(expect.objectContaining({ code: "wire-invalid" }));
    expect(pair.clock.timerCount).toBe(0);
  });

  test("that offers a transaction twice", async () => {
    pair.log("a", [{ uid: 1 }]);
    const { run, offer } = await openSession(pair, stop.signal);
    await offer(1);
    await offer(1);
    await expect(run).rejects.toThrow(CONFUSED);
    expect(pair.replica.misused).toStrictEqual([]);
  });

  test("that offers a transaction under another mailbox's name: it would be applied to one, and refused for the other", async () => {
    pair.log("a", [{ uid: 1 }]);
    const { run, send } = await openSession(pair, stop.signal);
    const payload = pair.sourceState.entries[0]?.bytes ?? new Uint8Array();
    await send({ kind: "offer", id: 1, lsn: 1, mailbox: guid("b"), payload });
    await expect(run).rejects.toThrow(CONFUSED);
    expect(pair.replica.applied).toStrictEqual([]);
  });

  test("that offers more bytes than it may while the first waits for its lock", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.replica.locked.add(1);
    const { run, send, offer } = await openSession(pair, stop.signal);
    await offer(1);
    const payload = new Uint8Array(4 * 1024 * 1024);
    const offering = (async () => {
      for (let id = 2; id < 100; id++) await send({ kind: "offer", id, lsn: id, mailbox: guid("b"), payload });
    })();
    await expect(offering).rejects.toThrow(CLOSED);
    await expect(run).rejects.toThrow(expect.objectContaining({ code: "wire-invalid" }));
  });

  test("that greets twice: what follows would be recorded under another log", async () => {
    const { run, send } = await openSession(pair, stop.signal);
    await send({ kind: "hello", protocol: PROTOCOL_VERSION, logId: "2".repeat(32), software: "x" });
    await expect(run).rejects.toThrow(CONFUSED);
  });
});

describe("a source that goes while its link still takes what is sent, as a socket does,", () => {
  /** What the session sends is taken, and read by nobody. */
  function deafLink(): ReturnType<typeof openMemoryLink> {
    const { source, replica } = openMemoryLink();
    return { source, replica: { ...replica, send: async () => {} } };
  }

  test("is not asked what to do about a refusal", async () => {
    pair.log("a", []);
    pair.replica.locked.add(1);
    const { run, offer, link } = await openSession(pair, stop.signal, { link: deafLink() });
    await offer(1);
    await until(() => pair.clock.timerCount > 0, "the first waits for its lock");
    link.source.close();
    await turns();
    pair.replica.refusals.set(1, [{ kind: "mailbox-missing" }]);
    pair.replica.locked.clear();
    await pair.clock.advance(100);
    await run;
    expect(pair.replica.dropped).toStrictEqual([1]);
  });

  test("is not waited for with bodies of what it had offered", async () => {
    pair.log("a", []);
    for (const letter of ["b", "c", "d", "e"]) pair.log(letter, [{ uid: 1 }]);
    pair.replica.locked.add(1);
    const limits = { ...STEP_BY_STEP, preparedMax: 1 };
    const { run, offer, link, store } = await openSession(pair, stop.signal, { link: deafLink(), limits });
    for (let lsn = 1; lsn <= 5; lsn++) await offer(lsn);
    await until(() => pair.clock.timerCount > 0, "the first waits for its lock");
    expect(store.calls.filter(({ method }) => method === "prepare").length).toBeLessThan(5);
    link.source.close();
    await turns();
    pair.replica.locked.clear();
    await pair.clock.advance(100);
    await run;
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([1]);
    expect(pair.replica.misused).toStrictEqual([]);
  });
});

describe("a replica", () => {
  test("that wants more than it may", async () => {
    pair.log("a", [{ uid: 1, size: 100_000 }]); // so that its body does not come along.
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const readMany = pair.bodies.readMany.bind(pair.bodies);
    pair.bodies.readMany = async (request) => {
      await held;
      return readMany(request);
    };
    const { run, send, heard } = await openAgent(pair, stop.signal);
    await until(() => heard.some(({ kind }) => kind === "offer"), "it is offered");
    const wanting = (async () => {
      for (let i = 0; i < 1000; i++) await send({ kind: "want", id: 1, indexes: [0] });
    })();
    wanting.catch(release);
    await expect(wanting).rejects.toThrow(CLOSED);
    await expect(run).rejects.toThrow(CONFUSED);
  });

  test("that refuses again without having tried again", async () => {
    pair.log("a", [{ uid: 1 }]);
    const { run, send, heard } = await openAgent(pair, stop.signal);
    await until(() => heard.some(({ kind }) => kind === "offer"), "it is offered");
    const divergence = { code: "uid-passed", words: "passed", path: path("a"), uids: [1], replicaNext: 9 };
    await send({ kind: "outcome", id: 1, notes: [], divergence });
    await send({ kind: "outcome", id: 1, notes: [], divergence });
    await expect(run).rejects.toThrow(CONFUSED);
  });

  test.each(["given-up", "mailbox-held"])("that says %s unasked does not get the cursor past it", async (code) => {
    const order: string[] = [];
    pair.sourceState.onWrite = (method) => void order.push(method);
    pair.log("a", [{ uid: 1 }]);
    const { send, heard, agent, rejected } = await openAgent(pair, stop.signal);
    await until(() => heard.some(({ kind }) => kind === "offer"), "it is offered");
    await send({ kind: "outcome", id: 1, notes: [], divergence: { ...NOBODY, code, words: "because" } });
    await agent.untilAcked(1, stop.signal);
    await until(() => order.includes("setCursor"), "the cursor is stored");
    expect(order).toStrictEqual(["putRejection", "setCursor"]);
    expect(pair.sourceState.rejections).toMatchObject([{ lsn: 1, code, message: "because" }]);
    expect(rejected).toHaveLength(1);
    expect(agent.trimmableLsn).toBe(0);
  });

  test("that names no UID in a conflict has that mailbox given up", async () => {
    pair.log("a", [{ uid: 1 }]);
    const { send, heard } = await openAgent(pair, stop.signal);
    await until(() => heard.some(({ kind }) => kind === "offer"), "it is offered");
    await send({ kind: "outcome", id: 1, notes: [], divergence: { ...NOBODY, code: "uid-passed", words: "w" } });
    await until(() => heard.some((message) => message.kind === "retry" && message.giveUp), "it is given up");
    expect(pair.sourceState.rejections).toMatchObject([{ lsn: 1, code: "uid-passed" }]);
  });
});
