/**
 * A state directory with something else in it than this program's own, undamaged databases of these two stores: refused by
 * name, untouched, and the way out that the hint names does work.
 */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "@photostructure/sqlite";
import { describe, expect, test } from "vitest";
import { runTwin } from "./lab/mailtwin.js";
import { rawDifferences, treeState } from "./twin/raw-compare.js";
import {
  addMessage,
  type Bench,
  expectRefusal,
  expectRefusedUntouched,
  makeMailbox,
  openBench,
  summaryOf,
} from "./twin/small-store.js";

const DATABASES = ["source.db", "replica.db"];
/** SOURCE: sqlite.org/fileformat.html, the length of the database header, and where it has the user version. */
const HEADER_BYTES = 100;
const VERSION_OFFSET = 60;
/** Of the messages that these tests add. */
const BODY_BYTES_MAX = 800;

describe.each(DATABASES)("the state database %s", (name) => {
  test.each([1, 100])("of a newer mailtwin, by %i", async (steps) => {
    using bench = await syncedBench();
    const path = join(bench.state, name);
    change(path, "");
    const version = versionOf(path);
    change(path, `PRAGMA user_version = ${version + steps}`);
    const words = `its version is ${version + steps}, this program knows up to ${version}`;
    await expectUntouched(bench, path, () => bench.sync(), "state-too-new", 78, words);
    await expectUntouched(bench, path, () => bench.sync("--dry-run"), "state-too-new", 78, words);
  });

  // One schema was released so far: an older one can only be feigned, and the empty file is the only true version 0.
  test.each([
    ["version 0", "PRAGMA user_version = 0", "its version is 0, which no mailtwin wrote"],
    ["a version below 0", "PRAGMA user_version = -7", "its version is -7, which no mailtwin wrote"],
    ["tables missing", "DROP TABLE chunk; DROP TABLE meta", "meta, chunk are missing"],
  ])("with our name and %s", async (_, sql, words) => {
    using bench = await syncedBench();
    const path = join(bench.state, name);
    change(path, sql);
    for (const args of [[], ["--watch"], ["--dry-run"]])
      await expectUntouched(bench, path, () => bench.sync(...args), "state-corrupt", 65, words);
    await expectFreshStart(bench);
  });

  test("of ours, without our name", async () => {
    using bench = await syncedBench();
    const path = join(bench.state, name);
    change(path, "PRAGMA application_id = 0; PRAGMA user_version = 0");
    await expectUntouched(bench, path, () => bench.sync(), "state-foreign", 78);
  });

  test("emptied: both are begun anew, and no body is sent again", async () => {
    using bench = await syncedBench();
    change(join(bench.state, name), "");
    writeFileSync(join(bench.state, name), "");
    await expectBegunAnew(bench);
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
    await expectFreshStart(bench);
  });

  test("alone is lost: the other one's word is not taken for the whole", async () => {
    using bench = await syncedBench();
    renameSync(join(bench.state, name), join(bench.dir, `lost-${name}`));
    for (const suffix of ["-wal", "-shm"]) {
      const file = `${name}${suffix}`;
      if (readdirSync(bench.state).includes(file)) renameSync(join(bench.state, file), join(bench.dir, `lost-${file}`));
    }
    addMessage(join(bench.source, "u1/Maildir"), { seed: 77, bytes: 600 });
    await expectBegunAnew(bench);
  });
});

