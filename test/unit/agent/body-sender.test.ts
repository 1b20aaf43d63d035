/** What a reader of bodies hands over has to be given back, whatever becomes of it. */
import { describe, expect, test } from "vitest";
import { sendBodies } from "../../../src/agent/body-sender.js";
import { baseError } from "../../../src/base/base-errors.js";
import { releaseSlabs, SlabPool } from "../../../src/base/slab-pool.js";
import type { WorkerClient } from "../../../src/base/worker-rpc.js";
import {
  BODY_BATCH_BYTES_MAX,
  BODY_SMALL_BYTES_MAX,
  type BodyMethods,
  type BodyRead,
} from "../../../src/capture/body-types.js";
import { decodeTransaction } from "../../../src/txn/transaction-codec.js";
import type { Link } from "../../../src/wire/link.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import { Pair, path } from "./pair.js";

test("memory of bodies that are not sent, because another one cannot be read, is free again", async () => {
  const pool = new SlabPool({ slabBytes: 64, slabsMax: 1 });
  const slab = pool.take();
  if (slab === undefined) throw new Error("a pool has a slab");
  expect(pool.take()).toBeUndefined();
  const reads: readonly BodyRead[] = [
    { index: 0, kind: "body", bytes: slab.subarray(0, 3), sha256: "00" },
    { index: 1, kind: "problem", problem: { path: path("a"), code: "EIO", message: "EIO: reading", hint: "" } },
  ];
  const bodies = { call: async () => reads } as unknown as WorkerClient<BodyMethods>;
  const pair = new Pair();
  pair.log("a", [{ uid: 1 }, { uid: 2 }]);
  const transaction = decodeTransaction(pair.sourceState.entries[0]?.bytes ?? new Uint8Array(0));
  const wish = { id: 1, transaction, path: path("a"), indexes: [0, 1] };
  const outcome = await sendBodies({ link: openMemoryLink().source, bodies }, wish, new AbortController().signal);
  expect(outcome).toMatchObject({ kind: "unreadable", problem: { code: "EIO" } });
  expect(pool.take()).toBeDefined();
});

test("as many are asked for at a time as one call reads, large ones beside them, and all of them come", async () => {
  const half = BODY_BATCH_BYTES_MAX / 2;
  const sizes = [half, half, 1, BODY_SMALL_BYTES_MAX + 1, half, half, 1];
  const pair = new Pair();
  pair.log(
    "a",
    sizes.map((size, i) => ({ uid: i + 1, size })),
  );
  const asked: (readonly number[])[] = [];
  const readMany = pair.bodies.readMany.bind(pair.bodies);
  pair.bodies.readMany = (request) => {
    asked.push(request.items.map(({ index }) => index));
    return readMany(request);
  };
  const run = pair.start();
  await run.untilAcked(1);
  await run.end();
  expect(asked).toStrictEqual([
    [0, 1],
    [2, 3, 4],
    [5, 6],
  ]);
  expect(pair.replica.applied[0]?.bodies.size).toBe(sizes.length);
});

