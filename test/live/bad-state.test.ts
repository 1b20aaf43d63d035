/**
 * A state directory with something else in it than this program's own, undamaged databases: refused by name, untouched,
 * and the way out that the hint names does work.
 */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "@photostructure/sqlite";
import { describe, expect, test } from "vitest";
import { rawDifferences, treeState } from "./twin/raw-compare.js";
import { addMessage, type Bench, expectRefusal, makeMailbox, openBench, summaryOf } from "./twin/small-store.js";

const DATABASES = ["source.db", "replica.db"];
/** SOURCE: sqlite.org/fileformat.html, the length of the database header. */
const HEADER_BYTES = 100;

describe.each(DATABASES)("the state database %s", (name) => {
  test("of a newer mailtwin", async () => {
    using bench = await syncedBench();
    const path = join(bench.state, name);
    change(path, "PRAGMA user_version = 32767");
    await expectUntouched(bench, path, () => bench.sync(), "state-too-new", 78, /version/);
  });

  test("of another program", async () => {
    using bench = await syncedBench();
    const path = join(bench.state, name);
    change(path, "PRAGMA application_id = 1094861636");
    await expectUntouched(bench, path, () => bench.sync(), "state-foreign", 78);
  });

  test("that is no database", async () => {
    using bench = await syncedBench();
    const path = join(bench.state, name);
    change(path, "");
    writeFileSync(path, "My shopping list:\n".repeat(1_000));
    await expectUntouched(bench, path, () => bench.sync(), "state-foreign", 78);
  });

  test("with damage inside: named, and moving all of it aside starts anew without sending bodies", async () => {
    using bench = await syncedBench();
    const path = join(bench.state, name);
    change(path, "");
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xa5, HEADER_BYTES));
    const run = await bench.sync();
    expectRefusal(run, "state-corrupt", 65, path);
    for (const each of readdirSync(bench.state)) renameSync(join(bench.state, each), join(bench.dir, `aside-${each}`));
    const again = await bench.sync();
    expect(again.code, JSON.stringify(again)).toBe(0);
    expect(summaryOf(again)).toMatchObject({ bodiesBytes: 0, problems: 0 });
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });

  test("alone is lost: the other one's word is not taken for the whole", async () => {
    using bench = await syncedBench();
    renameSync(join(bench.state, name), join(bench.dir, `lost-${name}`));
    for (const suffix of ["-wal", "-shm"]) {
      const file = `${name}${suffix}`;
      if (readdirSync(bench.state).includes(file)) renameSync(join(bench.state, file), join(bench.dir, `lost-${file}`));
    }
    addMessage(join(bench.source, "u1/Maildir"), { seed: 77 });
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(Number(summaryOf(run)["bodiesBytes"])).toBeLessThan(1_500);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });
});

test("an empty file in the place of a state database is taken for a new one", async () => {
  using bench = openBench();
  makeMailbox(bench.source, "u1/Maildir", { messages: 3 });
  expect((await bench.sync()).code).toBe(0);
  for (const each of readdirSync(bench.state)) renameSync(join(bench.state, each), join(bench.dir, `aside-${each}`));
  writeFileSync(join(bench.state, "source.db"), "");
  writeFileSync(join(bench.state, "replica.db"), "");
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
});

async function syncedBench(): Promise<Bench> {
  const bench = openBench();
  makeMailbox(bench.source, "u1/Maildir", { messages: 5 });
  makeMailbox(bench.source, "u2/Maildir", { messages: 2, seed: 20 });
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(readdirSync(bench.state)).toEqual(expect.arrayContaining(DATABASES));
  return bench;
}

async function expectUntouched(
  bench: Bench,
  path: string,
  sync: Bench["sync"],
  ...refusal: readonly [code: string, exitCode: number, ...words: readonly RegExp[]]
): Promise<void> {
  addMessage(join(bench.source, "u1/Maildir"), { seed: 77 });
  const [code, exitCode, ...words] = refusal;
  const before = [readFileSync(path).toString("hex"), ...treeState(bench.source), ...treeState(bench.replica)];
  expectRefusal(await sync(), code, exitCode, path, ...words);
  expect([readFileSync(path).toString("hex"), ...treeState(bench.source), ...treeState(bench.replica)]).toEqual(before);
}

/** Runs SQL on a database and folds its write-ahead log into the one file. */
function change(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(`${sql}; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE`);
  db.close();
  expect(existsSync(`${path}-wal`)).toBe(false);
}
