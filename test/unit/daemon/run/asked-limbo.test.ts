/** The limbo of a replica, asked for by the daemon over its link: bytes go into files of the state directory, one call at a time. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { LimboSide } from "../../../../src/agent/limbo-side.js";
import type { ReplayAgent } from "../../../../src/agent/replay-agent.js";
import { askOver, serveSums } from "../../../../src/agent/sums-link.js";
import { systemClock } from "../../../../src/base/clock.js";
import { sha256 } from "../../../../src/base/hash.js";
import { FETCHED } from "../../../../src/daemon/reject/fetched-copies.js";
import { limboOf } from "../../../../src/daemon/run/asked-limbo.js";
import { type FetchedFrom, FetchTurns } from "../../../../src/daemon/run/held-fetches.js";
import { fetchedFileName } from "../../../../src/daemon/undelete/fetch-limbo.js";
import { openMemoryLink } from "../../../../src/wire/memory-link.js";
import { storeSide } from "../../resync/store-side.js";

const NAME = "2026-11-29/0123456789abcdef0123456789abcdef.7.0123456789abcdef";
const target = { store: "mail", replica: "b" };
let dir = "";
let stop: AbortController;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mtl-asked-"));
  stop = new AbortController();
});
afterEach(() => {
  stop.abort(new Error("the test is over"));
  rmSync(dir, { recursive: true });
});

/** Each file has its own name for its bytes. */
const LIMBO: LimboSide = {
  page: async () => ({ rows: [], more: false }),
  files: async () => ({ files: [{ file: "cur/1", size: 5 }], more: false }),
  parts: async ({ files }) =>
    files.map(({ file }) => {
      const bytes = Buffer.from(file);
      return { size: bytes.length, mtimeS: 7, bytes, sha256: sha256(bytes) };
    }),
};

function asked() {
  const link = openMemoryLink();
  serveSums(link.replica, storeSide(dir), stop.signal, LIMBO).catch(() => undefined);
  const agent = { asker: askOver(link.source, "b", systemClock).asker } as unknown as ReplayAgent;
  const from = { store: { stateDir: dir } as FetchedFrom["store"], agent };
  return { from, turns: new FetchTurns() };
}

test("pages, and files that nobody else can read; those of the call before go", async () => {
  const { from, turns } = asked();
  const limbo = limboOf((_target, ask) => ask(from), turns);
  expect(await limbo.limboPage({ ...target, after: undefined }, stop.signal)).toEqual({ rows: [], more: false });
  expect(await limbo.limboFiles({ ...target, name: NAME, after: "" }, stop.signal)).toMatchObject({ more: false });
  const wish = (...files: readonly string[]) => ({
    ...target,
    files: files.map((file) => ({ name: NAME, file, size: file.length })),
  });
  const both = await Promise.all([
    limbo.fetchLimbo(wish("cur/1", "cur/2"), stop.signal),
    limbo.fetchLimbo(wish("new/3"), stop.signal),
  ]);
  const hashOf = (text: string) => ({ sha256: sha256(Buffer.from(text)).toString("hex"), virtualSize: text.length });
  expect(both).toEqual([{ files: [hashOf("cur/1"), hashOf("cur/2")] }, { files: [hashOf("new/3")] }]);
  const name = fetchedFileName({ name: NAME, file: "new/3" });
  expect(readdirSync(join(dir, FETCHED))).toEqual([name]);
  expect(readFileSync(join(dir, FETCHED, name), "utf8")).toBe("new/3");
  expect([statSync(join(dir, FETCHED)).mode & 0o777, statSync(join(dir, FETCHED, name)).mode & 0o777]).toEqual([
    0o700, 0o600,
  ]);
});

test("it waits for whatever else is fetched into that state directory, and a failed call keeps no other one", async () => {
  const { from, turns } = asked();
  const limbo = limboOf((_target, ask) => ask(from), turns);
  const order: string[] = [];
  const first = turns.take(from.store, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    order.push("held");
    throw new Error("it failed");
  });
  const wish = { ...target, files: [{ name: NAME, file: "cur/1", size: 5 }] };
  const second = limbo.fetchLimbo(wish, stop.signal).then(() => order.push("limbo"));
  await expect(first).rejects.toThrow("it failed");
  await second;
  expect(order).toEqual(["held", "limbo"]);
  const gone = AbortSignal.abort(new Error("the client has gone"));
  await expect(limbo.fetchLimbo(wish, gone)).rejects.toThrow("the client has gone");
});

test("a replica that is not there is refused as its daemon says", async () => {
  const refuse = () => Promise.reject(new Error("it is paused"));
  const limbo = limboOf(refuse, new FetchTurns());
  await expect(limbo.limboPage({ ...target, after: undefined }, stop.signal)).rejects.toThrow("it is paused");
});
