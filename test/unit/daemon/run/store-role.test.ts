/** What a change of role leaves in the state directory, and in which order. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EventLog } from "../../../../src/daemon/run/event-log.js";
import { becomeReplica, becomeSource } from "../../../../src/daemon/run/store-role.js";
import type { StateReader, StateWriter } from "../../../../src/log/state-ports.js";
import { openStateReader } from "../../../../src/log/state-reader.js";
import { openInlineStateWriter } from "../../../contract/inline-state-writer.js";
import { type TempDir, tempDir } from "../../log/state-fixtures.js";

let dir: TempDir;
let writer: StateWriter;
let reader: StateReader;
let said: string[];
const log = { write: (name: string) => said.push(name) } as unknown as EventLog;

beforeEach(() => {
  dir = tempDir();
  chmodSync(dir.path, 0o700);
  said = [];
  writer = openInlineStateWriter(join(dir.path, "some.db"));
  reader = openStateReader(join(dir.path, "some.db"));
});

afterEach(async () => {
  reader[Symbol.dispose]();
  await writer[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

const roleFile = () => join(dir.path, "role");
const marks = () => reader.replicas().map(({ replica, needsResyncWhy }) => [replica, needsResyncWhy]);
/** Writes go as far as that, and the process is killed. */
const killedAt = (name: "setMeta" | "trim" | "recordEffect"): StateWriter =>
  new Proxy(writer, {
    get: (target, key) => (key === name ? () => Promise.reject(new Error("killed")) : Reflect.get(target, key)),
  });

test("a source: nothing noted or the same marks nobody, another role all, and those to come", async () => {
  await writer.addReplica("b", 5);
  await becomeSource(dir.path, { reader, writer }, log);
  await becomeSource(dir.path, { reader, writer }, log);
  expect([marks(), readFileSync(roleFile(), "utf8"), said]).toStrictEqual([[["b", undefined]], "source\n", []]);
  writeFileSync(roleFile(), "replica\n");
  await becomeSource(dir.path, { reader, writer }, log);
  await writer.addReplica("c", 6);
  const all = ["b", "c"].map((name) => [name, "role-changed"]);
  expect([marks(), readFileSync(roleFile(), "utf8"), said]).toStrictEqual([all, "source\n", ["role-changed"]]);
});

test("what nobody of us wrote counts as another role", async () => {
  await writer.addReplica("b", 5);
  writeFileSync(roleFile(), "\0");
  await becomeSource(dir.path, { reader, writer }, log);
  expect(marks()).toStrictEqual([["b", "role-changed"]]);
});

test("a source that is killed before the marks are durable has its old role still", async () => {
  await writer.addReplica("b", 5);
  writeFileSync(roleFile(), "replica\n");
  for (const name of ["setMeta", "trim"] as const) {
    await expect(becomeSource(dir.path, { reader, writer: killedAt(name) }, log)).rejects.toThrow("killed");
    expect([readFileSync(roleFile(), "utf8"), marks()]).toStrictEqual(["replica\n", [["b", undefined]]]);
  }
  await becomeSource(dir.path, { reader, writer }, log);
  expect(marks()).toStrictEqual([["b", "role-changed"]]);
});

test("a replica that was a source does not know how far it is with any log; killed before, it has its old role", async () => {
  const nothing = { mailboxes: [], removedMailboxIds: [], chunks: [], limbo: [] };
  for (const logId of ["x", "y"]) await writer.recordEffect({ cursor: { logId, lsn: 7 }, ...nothing });
  await becomeReplica(dir.path, { reader, writer }, log);
  const standing = () => ["x", "y"].map((logId) => [reader.hasApplied(logId), reader.appliedLsn(logId)]);
  expect([standing(), readFileSync(roleFile(), "utf8"), said]).toStrictEqual([
    [
      [true, 7],
      [true, 7],
    ],
    "replica\n",
    [],
  ]);
  writeFileSync(roleFile(), "source\n");
  const killed = becomeReplica(dir.path, { reader, writer: killedAt("recordEffect") }, log);
  await expect(killed).rejects.toThrow("killed");
  expect(readFileSync(roleFile(), "utf8")).toBe("source\n");
  await becomeReplica(dir.path, { reader, writer }, log);
  expect(standing()).toStrictEqual([
    [true, 0],
    [true, 0],
  ]);
  expect([readFileSync(roleFile(), "utf8"), existsSync(`${roleFile()}.tmp`)]).toStrictEqual(["replica\n", false]);
});
