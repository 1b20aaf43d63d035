/** How the two ends of a link end: by an abort, a closed link, a failure, or a peer that does not keep to the protocol. */
import { describe, expect, test } from "vitest";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import { PROTOCOL_VERSION, type WireMessage } from "../../../src/wire/messages.js";
import { turns, until } from "../../turns.js";
import { eachPair } from "./each-pair.js";
import { guid, LOG_ID, Pair, type Running } from "./pair.js";
import { startAgent, startSession } from "./peers.js";

const CLOSED = expect.objectContaining({ code: "link-closed" });
const CONFUSED = expect.objectContaining({ code: "peer-confused" });

let pair: Pair;
let stop: AbortController;

eachPair((fresh, controller) => {
  pair = fresh;
  stop = controller;
});

/** Both ends have ended; how. */
async function endsOf(run: Running): Promise<readonly unknown[]> {
  const ends = await Promise.allSettled([run.sessionRun, run.agentRun]);
  return ends.map((end) => (end.status === "rejected" ? end.reason : "returned"));
}

/** A session whose other end is the test. */
function openSession(link = openMemoryLink()) {
  const { run } = startSession(pair, stop.signal, { link });
  return { link: link.source, run };
}

/** An agent whose other end is the test. */
function openAgent() {
  const { link, ...agent } = startAgent(pair, stop.signal);
  return { ...agent, link: link.replica };
}

describe("an abort", () => {
  test("ends both ends with its reason, whenever it comes, and what was applied is recorded", async () => {
    const isDone: boolean[] = [];
    for (let moment = 0; moment < 60; moment++) {
      pair = new Pair();
      for (let uid = 1; uid <= 4; uid++)
        pair.log(uid === 3 ? "b" : "a", [{ uid, size: uid === 2 ? 100_000 : uid * 1000 }, { uid: uid + 50 }]);
      pair.replica.refusals.set(2, ["lacking", { kind: "uid-passed", replicaNext: 30 }]);
      pair.replica.refusals.set(3, [{ kind: "mailbox-missing" }]);
      const run = pair.start();
      const reason = new Error(`aborted at ${moment}`);
      await turns(moment);
      run.stop.abort(reason);
      expect(await endsOf(run)).toStrictEqual([reason, reason]);
      const applied = pair.replica.applied.map(({ lsn }) => lsn);
      const recorded = pair.replicaState.effects.flatMap((effect) => effect.cursor?.lsn ?? []);
      expect(recorded).toStrictEqual(applied);
      expect(pair.replicaState.intents.size).toBe(0); // nothing is in doubt.
      isDone.push(applied.includes(4));
      const calls = run.store.calls.length;
      await turns(10);
      expect(run.store.calls.length).toBe(calls);
    }
    expect([isDone[0], isDone.at(-1)]).toStrictEqual([false, true]); // the moments lie before, within and after.
  });

  test("ends an agent and a session that were aborted before they began", async () => {
    const reason = new Error("too late");
    stop.abort(reason);
    await expect(openSession().run).rejects.toBe(reason);
    await expect(openAgent().run).rejects.toBe(reason);
  });

  test("ends whoever waits for an answer or an acknowledgement", async () => {
    pair.log("a", [{ uid: 1 }]);
    const { agent, welcome, link } = openAgent();
    await welcome();
    const reason = new Error("no more");
    const asked = expect(agent.asker.ask({ kind: "survey" }, stop.signal)).rejects.toBe(reason);
    const acked = expect(agent.untilAcked(1, stop.signal)).rejects.toBe(reason);
    await turns();
    stop.abort(reason);
    await Promise.all([asked, acked]);
    link.close();
  });
});

