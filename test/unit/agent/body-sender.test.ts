/** What a reader of bodies hands over has to be given back, whatever becomes of it. */
import { expect, test } from "vitest";
import { sendBodies } from "../../../src/agent/body-sender.js";
import { SlabPool } from "../../../src/base/slab-pool.js";
import type { WorkerClient } from "../../../src/base/worker-rpc.js";
import {
  BODY_BATCH_BYTES_MAX,
  BODY_SMALL_BYTES_MAX,
  type BodyMethods,
  type BodyRead,
} from "../../../src/capture/body-types.js";
import { decodeTransaction } from "../../../src/txn/transaction-codec.js";
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
  const wish = { lsn: 1, transaction, path: path("a"), indexes: [0, 1] };
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
