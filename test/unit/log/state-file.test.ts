/** Which files are opened as the state database, and what is said about the others. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "@photostructure/sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MailtwinError } from "../../../src/base/errors.js";
import { openDb } from "../../../src/log/db.js";
import { keepLogWithin } from "../../../src/log/keep-log-within.js";
import { MIGRATIONS, migrate, tablesOf } from "../../../src/log/migrations.js";
import { APPLICATION_ID, openStateForReading, openStateForWriting } from "../../../src/log/state-file.js";
import { openStateReader } from "../../../src/log/state-reader.js";
import { openStateWriter } from "../../../src/log/state-writer.js";
import { entries, type TempDir, tempDir } from "./state-fixtures.js";

let dir: TempDir;
let path: string;

beforeEach(() => {
  dir = tempDir();
  path = join(dir.path, "state.db");
});

afterEach(() => {
  dir[Symbol.dispose]();
});

/** The code and message of what opening throws. */
function refusalOf(open: () => Disposable): { readonly code: string; readonly message: string } {
  try {
    open()[Symbol.dispose]();
  } catch (error) {
    if (error instanceof MailtwinError) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: "opened", message: "" };
}

const write = (create = true) => openStateForWriting(path, { create });
const read = () => openStateForReading(path);

function sql(text: string): void {
  const db = new DatabaseSync(path);
  db.exec(text);
  db.close();
}

describe("openStateForWriting", () => {
  test("makes a database that is durable by its settings and known by its id", () => {
    using db = write();
    const value = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    expect(["application_id", "user_version", "journal_mode", "synchronous"].map(value)).toStrictEqual([
      APPLICATION_ID,
      MIGRATIONS.length,
      "wal",
      2,
    ]);
  });

  test("keeps the log id when it opens again", () => {
    const logId = () => {
      using db = write();
      return db.prepare("SELECT value FROM meta WHERE key = 'log-id'").get()?.["value"];
    };
    const first = logId();
    expect(logId()).toBe(first);
  });

  test("takes an empty file, which a crash may leave, for a new one", () => {
    writeFileSync(path, "");
    using db = write();
    expect(db.prepare("SELECT count(*) AS count FROM mailbox").get()).toEqual({ count: 0 });
  });

  test("makes no file unless asked to", () => {
    expect(refusalOf(() => write(false))).toMatchObject({ code: "state-unreachable" });
    expect(refusalOf(read)).toMatchObject({ code: "state-unreachable" });
  });

  test("says so when the directory is not there", () => {
    path = join(dir.path, "none/state.db");
    const { code, message } = refusalOf(write);
    expect(code).toBe("state-unreachable");
    expect(message).toContain(path);
  });

  test("handles a path with characters that mean something in URIs", () => {
    path = join(dir.path, "a b?c#d%41.db");
    write()[Symbol.dispose]();
    expect(readFileSync(path).toString("latin1", 0, 15)).toBe("SQLite format 3");
  });
});