describe("a closed link", () => {
  test("by the source is a normal end of the session, whenever it comes", async () => {
    for (let moment = 0; moment < 40; moment++) {
      pair = new Pair();
      for (let uid = 1; uid <= 4; uid++) pair.log("a", [{ uid }, { uid: uid + 50 }]);
      pair.replica.refusals.set(2, [{ kind: "mailbox-missing" }]);
      const run = pair.start();
      await turns(moment);
      run.link.source.close();
      expect(await endsOf(run)).toStrictEqual(["returned", CLOSED]);
      const recorded = pair.replicaState.effects.flatMap((effect) => effect.cursor?.lsn ?? []);
      expect(recorded).toStrictEqual(pair.replica.applied.map(({ lsn }) => lsn));
      expect(pair.replicaState.intents.size).toBe(0);
    }
  });

  test("by the replica ends the agent with link-closed, also what asks beside it", async () => {
    const { agent, link, run, welcome } = openAgent();
    await welcome();
    const asked = expect(agent.asker.ask({ kind: "survey" }, stop.signal)).rejects.toThrow(CLOSED);
    await turns();
    link.close();
    await expect(run).rejects.toThrow(CLOSED);
    await asked;
    await expect(agent.asker.ask({ kind: "survey" }, stop.signal)).rejects.toThrow(CLOSED);
  });

  test("loses nothing: the next run goes on", async () => {
    for (let uid = 1; uid <= 20; uid++) pair.log(uid % 2 === 0 ? "a" : "b", [{ uid }]);
    const first = pair.start();
    await until(() => pair.replica.applied.length >= 5, "some are applied");
    first.link.source.close();
    await endsOf(first);
    const run = pair.start();
    await run.untilAcked(20);
    await run.end();
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });
});

describe("a failure", () => {
  test("to record an effect makes the worker forget, ends the session with the error, and the transaction is not acknowledged", async () => {
    pair.log("a", [{ uid: 1 }]);
    const full = new Error("the disk is full");
    pair.replicaState.onWrite = (method) => {
      if (method === "recordEffect") throw full;
    };
    const run = pair.start();
    // Whoever waits for both sees the cause, not that the link was closed because of it.
    await expect(Promise.race([run.sessionRun, run.agentRun])).rejects.toBe(full);
    expect(await endsOf(run)).toStrictEqual([full, CLOSED]);
    expect(pair.replica.forgotten).toStrictEqual([guid("a")]);
    expect([run.agent.ackedLsn, run.shipped]).toStrictEqual([0, []]);
  });

  test("to read bodies at all ends the agent with it, and the session returns", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.bodies.onRead = () => {
      throw new Error("the reader died");
    };
    const run = pair.start();
    expect(await endsOf(run)).toStrictEqual(["returned", expect.objectContaining({ message: "the reader died" })]);
  });

  test("to store the cursor or a rejection ends the agent", async () => {
    for (const failing of ["setCursor", "putRejection"]) {
      pair = new Pair();
      pair.log("a", [{ uid: 1 }]);
      if (failing === "putRejection") pair.replica.refusals.set(1, [{ kind: "mailbox-missing" }]);
      const full = new Error("the disk is full");
      pair.sourceState.onWrite = (method) => {
        if (method === failing) throw full;
      };
      expect(await endsOf(pair.start())).toStrictEqual(["returned", full]);
      expect(pair.replicaState.applied.get(LOG_ID)).toBe(failing === "setCursor" ? 1 : undefined);
    }
  });

  test("of the replica's disk while staging ends the session with it", async () => {
    pair.log("a", [{ uid: 1 }]);
    const full = new Error("ENOSPC: no space left");
    pair.replica.stageMany = () => {
      throw full;
    };
    const run = pair.start();
    expect(await endsOf(run)).toStrictEqual([full, CLOSED]);
  });

  test("to renumber at the source ends the agent", async () => {
    pair.log("a", [{ uid: 100 }]);
    pair.replica.refusals.set(1, [{ kind: "uid-passed", replicaNext: 700 }]);
    const died = new Error("the worker died");
    pair.renumber = async () => {
      throw died;
    };
    expect(await endsOf(pair.start())).toStrictEqual(["returned", died]);
  });
});