describe("reading ahead", () => {
  const HALF = BODY_BATCH_BYTES_MAX / 2;

  /** A wish for that many bodies of half a batch, whose reads and sends are noted; each read takes a slab of the pool. */
  function scene(count: number) {
    const pair = new Pair();
    pair.log(
      "a",
      Array.from({ length: count }, (_, i) => ({ uid: i + 1, size: HALF })),
    );
    const transaction = decodeTransaction(pair.sourceState.entries[0]?.bytes ?? new Uint8Array(0));
    const indexes = Array.from({ length: count }, (_, i) => i);
    const pool = new SlabPool({ slabBytes: 64, slabsMax: 2 });
    const steps: string[] = [];
    const stop = new AbortController();
    const at = {
      /** What becomes of an item; by default a body. */
      read: (_index: number, _call: number): BodyRead["kind"] | Error => "body",
      send: async (): Promise<void> => undefined,
    };
    let calls = 0;
    const methods = {
      async readMany({ items }: Parameters<BodyMethods["readMany"]>[0]): Promise<readonly BodyRead[]> {
        calls += 1;
        const call = calls;
        steps.push(`read ${items.map(({ index }) => index).join()}`);
        const kinds = items.map(({ index }) => at.read(index, call));
        const error = kinds.find((kind) => kind instanceof Error);
        if (error !== undefined) throw error;
        const slab = kinds.includes("body") ? pool.take() : undefined;
        return items.map(({ index }, i): BodyRead => {
          const kind = kinds[i];
          if (kind === "gone" || kind === "later") return { index, kind };
          if (kind === "large") return { index, kind, sizeBytes: 5 };
          if (kind === "problem")
            return { index, kind, problem: { path: path("a"), code: "EIO", message: "EIO", hint: "" } };
          if (slab === undefined) throw new Error("no slab is free");
          return { index, kind: "body", bytes: slab.subarray(0, 3), sha256: "00" };
        });
      },
      openLarge: async () => ({ kind: "open", handle: 1, sizeBytes: 5, mtimeS: 1 }),
      readPart: async () => new Uint8Array(5),
      closeLarge: async () => ({ readBytes: 5 }),
    };
    const bodies = {
      call: (name: keyof typeof methods, args: never) => methods[name](args),
    } as unknown as WorkerClient<BodyMethods>;
    const link: Link = {
      ...openMemoryLink().source,
      async send(message) {
        if (message.kind === "bodies") {
          steps.push(`send ${message.heads.map(({ index }) => index).join()}`);
          await at.send();
          releaseSlabs(message.payloads);
        } else if (message.kind === "body-part") steps.push(`part ${message.index}`);
      },
    };
    const run = () => sendBodies({ link, bodies }, { id: 1, transaction, path: path("a"), indexes }, stop.signal);
    return {
      run,
      at,
      steps,
      stop,
      freeSlabs: () => [pool.take(), pool.take()].filter((slab) => slab !== undefined).length,
    };
  }

  test("the next call reads while what the one before read is sent, and only the next", async () => {
    const { run, steps, freeSlabs } = scene(6);
    expect(await run()).toStrictEqual({ kind: "sent", bytes: 18, absent: [] });
    expect(steps).toStrictEqual(["read 0,1", "read 2,3", "send 0,1", "read 4,5", "send 2,3", "send 4,5"]);
    expect(freeSlabs()).toBe(2);
  });

  test("what was left for later and what is large goes before what was read ahead", async () => {
    const { run, at, steps, freeSlabs } = scene(4);
    at.read = (index, call) => (index === 0 ? "large" : index === 1 && call === 1 ? "later" : "body");
    expect(await run()).toStrictEqual({ kind: "sent", bytes: 14, absent: [] });
    expect(steps).toStrictEqual(["read 0,1", "read 2,3", "part 0", "read 1", "send 1", "send 2,3"]);
    expect(freeSlabs()).toBe(2);
  });

  test("what is gone in a read ahead is told once it is its turn", async () => {
    const { run, at } = scene(4);
    at.read = (index) => (index === 0 || index === 3 ? "gone" : "body");
    expect(await run()).toStrictEqual({ kind: "sent", bytes: 6, absent: [0, 3] });
  });

  test("a body that cannot be read gives back what was read ahead", async () => {
    const { run, at, steps, freeSlabs } = scene(4);
    at.read = (index) => (index === 1 ? "problem" : "body");
    expect(await run()).toMatchObject({ kind: "unreadable", problem: { code: "EIO" } });
    expect(steps).toStrictEqual(["read 0,1", "read 2,3"]);
    expect(freeSlabs()).toBe(2);
  });

  test("a read ahead that fails is the outcome only after what came before it was sent", async () => {
    const { run, at, steps, freeSlabs } = scene(4);
    at.read = (index) => (index === 2 ? Object.assign(new Error("EIO: reading"), { code: "EIO" }) : "body");
    at.send = () => new Promise((resolve) => setImmediate(resolve)); // it fails meanwhile.
    expect(await run()).toMatchObject({ kind: "unreadable", problem: { path: path("a") } });
    expect(steps).toStrictEqual(["read 0,1", "read 2,3", "send 0,1"]);
    expect(freeSlabs()).toBe(2);
  });

  test("a reader that dies while an earlier read is sent in vain goes unnoticed: the first failure counts", async () => {
    const { run, at } = scene(4);
    at.read = (index) => (index === 2 ? baseError("worker-closed", { message: "it is closed" }) : "body");
    at.send = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error("the link is closed");
    };
    await expect(run()).rejects.toThrow("the link is closed");
  });

  test("an abort while it sends gives back what was read ahead, and reads no more", async () => {
    const { run, at, steps, stop, freeSlabs } = scene(6);
    at.send = async () => stop.abort(new Error("stopped"));
    await expect(run()).rejects.toThrow("stopped");
    expect(steps).toStrictEqual(["read 0,1", "read 2,3", "send 0,1"]);
    expect(freeSlabs()).toBe(2);
  });
});
