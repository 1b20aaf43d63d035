/**
 * A state directory with something else in it than this program's own, undamaged databases: refused by name, untouched,
 * and the way out that the hint names does work.
 */
import { closeSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { rawDifferences, treeState } from "./twin/raw-compare.js";
import { addMessage, type Bench, expectRefusal, makeMailbox, openBench, summaryOf } from "./twin/small-store.js";

const DATABASES = ["source.db", "replica.db"];
/** SOURCE: sqlite.org/fileformat.html, the database header. */
const USER_VERSION_AT = 60;
const APPLICATION_ID_AT = 68;

describe.each(DATABASES)("the state database %s", (name) => {
  test("of a newer mailtwin", async () => {
    using bench = await syncedBench();
    const path = join(bench.state, name);
    patch(path, USER_VERSION_AT, Buffer.from([0, 0, 0x7f, 0xff]));
    await expectUntouched(bench, path, () => bench.sync(), "state-too-new", 78, /version/);
  });

  test("of another program", async () => {
    using bench = await syncedBench();
    const path = join(bench.state, name);
    patch(path, APPLICATION_ID_AT, Buffer.from("ABCD"));
    await expectUntouched(bench, path, () => bench.sync(), "state-foreign", 78);
  });

  test("that is no database", async () => {
    using bench = await syncedBench();
    const path = join(bench.state, name);
    writeFileSync(path, "My shopping list:\n".repeat(1_000));
    await expectUntouched(bench, path, () => bench.sync(), "state-foreign", 78);
  });

  test("with damage inside: named, and moving all of it aside starts anew without sending bodies", async () => {
    using bench = await syncedBench();
    const path = join(bench.state, name);
    const size = readFileSync(path).length;
    patch(path, 100, Buffer.alloc(size - 100, 0xa5)); // all but the header.
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

function patch(path: string, at: number, bytes: Buffer): void {
  const fd = openSync(path, "r+");
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
}
