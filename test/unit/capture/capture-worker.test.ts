import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startWorker } from "../../../src/base/worker-rpc.js";
import type { CaptureMethods } from "../../../src/capture/capture-types.js";
import { openStateReader } from "../../../src/log/state-reader.js";
import { openStateWriter } from "../../../src/log/state-writer.js";
import { decodeTransaction } from "../../../src/txn/transaction-codec.js";
import { rawPath } from "./capture-bench.js";
import { openFakeStore } from "./fake-dovecot.js";

const URL_OF_WORKER = new URL("../../../dist/capture/capture-worker.js", import.meta.url);

test("the worker, the real state database, and a restart", async () => {
  const store = openFakeStore();
  const inbox = store.create("alice");
  const bases = [inbox.deliver({ info: `:2,S${inbox.keywordLetter("work")}` }), inbox.deliver()];
  const statePath = join(store.root, "..", `${store.root.split("/").at(-1)}-trash-state`);
  mkdirSync(statePath);
  const file = join(statePath, "state.sqlite");
  await using _writer = await openStateWriter(file, { create: true });
  const request = { path: rawPath("alice"), hints: { names: [], uidlist: true }, full: true, nowMs: Date.now() };
  const limits = { listingSliceMs: 10_000 }; // in one call, however slow the machine is.
  const options = { storeRoot: store.root, statePath: file, records: true, hostname: "h", pid: process.pid, limits };
  {
    await using worker = startWorker<CaptureMethods>({ url: URL_OF_WORKER, name: "capture" });
    await worker.call("open", options);
    const outcome = await worker.call("examine", request);
    expect(outcome).toMatchObject({ kind: "sealed", saves: 2, commit: { lastLsn: 1 } });
  }
  {
    await using worker = startWorker<CaptureMethods>({ url: URL_OF_WORKER, name: "capture" });
    await worker.call("open", options);
    expect(await worker.call("examine", request)).toMatchObject({ kind: "unchanged", pending: 0 });
    const base = inbox.deliver({ body: "news" });
    const [again, wanted] = [
      { ...request, full: false },
      { ...request, full: false, wantsBodies: true },
    ];
    expect(await worker.call("examine", wanted)).toMatchObject({
      ...{ kind: "sealed", saves: 1, commit: { lastLsn: 2 } },
      bodies: [{ uid: 3, base, bytes: new TextEncoder().encode("news") }],
    });
    inbox.deliver({ body: "nobody wants it" });
    const unread = await worker.call("examine", again);
    expect([unread.kind, "bodies" in unread]).toStrictEqual(["sealed", false]);
    expect(await worker.call("examine", wanted)).toMatchObject({ kind: "unchanged" });
    const { mailboxes, uncertain } = await worker.call("discover", { twice: false });
    expect([uncertain, (await worker.call("discover", { twice: true })).uncertain]).toStrictEqual([undefined, []]);
    const [found] = mailboxes;
    if (found?.guid === undefined) throw new Error("not found");
    const page = await worker.call("states", { guid: found.guid, afterUid: 0, max: 1 });
    expect(page).toMatchObject({
      states: [{ uid: 1, base: bases[0], flags: 16, keywords: ["work"] }],
      nextAfterUid: 1,
    });
    const rest = await worker.call("states", { guid: found.guid, afterUid: 1, max: 10 });
    expect(rest.states.map(({ uid }) => uid)).toEqual([2, 3, 4]);
    expect(rest.nextAfterUid).toBeUndefined();
  }
  using reader = openStateReader(file);
  const [entry] = reader.entriesAfter(0, 1_000_000);
  if (entry === undefined) throw new Error("the log is empty");
  expect(decodeTransaction(entry.bytes)).toMatchObject({
    path: "alice",
    uidNext: 3,
    changes: [{ kind: "save" }, { kind: "save" }],
  });
});

test("a dry run has no database", async () => {
  const store = openFakeStore();
  store.create("alice").deliver();
  await using worker = startWorker<CaptureMethods>({ url: URL_OF_WORKER, name: "capture" });
  const limits = { listingSliceMs: 10_000 };
  await worker.call("open", { storeRoot: store.root, hostname: "h", pid: process.pid, limits });
  const request = { path: rawPath("alice"), hints: { names: [], uidlist: false }, full: true, nowMs: Date.now() };
  expect(await worker.call("examine", request)).toMatchObject({ kind: "sealed", saves: 1 });
});