describe("a peer that does not keep to the protocol", () => {
  const DIFFERS = expect.objectContaining({ code: "protocol-differs", exitCode: 76 });

  test("a replica of another protocol version is refused", async () => {
    const { run, welcome } = openAgent();
    await welcome(0, PROTOCOL_VERSION - 1);
    await expect(run).rejects.toThrow(DIFFERS);
  });

  test("a source of another protocol version is refused, and is told what the replica speaks", async () => {
    const { link, run } = openSession();
    await link.send({ kind: "hello", protocol: PROTOCOL_VERSION - 1, logId: LOG_ID, software: "x" }, stop.signal);
    const heard: WireMessage[] = [];
    for await (const message of link.messages(stop.signal)) heard.push(message);
    expect(heard).toMatchObject([{ kind: "welcome", protocol: PROTOCOL_VERSION }]);
    await expect(run).rejects.toThrow(DIFFERS);
  });

  test("an offer before the greeting is refused: it would be recorded under no log", async () => {
    const { link, run } = openSession();
    await link.send({ kind: "offer", id: 1, lsn: 1, mailbox: guid("a"), payload: new Uint8Array(1) }, stop.signal);
    await expect(run).rejects.toThrow(CONFUSED);
    expect(pair.replicaState.effects).toStrictEqual([]);
  });

  test("messages of the wrong direction are refused", async () => {
    const session = openSession();
    await session.link.send({ kind: "want", id: 1, indexes: [] }, stop.signal);
    await expect(session.run).rejects.toThrow(CONFUSED);
    const agent = openAgent();
    await agent.send({ kind: "hello", protocol: PROTOCOL_VERSION, logId: LOG_ID, software: "x" });
    await expect(agent.run).rejects.toThrow(CONFUSED);
  });

  test("an outcome of what was not offered is refused", async () => {
    const { run, send, welcome } = openAgent();
    await welcome();
    await send({ kind: "outcome", id: 7, notes: [] });
    await expect(run).rejects.toThrow(CONFUSED);
  });

  test("a wish for a body that a change does not have is refused", async () => {
    pair.log("a", [{ uid: 1 }]);
    const { run, send, welcome, link } = openAgent();
    await welcome();
    const heard = link.messages(stop.signal)[Symbol.asyncIterator]();
    expect([await heard.next(), await heard.next()]).toMatchObject([
      { value: { kind: "hello" } },
      { value: { kind: "offer" } },
    ]);
    await send({ kind: "want", id: 1, indexes: [5] });
    await expect(run).rejects.toThrow(CONFUSED);
  });

  test("a log that begins behind the replica, or ends before it, is not sent", async () => {
    const TRIMMED = expect.objectContaining({ code: "log-trimmed" });
    for (let uid = 1; uid <= 5; uid++) pair.log("a", [{ uid }]);
    await pair.sourceState.writer().trimLog(3);
    for (const [appliedLsn, isRefused] of [
      [2, true],
      [3, false],
      [5, false],
      [6, true],
    ] as const) {
      const { agent, run, welcome, link } = openAgent();
      await welcome(appliedLsn);
      if (isRefused) await expect(run).rejects.toThrow(TRIMMED);
      else {
        await agent.untilAcked(appliedLsn, stop.signal);
        link.close();
        await expect(run).rejects.toThrow(CLOSED);
      }
    }
  });

  test("more offers than a source may send are refused", async () => {
    const { link, run } = openSession();
    await link.send({ kind: "hello", protocol: PROTOCOL_VERSION, logId: LOG_ID, software: "x" }, stop.signal);
    pair.log("a", [{ uid: 1 }]);
    const payload = pair.sourceState.entries[0]?.bytes ?? new Uint8Array(0);
    const sending = (async () => {
      for (let lsn = 1; lsn < 1000; lsn++)
        await link.send({ kind: "offer", id: lsn, lsn, mailbox: guid("a"), payload }, stop.signal);
    })();
    await expect(sending).rejects.toThrow(CLOSED);
    await expect(run).rejects.toThrow(expect.objectContaining({ code: "wire-invalid" }));
  });

  test("advice about another transaction than the one that waits is not taken for its own", async () => {
    const { link, run } = openSession();
    const send = (message: WireMessage) => link.send(message, stop.signal);
    await send({ kind: "hello", protocol: PROTOCOL_VERSION, logId: LOG_ID, software: "x" });
    pair.log("a", []);
    pair.log("b", []);
    pair.replica.refusals.set(1, [{ kind: "mailbox-missing" }]);
    const outcomes: WireMessage[] = [];
    const reading = (async () => {
      for await (const message of link.messages(stop.signal)) if (message.kind === "outcome") outcomes.push(message);
    })();
    reading.catch(() => undefined);
    for (const { lsn, mailbox, bytes } of pair.sourceState.entries)
      await send({ kind: "offer", id: lsn, lsn, mailbox, payload: bytes });
    await until(() => outcomes.length === 1, "the first is refused");
    await send({ kind: "retry", id: 2, voidBelow: 0, giveUp: true });
    await turns();
    expect(outcomes).toHaveLength(1);
    await send({ kind: "retry", id: 1, voidBelow: 9, giveUp: false });
    await until(() => outcomes.length > 1, "the first is tried again");
    expect(pair.replica.applied[0]).toMatchObject({ lsn: 1, voidBelow: 9 });
    link.close();
    await run;
  });
});