describe("the state of other stores", () => {
  test.each([
    [DATABASES, "stores-differ"],
    [["source.db"], "stores-differ"],
    [["replica.db"], "state-mixed"],
  ] as const)("%j put in the place of one's own", async (names, code) => {
    using bench = await syncedBench();
    using other = await syncedBench("w");
    for (const name of names) replaceBy(other, bench, name);
    const place = code === "state-mixed" ? join(bench.state, "replica.db") : other.source;
    for (const args of [[], ["--watch"], ["--dry-run"]])
      await expectStateUntouched(bench, () => bench.sync(...args), code, 78, bench.state, place);
    await expectFreshStart(bench);
  });

  test("also with the operator's word that a store was moved: the mailboxes are not there", async () => {
    using bench = await syncedBench();
    using other = await syncedBench("w");
    for (const name of DATABASES) replaceBy(other, bench, name);
    const sync = () => bench.sync("--moved");
    await expectStateUntouched(bench, sync, "destination-emptied", 69, bench.replica);
    using third = await syncedBench("v");
    replaceBy(third, bench, "replica.db");
    await expectStateUntouched(bench, sync, "state-mixed", 78, join(bench.state, "replica.db"));
  });

  test("of another destination of the same source, whole and by half", async () => {
    using bench = await syncedBench();
    const second = { replica: join(bench.dir, "second"), state: join(bench.dir, "second-state") };
    const args = ["sync", bench.source, second.replica, "--json", "--state", second.state];
    expect((await runTwin(args)).code).toBe(0);
    replaceBy(second, bench, "replica.db");
    await expectStateUntouched(bench, () => bench.sync(), "state-mixed", 78, join(bench.state, "replica.db"));
    replaceBy(second, bench, "source.db");
    await expectStateUntouched(bench, () => bench.sync(), "stores-differ", 78, second.replica, bench.replica);
    await expectFreshStart(bench);
    expect((await runTwin(args)).code).toBe(0);
    expect(rawDifferences(bench.source, second.replica)).toEqual([]);
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

/** The bench after its first run. `prefix` makes its users others than those of another bench. */
async function syncedBench(prefix = "u"): Promise<Bench> {
  const bench = openBench();
  makeMailbox(bench.source, `${prefix}1/Maildir`, { messages: 5 });
  makeMailbox(bench.source, `${prefix}2/Maildir`, { messages: 2, seed: 20 });
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(readdirSync(bench.state)).toEqual(expect.arrayContaining(DATABASES));
  return bench;
}

async function expectUntouched(
  bench: Bench,
  path: string,
  sync: Bench["sync"],
  ...refusal: readonly [code: string, exitCode: number, ...words: readonly (string | RegExp)[]]
): Promise<void> {
  addMessage(join(bench.source, "u1/Maildir"), { seed: 77 });
  const [code, exitCode, ...words] = refusal;
  const before = [readFileSync(path).toString("hex"), ...treeState(bench.source), ...treeState(bench.replica)];
  expectRefusal(await sync(), code, exitCode, path, ...words);
  expect([readFileSync(path).toString("hex"), ...treeState(bench.source), ...treeState(bench.replica)]).toEqual(before);
}

/** Refused, and nothing was written: not to the stores, not to what the databases hold. */
async function expectStateUntouched(
  bench: Bench,
  sync: Bench["sync"],
  ...refusal: readonly [code: string, exitCode: number, ...words: readonly string[]]
): Promise<void> {
  addMessage(join(bench.source, "u1/Maildir"), { seed: 77 });
  const held = () => DATABASES.map((name) => heldIn(join(bench.state, name)));
  const before = held();
  await expectRefusedUntouched(bench, sync, ...refusal);
  expect(held()).toEqual(before);
}

/** With the state moved aside all of it is equal after one run, and only what the replica lacked was sent. */
async function expectFreshStart(bench: Bench): Promise<void> {
  for (const each of readdirSync(bench.state)) renameSync(join(bench.state, each), join(bench.dir, `aside-${each}`));
  await expectBegunAnew(bench);
}

async function expectBegunAnew(bench: Bench): Promise<void> {
  const lacking = rawDifferences(bench.source, bench.replica).filter(({ kind }) => kind === "message-missing");
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(summaryOf(run)).toMatchObject({ problems: 0 });
  expect(Number(summaryOf(run)["bodiesBytes"])).toBeLessThanOrEqual(lacking.length * BODY_BYTES_MAX);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
}

/** In the place of a database of `to`, the one of `from`, with all that was written to it. */
function replaceBy(from: Pick<Bench, "state">, to: Pick<Bench, "state">, name: string): void {
  const [source, target] = [join(from.state, name), join(to.state, name)];
  for (const suffix of ["-wal", "-shm"]) rmSync(target + suffix, { force: true });
  change(source, "");
  copyFileSync(source, target);
}

/** A sum over all rows of a database, wherever its files have them. */
function heldIn(path: string): string {
  const db = new DatabaseSync(path, { readOnly: true });
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
  const hash = createHash("sha256");
  for (const { name } of tables as { name: string }[])
    for (const row of db.prepare(`SELECT * FROM "${name}"`).all() as object[])
      hash.update(
        `${name} ${JSON.stringify(row, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))}\n`,
      );
  db.close();
  return hash.digest("hex");
}

/** Of a database whose write-ahead log is folded into it. */
function versionOf(path: string): number {
  return readFileSync(path).readInt32BE(VERSION_OFFSET);
}

/** Runs SQL on a database and folds its write-ahead log into the one file. */
function change(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(`${sql}; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE`);
  db.close();
  expect(existsSync(`${path}-wal`)).toBe(false);
}
