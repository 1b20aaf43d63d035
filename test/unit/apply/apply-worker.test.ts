/** The room as the program runs it: in its own thread, with the state database. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ApplyMethods } from "../../../src/apply/apply-types.js";
import { startWorker } from "../../../src/base/worker-rpc.js";
import { openStateReader } from "../../../src/log/state-reader.js";
import { openStateWriter } from "../../../src/log/state-writer.js";
import { encodeTransaction } from "../../../src/txn/transaction-codec.js";
import { bodyOfBase, CREATE, HOST, save, transaction } from "./replica-fixture.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mailtwin-apply-worker-"));
  mkdirSync(join(root, "store"));
  mkdirSync(join(root, "scratch"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const WORKER = new URL("../../../dist/apply/apply-worker.js", import.meta.url);

test("a transaction crosses the thread and its effect the database", async () => {
  const statePath = join(root, "state.db");
  await using writer = await openStateWriter(statePath, { create: true });
  await using worker = startWorker<ApplyMethods>({ url: WORKER, name: "apply" });
  const places = { storeRoot: join(root, "store"), scratchRoot: join(root, "scratch"), statePath };
  await worker.call("open", { ...places, hostname: HOST, pid: process.pid });
  expect(await worker.call("recover")).toEqual({ intentIds: [], limbo: [], notes: [] });
  const bytes = encodeTransaction(
    transaction([save(1, "one", { letters: "S" }), save(2, "two")], { structure: CREATE }),
  );
  const prepared = await worker.call("prepare", { key: 1, bytes, voidBelow: 0 });
  expect(prepared).toMatchObject({ kind: "ready", wants: [{ index: 0 }, { index: 1 }] });
  const bodies = ["one", "two"].map((base, index) => ({ index, bytes: bodyOfBase(base) }));
  expect(await worker.call("stageMany", { key: 1, bodies, sync: true })).toEqual({ kind: "staged" });
  if (prepared.kind !== "ready") throw new Error(prepared.kind);
  const intent = await writer.putIntent({ bytes: prepared.intent });
  const outcome = await worker.call("execute", { key: 1 });
  if (outcome.kind !== "applied") throw new Error(JSON.stringify(outcome));
  await writer.recordEffect({ ...outcome.effect, intent, cursor: { logId: "log", lsn: 1 } });
  expect(readdirSync(join(root, "store/box/cur")).sort()).toEqual(["one:2,S", "two:2,"]);
  expect(readFileSync(join(root, "store/box/cur/two:2,"), "latin1")).toContain("body of two");
  using reader = openStateReader(statePath);
  expect(reader.mailboxes()).toMatchObject([{ path: "box", messages: 2, uidNext: 3 }]);
  expect(reader.intents()).toEqual([]);
  expect(reader.appliedLsn("log")).toBe(1);
  expect(await worker.call("mailboxes", { strangers: [] })).toMatchObject([{ path: "box", uidNext: 3 }]);
});
