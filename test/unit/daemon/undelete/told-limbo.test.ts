/** What a source is told of a limbo: what it has sent, in mailboxes that it may know; of all else no row and no byte, whatever it asks for. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hashOfBase } from "../../../../src/apply/limbo-names.js";
import { LimboReader } from "../../../../src/apply/limbo-reader.js";
import { openNodeDisk } from "../../../../src/base/disk-node.js";
import type { RawPath } from "../../../../src/base/raw-name.js";
import { ToldLimbo } from "../../../../src/daemon/undelete/told-limbo.js";
import type { LimboRow } from "../../../../src/log/state-types.js";
import { parseMailboxGuid } from "../../../../src/maildir/ids.js";
import { LIMBO_PAGE_MAX, type LimboMark } from "../../../../src/wire/limbo.js";

const NEVER = new AbortController().signal;
const GUID = parseMailboxGuid("0123456789abcdef0123456789abcdef");
const INBOX = "u1/Maildir" as RawPath;
let dir = "";
let rows: LimboRow[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mtl-told-"));
  rows = [];
});
afterEach(() => rmSync(dir, { recursive: true }));

/** A row, and its file. */
function put(uid: number, more: Partial<LimboRow> = {}): LimboRow {
  const base = more.base ?? `b${uid}`;
  const name = `2026-11-29/${GUID}.${uid}.${hashOfBase(base)}`;
  const row = { name, mailbox: GUID, path: INBOX, uid, base, size: 3, cause: "expunge", removedMs: uid, ...more };
  write(row.uid === 0 && row.base === "" ? `${row.name}/cur/1.h` : row.name);
  rows.push(row);
  return row;
}

function write(name: string): void {
  const path = join(dir, "limbo", name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "abc");
}

function toldOf(mayKnow?: (path: RawPath) => boolean): ToldLimbo {
  const reader = new LimboReader(openNodeDisk(), { scratchRoot: dir });
  const call = async (method: "there" | "files" | "parts", args: never) => reader[method](args);
  const thread = { take: () => ({ call }) as never, giveBack: () => undefined };
  const isBehind = (row: LimboRow, { removedMs, name }: LimboMark) =>
    row.removedMs > removedMs || (row.removedMs === removedMs && row.name > name);
  const state = {
    oldestLimbo: (after: LimboMark, max: number) => rows.filter((row) => isBehind(row, after)).slice(0, max),
    limboRow: (name: string) => rows.find((row) => row.name === name),
  };
  return new ToldLimbo({ rows: state, thread, mayKnow });
}

async function uidsTold(told: ToldLimbo): Promise<number[]> {
  const uids: number[] = [];
  let after: LimboMark | undefined;
  for (let more = true; more; ) {
    const page = await told.page(after, NEVER);
    expect(page.rows.length).toBeLessThanOrEqual(LIMBO_PAGE_MAX);
    if (page.more) expect(page.rows).not.toEqual([]);
    uids.push(...page.rows.map(({ uid }) => uid));
    after = page.rows.at(-1);
    ({ more } = page);
  }
  return uids;
}

const bytesOf = async (told: ToldLimbo, ...files: readonly { name: string; file: string }[]) => {
  const parts = await told.parts({ files, offset: 0 });
  return parts.map((part) => (part === undefined ? undefined : Buffer.from(part.bytes).toString()));
};

test("what was expunged, deleted, reset, or is a copy; of mail that only the replica had not a word", async () => {
  const sent = ["expunge", "reset", "copy"].map((cause, at) => put(at + 1, { cause }));
  const mailbox = put(0, { name: `2026-11-29/${GUID}.mailbox`, base: "", cause: "delete", removedMs: 9 });
  const foreign = put(4, { cause: "foreign" });
  const other = put(5, { cause: "somewhat" });
  const told = toldOf();
  expect(await uidsTold(told)).toEqual([1, 2, 3, 0]);
  const asked = [...sent, foreign, other].map(({ name }) => ({ name, file: "" }));
  expect(await bytesOf(told, ...asked)).toEqual(["abc", "abc", "abc", undefined, undefined]);
  expect(await told.files({ name: mailbox.name, after: "" })).toEqual({
    files: [{ file: "cur/1.h", size: 3 }],
    more: false,
  });
  expect(await bytesOf(told, { name: mailbox.name, file: "cur/1.h" }, { name: mailbox.name, file: "" })).toEqual([
    "abc",
    undefined,
  ]);
});

test("what has no row is not there, and a message has no files in it", async () => {
  const row = put(1);
  write(`2026-11-29/${GUID}.2.${hashOfBase("b2")}`);
  const told = toldOf();
  const unknown = `2026-11-29/${GUID}.2.${hashOfBase("b2")}`;
  expect(await bytesOf(told, { name: unknown, file: "" }, { name: row.name, file: "cur/x" })).toEqual([
    undefined,
    undefined,
  ]);
  expect(await told.files({ name: unknown, after: "" })).toEqual({ files: [], more: false });
  expect(await told.files({ name: row.name, after: "" })).toEqual({ files: [], more: false });
});

test("a source of limited rights is told of its users alone", async () => {
  const own = put(1);
  const others = put(2, { path: "u2/Maildir" as RawPath });
  const box = put(0, {
    ...{ name: `2026-11-29/${GUID}.mailbox`, base: "", cause: "delete" },
    ...{ path: "u2/Maildir/.Work" as RawPath, removedMs: 9 },
  });
  const told = toldOf((path) => path.startsWith("u1/"));
  expect(await uidsTold(told)).toEqual([1]);
  expect(await bytesOf(told, ...[own, others].map(({ name }) => ({ name, file: "" })))).toEqual(["abc", undefined]);
  expect(await told.files({ name: box.name, after: "" })).toEqual({ files: [], more: false });
  expect(await bytesOf(told, { name: box.name, file: "cur/1.h" })).toEqual([undefined]);
});

test("page by page, each row once, also where most of the limbo is not to be told", async () => {
  const count = 2 * LIMBO_PAGE_MAX + 7;
  for (let uid = 1; uid <= count; uid++)
    put(uid, { removedMs: 5, cause: uid > 10 && uid < count - 3 ? "foreign" : "expunge" });
  rows.sort((a, b) => (a.name < b.name ? -1 : 1));
  const meant = rows.filter(({ cause }) => cause === "expunge").map(({ uid }) => uid);
  expect(await uidsTold(toldOf())).toEqual(meant);
  rows = rows.map((row) => ({ ...row, cause: "expunge" }));
  expect(await uidsTold(toldOf())).toEqual(rows.map(({ uid }) => uid));
});

test("whether a file is still there is said", async () => {
  put(1);
  const gone = put(2);
  rmSync(join(dir, "limbo", gone.name));
  const { rows: told } = await toldOf().page(undefined, NEVER);
  expect(told.map(({ isThere }) => isThere)).toEqual([true, false]);
});