describe("a file that is not ours", () => {
  test.each([write, read])("is refused when it is no database (%#)", (open) => {
    writeFileSync(path, "no database at all. ".repeat(100));
    expect(refusalOf(open)).toMatchObject({ code: "state-foreign", message: expect.stringContaining(path) });
    expect(readFileSync(path, "utf8")).toBe("no database at all. ".repeat(100));
  });

  test.each([
    "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)",
    "CREATE TABLE theirs (a); PRAGMA application_id = 77; PRAGMA user_version = 1",
    "PRAGMA application_id = 77",
    "PRAGMA user_version = 3",
  ])("is refused when it is another program's database: %s", (text) => {
    sql(text);
    const before = readFileSync(path);
    expect(refusalOf(write).code).toBe("state-foreign");
    expect(refusalOf(read).code).toBe("state-foreign");
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("is refused when a newer version wrote it", () => {
    write()[Symbol.dispose]();
    sql(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    expect(refusalOf(write)).toMatchObject({ code: "state-too-new", message: expect.stringContaining(path) });
    expect(refusalOf(read).code).toBe("state-too-new");
  });
});

describe("a damaged database", () => {
  test("is reported as such, not as foreign", () => {
    write()[Symbol.dispose]();
    sql("PRAGMA wal_checkpoint(TRUNCATE)");
    const bytes = readFileSync(path);
    bytes.fill(0xee, 100, 4096); // the schema's page, behind the header.
    writeFileSync(path, bytes);
    expect(refusalOf(write).code).toBe("state-corrupt");
    expect(refusalOf(read).code).toBe("state-corrupt");
  });
});

describe("openStateWriter", () => {
  test("rejects with the code that opening had in the worker", async () => {
    writeFileSync(path, "x".repeat(5000));
    await expect(openStateWriter(path, { create: true })).rejects.toMatchObject({
      code: "state-foreign",
      disposition: "operator",
      exitCode: 78,
    });
  });
});

describe("migrate", () => {
  const STEPS = ["CREATE TABLE one (a) ", "ALTER TABLE one ADD COLUMN b", "UPDATE one SET b = a + 1"];

  test("does the missing steps only, in order", () => {
    using db = openDb(path, "create");
    migrate(db, 0, STEPS.slice(0, 1));
    db.exec("INSERT INTO one VALUES (5)");
    migrate(db, 1, STEPS);
    expect(db.prepare("SELECT a, b FROM one").all()).toEqual([{ a: 5, b: 6 }]);
    expect(db.prepare("PRAGMA user_version").get()).toEqual({ user_version: 3 });
  });

  test("an old database is refused to a reader, and upgraded by a writer", () => {
    openDb(path, "create")[Symbol.dispose]();
    expect(refusalOf(read)).toMatchObject({ code: "state-too-old", message: expect.stringMatching(/version is 0$/) });
    write()[Symbol.dispose]();
    expect(refusalOf(read).code).toBe("opened");
  });

  test("knows the tables of each version", () => {
    const steps = ["CREATE TABLE one (a); CREATE TABLE two (a)", "DROP TABLE one; CREATE TABLE three (a)"];
    expect([0, 1, 2].map((version) => tablesOf(version, steps))).toEqual([[], ["one", "two"], ["two", "three"]]);
    write()[Symbol.dispose]();
    using db = openDb(path, "read");
    const names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    expect(names.map((row) => row["name"])).toEqual(expect.arrayContaining([...tablesOf(MIGRATIONS.length)]));
    expect(tablesOf(MIGRATIONS.length)).toContain("meta");
  });
});

describe("a database of version 1", () => {
  const guid = "0".repeat(32);

  /** As it was made then, with entries of these sizes, of which those up to `trimmed` are gone. */
  function makeOld(sizes: readonly number[], trimmed: number): void {
    using db = openDb(path, "create");
    db.exec("PRAGMA journal_mode = WAL");
    migrate(db, 0, MIGRATIONS.slice(0, 1));
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    const insert = db.prepare("INSERT INTO entry (mailbox, captured_ms, bytes) VALUES (?, ?, ?)");
    for (const [i, size] of sizes.entries()) insert.run(guid, 100 + i, new Uint8Array(size).fill(i));
    db.prepare("DELETE FROM entry WHERE lsn <= ?").run(trimmed);
    db.exec("INSERT INTO cursor VALUES ('twin', 2)");
  }

  test("is upgraded with its log, the sums of it, and its cursors", async () => {
    makeOld([3, 0, 5000, 40], 1);
    expect(refusalOf(read).code).toBe("state-too-old");
    await using writer = await openStateWriter(path, { create: false });
    using reader = openStateReader(path);
    expect(reader.entriesAfter(0, 1_000_000)).toEqual(
      [
        [2, 0],
        [3, 5000],
        [4, 40],
      ].map(([lsn = 0, size = 0]) => ({
        ...{ lsn, mailbox: guid, capturedMs: 99 + lsn, bytes: new Uint8Array(size).fill(lsn - 1) },
      })),
    );
    expect([1, 2, 3, 4].map((lsn) => reader.logBytes(lsn))).toEqual([5040 + 3 * 64, 5040 + 2 * 64, 40 + 64, 0]);
    expect(reader.replicas()).toEqual([{ replica: "twin", lsn: 2 }]);
    expect(await writer.appendCaptured(entries(1, new Uint8Array(7)))).toEqual([5]);
    expect(reader.logBytes(3)).toBe(47 + 2 * 64);
    await writer.trim({ upTo: 5, needsResync: [], nowMs: 1 });
    expect([reader.firstLsn(), reader.logBytes()]).toEqual([3, 5047 + 3 * 64]);
  });

  test.each([
    [[], 0, 1],
    [[5, 6], 2, 3],
  ])("whose log is empty counts on (%j, trimmed up to %i)", async (sizes, trimmed, next) => {
    makeOld(sizes, trimmed);
    await using writer = await openStateWriter(path, { create: false });
    expect(await writer.appendCaptured(entries(1))).toEqual([next]);
  });
});

describe("the file of the database", () => {
  const PAGES_BYTES = 4096;

  test("shrinks when the log is trimmed, but for some room for what comes next", async () => {
    await using writer = await openStateWriter(path, { create: true });
    for (let i = 0; i < 40; i++) await writer.appendCaptured(entries(10, new Uint8Array(100_000)));
    const pages = () => {
      using db = read();
      return Number(Object.values(db.prepare("PRAGMA page_count").get() ?? {})[0]);
    };
    expect(pages() * PAGES_BYTES).toBeGreaterThan(40_000_000);
    await writer.trim({ upTo: 400, needsResync: [], nowMs: 1 });
    expect(pages() * PAGES_BYTES).toBeLessThan(9_000_000);
  });

  test("does not grow while as much is trimmed as comes", async () => {
    await using writer = await openStateWriter(path, { create: true });
    using reader = openStateReader(path);
    const limits = { maxBytes: 64_000_000, maxAgeMs: 1_000_000, recentEntries: 1300 };
    let most = 0;
    for (let i = 0; i < 60; i++) {
      await writer.appendCaptured(entries(100, new Uint8Array(3000)));
      await keepLogWithin({ reader, writer }, { limits, nowMs: 5 });
      most = Math.max(most, statSync(path).size);
    }
    expect(reader.lastLsn()).toBe(6000);
    expect(most).toBeLessThan(16_000_000); // of some 25 MB that came.
  });
});

describe("a database with our name that no mailtwin wrote", () => {
  test.each([
    ["PRAGMA user_version = 0", /its version is 0, which no mailtwin wrote/],
    ["PRAGMA user_version = -1", /its version is -1, which no mailtwin wrote/],
    ["DROP TABLE meta; DROP TABLE limbo", /meta, limbo are missing/],
    ["DROP TABLE entry", /entry is missing/],
  ])("(%s) is refused and stays as it is", (change, words) => {
    write()[Symbol.dispose]();
    sql(change);
    const standing = () => {
      using db = openDb(path, "read");
      return [db.prepare("PRAGMA user_version").get(), db.prepare("SELECT name, sql FROM sqlite_schema").all()];
    };
    const before = standing();
    for (const open of [read, write])
      expect(refusalOf(open)).toMatchObject({ code: "state-corrupt", message: expect.stringMatching(words) });
    expect(standing()).toEqual(before);
  });
});
