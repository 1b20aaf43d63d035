/** Large transactions: their bodies are staged by another thread than the store's, and handed over to it in one call. */
import { beforeEach, describe, expect, test } from "vitest";
import { SESSION_LIMITS } from "../../../src/agent/session-limits.js";
import { SlabPool } from "../../../src/base/slab-pool.js";
import { BODY_BATCH_BYTES_MAX, BODY_SMALL_BYTES_MAX, type BodyRead } from "../../../src/capture/body-types.js";
import type { Link } from "../../../src/wire/link.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import { turns, until } from "../../turns.js";
import { Pair, type Running, STEP_BY_STEP } from "./pair.js";

const FEW = saves(SESSION_LIMITS.stagedHereMax);
const MANY = saves(SESSION_LIMITS.stagedHereMax + 1);

let pair: Pair;
beforeEach(() => {
  pair = new Pair();
});

function saves(count: number, size = 3) {
  return Array.from({ length: count }, (_, i) => ({ uid: i + 1, size }));
}

function methods(run: Running): readonly string[] {
  return run.store.calls.map(({ method }) => method);
}

function stagerMethods(): readonly string[] {
  return pair.stager.worker.calls.map(({ method }) => method);
}

async function endsOf(run: Running): Promise<readonly unknown[]> {
  const ends = await Promise.allSettled([run.sessionRun, run.agentRun]);
  return ends.map((end) => (end.status === "rejected" ? end.reason : "returned"));
}

describe("a transaction with many bodies", () => {
  test("is staged there and adopted before anything is sealed", async () => {
    pair.log("a", MANY);
    const run = pair.start();
    await run.untilAcked(1);
    await run.end();
    expect(stagerMethods()).toStrictEqual(["begin", "stageMany", "handOver"]);
    expect(methods(run)).toStrictEqual(["prepare", "adoptStaged", "execute"]);
    expect(pair.replica.adopted).toStrictEqual([{ lsn: 1, indexes: MANY.map((_, i) => i) }]);
    expect(pair.replica.applied[0]?.bodies.size).toBe(MANY.length);
  });

  test("with large ones among them, in parts, too", async () => {
    pair.log("a", [...MANY, { uid: 900, size: BODY_SMALL_BYTES_MAX + 1 }]);
    const run = pair.start();
    await run.untilAcked(1);
    await run.end();
    expect(stagerMethods()).toContain("stagePart");
    expect(methods(run)).toStrictEqual(["prepare", "adoptStaged", "execute"]);
  });

  test("with none of them left at the source is given back, too", async () => {
    pair.log("a", MANY);
    for (const { uid } of MANY) pair.bodies.gone.add(`ba${uid}`);
    const run = pair.start();
    await run.untilAcked(1);
    await run.end();
    expect(pair.replica.applied[0]?.gone).toHaveLength(MANY.length);
    expect(pair.replica.adopted).toStrictEqual([{ lsn: 1, indexes: [] }]);
  });

  test("whose bodies are lacking later has them staged by the store", async () => {
    pair.log("a", MANY);
    pair.replica.refusals.set(1, ["lacking"]);
    const run = pair.start();
    await run.untilAcked(1);
    await run.end();
    expect(stagerMethods()).toStrictEqual(["begin", "stageMany", "handOver"]);
    expect(methods(run).filter((method) => method === "stageMany")).toHaveLength(1);
  });

  test("has the next bodies before it when it is done with some, and never all of them", async () => {
    pair.log("a", saves(MANY.length, BODY_BATCH_BYTES_MAX / 8)); // eight to a message.
    const waiting: (() => void)[] = [];
    pair.stager.onStage = () => new Promise<void>((resolve) => waiting.push(resolve));
    const run = pair.start({ limits: { ...STEP_BY_STEP, partBytesMax: Number.POSITIVE_INFINITY } });
    const acked = run.untilAcked(1);
    await until(() => waiting.length > 0, "the first are being staged");
    await turns();
    const handedOver = stagerMethods().filter((method) => method === "stageMany").length;
    expect(handedOver).toBeGreaterThan(1);
    expect(handedOver).toBeLessThan(MANY.length / 8 - 1);
    pair.stager.onStage = () => undefined;
    for (const go of waiting) go();
    await acked;
    await run.end();
    expect(pair.replica.applied[0]?.bodies.size).toBe(MANY.length);
  });

  test("with one that is not what was announced is adopted as far as it came", async () => {
    pair.log("a", MANY);
    pair.bodies.sizes.set("ba60", 4);
    const run = pair.start();
    const acked = run.untilAcked(1);
    await until(() => pair.looks > 0 || run.rejected.length > 0, "the source has heard of it");
    pair.bodies.sizes.clear();
    expect(pair.replica.adopted[0]?.indexes.length).toBe(59);
    await Promise.allSettled([acked]);
    await run.end();
  });
});

