/**
 * A transaction that is given up while parts of it are still under way: nothing of it may reach the store after it was
 * dropped there, since the store knows it no more and its thread would end.
 */
import { beforeEach, describe, expect, test } from "vitest";
import type { Link } from "../../../src/wire/link.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import { turns, until } from "../../turns.js";
import { Pair, type Running } from "./pair.js";

/** From this many bodies on they are synced together. */
const MANY = Array.from({ length: 25 }, (_, i) => ({ uid: i + 1 }));

let pair: Pair;
let syncs: (() => void)[];

beforeEach(() => {
  pair = new Pair();
  syncs = [];
  pair.syncAll = () =>
    new Promise((resolve) => {
      syncs.push(() => resolve(true));
    });
});

async function endsOf(run: Running): Promise<void> {
  await Promise.allSettled([run.sessionRun, run.agentRun]);
}

describe("a transaction behind one that was refused", () => {
  test("is dropped only after its bodies are synced", async () => {
    pair.log("a", [{ uid: 100 }]);
    pair.log("a", MANY);
    pair.replica.refusals.set(1, [{ kind: "mailbox-missing" }]);
    const run = pair.start();
    const acked = run.untilAcked(2);
    await until(
      () => syncs.length === 1 && pair.replica.dropped.includes(1),
      "the first is dropped, the second synced",
    );
    await turns();
    expect(pair.replica.dropped).toStrictEqual([1]);
    for (const end of syncs) end();
    await acked;
    expect(pair.replica.dropped).toStrictEqual([1, 2]);
    await run.end();
  });

  test("is dropped while the source tells which of its bodies are gone", async () => {
    pair.log("a", [{ uid: 100 }]);
    pair.log("a", MANY);
    for (const { uid } of MANY) pair.bodies.gone.add(`ba${uid}`);
    pair.replica.refusals.set(1, [{ kind: "mailbox-missing" }]);
    const readMany = pair.bodies.readMany.bind(pair.bodies);
    pair.bodies.readMany = async (request) => {
      if (request.items.length === MANY.length)
        await until(() => run.rejected.length === 1 && run.store.calls.some(isDrop), "the first is given up");
      return readMany(request);
    };
    let told = 0;
    const gone = pair.replica.gone.bind(pair.replica);
    // Slow, so that the second is given up in the middle of them.
    const slowly = async (request: Parameters<typeof gone>[0]) => {
      await turns(2);
      gone(request);
      told += 1;
    };
    pair.replica.gone = slowly as unknown as typeof gone;
    const run = pair.start({ link: heldOutcome(1, () => told > 0) });
    await run.untilAcked(2);
    await run.end();
    expect(pair.replica.dropped).toStrictEqual([1, 2]);
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThan(MANY.length);
  });
});

function isDrop({ method }: { readonly method: string }): boolean {
  return method === "drop";
}

/** A link on which the last word about a transaction that was given up is late. */
function heldOutcome(lsn: number, isOver: () => boolean): ReturnType<typeof openMemoryLink> {
  const { source, replica } = openMemoryLink();
  const send: Link["send"] = async (message, signal) => {
    const isHeld = message.kind === "outcome" && message.id === lsn && message.divergence?.code === "given-up";
    if (isHeld) await until(isOver, "what the outcome waits for");
    await replica.send(message, signal);
  };
  return { source, replica: { ...replica, send } };
}

describe("a session that ends", () => {
  test.each(["abort", "close"])("by %s drops what was under way only after it has come to rest", async (ending) => {
    pair.log("a", MANY);
    pair.log("b", MANY);
    const run = pair.start();
    await until(() => syncs.length === 2, "both are being synced");
    if (ending === "abort") run.stop.abort(new Error("enough"));
    else run.link.source.close();
    syncs[0]?.();
    await turns();
    syncs[1]?.();
    await endsOf(run);
    await turns();
    run.checkStore();
    expect([...pair.replica.dropped].sort()).toStrictEqual(ending === "abort" ? [1, 2] : [2]);
  });
});
