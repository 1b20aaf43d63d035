/** What two threads record in one database, each by a connection of its own. */
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OwnWrites } from "../../../src/log/own-writes.js";
import type { StateWriter } from "../../../src/log/state-ports.js";
import { openStateReader } from "../../../src/log/state-reader.js";
import { NO_EFFECT } from "../../../src/log/state-types.js";
import { openStateWriter } from "../../../src/log/state-writer.js";
import { entries, guid, mailboxRow, type TempDir, tempDir } from "./state-fixtures.js";

let dir: TempDir;
let path: string;
let writer: StateWriter;
let own: OwnWrites;

beforeEach(async () => {
  dir = tempDir();
  path = join(dir.path, "state.db");
  writer = await openStateWriter(path, { create: true });
  own = new OwnWrites(path);
});

afterEach(async () => {
  own[Symbol.dispose]();
  await writer[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

test("what one thread appends while another writes is there, densely numbered, and so is the other's", async () => {
  const others: Promise<unknown>[] = [];
  const lsns: number[] = [];
  for (let i = 0; i < 50; i++) {
    others.push(writer.setMeta(`key-${i}`, "x"), writer.appendCaptured(entries(1)));
    lsns.push(...own.appendCaptured(entries(2)));
    if (i % 10 === 0) await others.at(-1);
  }
  await Promise.all(others);
  using reader = openStateReader(path);
  expect([lsns.length, new Set(lsns).size, reader.lastLsn()]).toStrictEqual([100, 100, 150]);
  expect(reader.entriesAfter(0, 1e9).map(({ lsn }) => lsn)).toStrictEqual(Array.from({ length: 150 }, (_, i) => i + 1));
  expect(reader.meta("key-49")).toBe("x");
});

test("an intent is there until its effect is, and the cursor comes with that", () => {
  using reader = openStateReader(path);
  const intent = own.putIntent(Uint8Array.of(1, 2));
  expect(reader.intents()).toStrictEqual([{ id: intent, bytes: Uint8Array.of(1, 2) }]);
  own.recordEffect({ ...NO_EFFECT, intent, cursor: { logId: "l", lsn: 7 }, mailboxes: [mailboxRow(1)] });
  expect([reader.intents(), reader.appliedLsn("l"), reader.mailboxes().length]).toStrictEqual([[], 7, 1]);
});

test("a write that fails leaves nothing behind, and the next one goes through", () => {
  using reader = openStateReader(path);
  own.recordEffect({ ...NO_EFFECT, mailboxes: [mailboxRow(1)] });
  const twice = mailboxRow(2, { guid: guid(1) });
  const cursor = { logId: "l", lsn: 9 };
  expect(() => own.recordEffect({ ...NO_EFFECT, cursor, mailboxes: [twice] })).toThrow("UNIQUE");
  expect([reader.appliedLsn("l"), reader.mailboxes().length]).toStrictEqual([0, 1]);
  own.recordEffect({ ...NO_EFFECT, cursor });
  expect(reader.appliedLsn("l")).toBe(9);
});

test("a database that is gone is told by its code", () => {
  expect(() => new OwnWrites(join(dir.path, "nowhere", "state.db"))).toThrow(
    expect.objectContaining({ code: "state-unreachable" }),
  );
});