test("one with fewer is staged by the store, and the other thread is not asked for", async () => {
  pair.log("a", FEW);
  const run = pair.start();
  await run.untilAcked(1);
  await run.end();
  expect(pair.stager.worker.calls).toStrictEqual([]);
  expect(methods(run)).toStrictEqual(["prepare", "stageMany", "execute"]);
});

describe("one that ends while it is staged", () => {
  test("behind one that was refused: it is dropped behind what is being written", async () => {
    pair.log("a", [{ uid: 100 }]);
    pair.log("a", MANY);
    pair.replica.refusals.set(1, [{ kind: "mailbox-missing" }]);
    const readMany = pair.bodies.readMany.bind(pair.bodies);
    pair.bodies.readMany = async (request) => {
      if (request.items.length === MANY.length)
        await until(() => pair.replica.dropped.includes(1), "the first is given up");
      return readMany(request);
    };
    let isStaging = false;
    pair.stager.onStage = async () => {
      isStaging = true;
      await turns();
      expect(pair.stager.dropped).toStrictEqual([]);
    };
    // Its last word is late: the second is dropped when its bodies are being written.
    const { source, replica } = openMemoryLink();
    const send: Link["send"] = async (message, signal) => {
      if (message.kind === "outcome" && message.divergence?.code === "given-up")
        await until(() => isStaging, "the second is being staged");
      await replica.send(message, signal);
    };
    const run = pair.start({ link: { source, replica: { ...replica, send } } });
    await run.untilAcked(2);
    await run.end();
    expect(stagerMethods()).toStrictEqual(["begin", "stageMany", "drop"]);
    expect(pair.stager.dropped).toStrictEqual([2]);
    expect(pair.replica.dropped).toStrictEqual([1, 2]);
    expect(pair.replica.adopted).toStrictEqual([]);
  });

  test.each(["source", "replica"] as const)("by the %s's end of the link: nothing is left to nobody", async (end) => {
    pair.log("a", MANY);
    let isStaging = false;
    let go: () => void = () => undefined;
    pair.stager.onStage = () => {
      isStaging = true;
      return new Promise<void>((resolve) => {
        go = resolve;
      });
    };
    const run = pair.start();
    await until(() => isStaging, "bodies are being staged");
    run.link[end].close();
    await turns();
    go();
    await endsOf(run);
    run.checkStore();
    // It had all of its bodies: it is applied, or the store drops what it has adopted.
    expect(stagerMethods().at(-1)).toBe("handOver");
    expect(pair.replica.applied.length + pair.replica.dropped.length).toBe(1);
  });

  test("by its failure: the session ends with that, and the store's part is dropped as well", async () => {
    pair.log("a", MANY);
    const failure = Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" });
    pair.stager.onStage = () => {
      throw failure;
    };
    const run = pair.start();
    const [session] = await endsOf(run);
    expect(session).toMatchObject({ code: "ENOSPC" });
    run.checkStore();
    expect(pair.stager.dropped).toStrictEqual([1]);
    expect(pair.replica.dropped).toStrictEqual([1]);
  });
});

test.each(["staged", "refused"])("shared memory is given back once they are %s, not before", async (how) => {
  const pool = new SlabPool({ slabBytes: 4096, slabsMax: 1 });
  const readMany = pair.bodies.readMany.bind(pair.bodies);
  pair.bodies.readMany = async (request) => {
    const reads = await readMany(request);
    const slab = pool.take();
    if (slab === undefined) throw new Error("the slab was given back");
    let at = 0;
    return reads.map((read): BodyRead => {
      if (read.kind !== "body") return read;
      const bytes = slab.subarray(at, at + read.bytes.length);
      bytes.set(read.bytes);
      at += read.bytes.length;
      return { ...read, bytes };
    });
  };
  const taken: boolean[] = [];
  pair.stager.onStage = () => {
    taken.push(pool.take() === undefined);
    if (how === "refused") throw new Error("refused");
  };
  pair.log("a", MANY);
  const run = pair.start();
  await Promise.allSettled([run.untilAcked(1)]);
  run.stop.abort(new Error("the test is over"));
  await endsOf(run);
  expect(taken).toStrictEqual([true]);
  expect(pool.take()).toBeDefined();
});
