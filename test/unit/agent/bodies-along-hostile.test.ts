/** What a session makes of bodies that a source sends with its offers: no matter what it says, only what is lacking and right is taken. */
import { describe, expect, test } from "vitest";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import type { Change } from "../../../src/txn/transaction.js";
import { ALONG_BYTES_MAX, type AlongBodies } from "../../../src/wire/messages.js";
import { until } from "../../turns.js";
import { eachPair } from "./each-pair.js";
import { bodyOf } from "./fake-bodies.js";
import { hexOf } from "./fake-replica.js";
import { guid, type Pair } from "./pair.js";
import { openSession } from "./peers.js";

let pair: Pair;
let stop: AbortController;

eachPair((fresh, controller) => {
  pair = fresh;
  stop = controller;
});

function saves(count: number) {
  return Array.from({ length: count }, (_, i) => ({ uid: i + 1 }));
}

describe("a source", () => {
  const sha256Of = (bytes: Uint8Array) => Buffer.from(hexOf(bytes), "hex");

  /** Each named by its index. */
  function alongOf(...bodies: readonly (readonly [number, Uint8Array, Uint8Array?])[]): {
    readonly along: AlongBodies;
  } {
    const heads = bodies.map(([index, bytes, sha256 = sha256Of(bytes)]) => {
      return { index, size: bytes.length, sha256, gone: false };
    });
    return { along: { heads, payloads: bodies.map(([, bytes]) => bytes) } };
  }

  test("that sends what nobody lacks has it dropped, and is asked for the rest", async () => {
    const expunge: Change = { kind: "expunge", uid: parseUid(9), base: parseBaseName("ba9") };
    pair.log("a", saves(2), [expunge]);
    const { offer, heard, send } = await openSession(pair, stop.signal);
    const right = bodyOf("ba1", 3);
    await offer(1, alongOf([0, right], [2, right], [7, right], [0xffff_ffff, right]));
    await until(() => heard.some(({ kind }) => kind === "want"), "it asks");
    expect(heard.filter(({ kind }) => kind === "want")).toMatchObject([{ id: 1, indexes: [1] }]);
    const { heads, payloads } = alongOf([1, bodyOf("ba2", 3)]).along;
    await send({ kind: "bodies", id: 1, heads, payloads });
    await until(() => heard.some(({ kind }) => kind === "outcome"), "it is applied");
    expect([...(pair.replica.applied[0]?.bodies.keys() ?? [])]).toStrictEqual([0, 1]);
  });

  test.each([
    ["another length", (body: Uint8Array) => [body.subarray(1)] as const],
    ["other bytes", (body: Uint8Array) => [body.map((byte) => byte ^ 1), sha256Of(body)] as const],
  ])("that sends a body of %s has it refused, and may send it anew", async (_what, falsify) => {
    pair.log("a", saves(1));
    const { offer, heard, send } = await openSession(pair, stop.signal);
    const right = bodyOf("ba1", 3);
    await offer(1, alongOf([0, ...falsify(right)]));
    await until(() => heard.some(({ kind }) => kind === "outcome"), "it is refused");
    expect(heard.at(-1)).toMatchObject({ kind: "outcome", id: 1, divergence: { code: "body-mismatch" } });
    expect([pair.replica.applied, pair.replicaState.intents.size]).toStrictEqual([[], 0]);
    await send({ kind: "retry", id: 1, voidBelow: 0, giveUp: false });
    await until(() => heard.some(({ kind }) => kind === "want"), "it asks");
    const { heads, payloads } = alongOf([0, right]).along;
    await send({ kind: "bodies", id: 1, heads, payloads });
    await until(() => pair.replica.applied.length > 0, "it is applied");
  });

  test("that was given up has what came with later offers of that mailbox dropped", async () => {
    pair.log("a", []);
    pair.log("a", saves(1));
    pair.replica.refusals.set(1, [{ kind: "mailbox-missing" }]);
    const { offer, heard, send } = await openSession(pair, stop.signal);
    await offer(1);
    await offer(2, alongOf([0, bodyOf("ba1", 3)]));
    await until(() => heard.some(({ kind }) => kind === "outcome"), "it is refused");
    await send({ kind: "retry", id: 1, voidBelow: 0, giveUp: true });
    await until(() => heard.filter(({ kind }) => kind === "outcome").length === 3, "so is the next");
    expect(heard.at(-1)).toMatchObject({ id: 2, divergence: { code: "mailbox-held" } });
    expect(pair.replica.applied).toStrictEqual([]);
    expect(pair.replica.dropped).toStrictEqual([1, 2]);
  });

  test("that has no right there has none of it looked at", async () => {
    pair.log("a", saves(1));
    const rights = { mayWrite: () => false, pathOf: () => undefined };
    const { offer, run, store } = await openSession(pair, stop.signal, { rights });
    await offer(1, alongOf([0, bodyOf("ba1", 3)]));
    await expect(run).rejects.toThrow(expect.objectContaining({ code: "source-without-right" }));
    expect(store.calls).toStrictEqual([]);
  });

  test("that sends much in all, and never too much at a time, is served", async () => {
    const bytes = new Uint8Array(ALONG_BYTES_MAX);
    pair.log("a", [{ uid: 1, size: bytes.length }]);
    const payload = pair.sourceState.entries[0]?.bytes ?? new Uint8Array(0);
    const { along } = alongOf([0, bytes]);
    const { send, heard } = await openSession(pair, stop.signal);
    const settled = () => heard.filter(({ kind }) => kind === "outcome").length;
    const last = 1100; // together more than a session holds.
    for (let id = 1; id <= last; id++) {
      await send({ kind: "offer", id, lsn: id, mailbox: guid("a"), payload, along });
      await until(() => settled() === id, "it is applied");
    }
    expect(pair.replica.applied).toHaveLength(last);
  });
});
