/**
 * Commands that cannot work: each is refused with one sentence that names the thing, a hint, and an exit code of
 * sysexits(3), and nothing was changed anywhere.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runTwin, spawnTwin } from "./lab/mailtwin.js";
import { rawDifferences, treeState } from "./twin/raw-compare.js";
import {
  type Bench,
  eventsOf,
  expectRefusal,
  expectRefusedUntouched,
  filledBench,
  openBench,
  summaryOf,
} from "./twin/small-store.js";

/** What may stand at a path in the place of a directory, but for a directory. */
const NO_DIRECTORY: readonly (readonly [string, (path: string) => void])[] = [
  ["a file", (path) => writeFileSync(path, "mbox")],
  ["a link to a file", (path) => symlinkSync("/etc/passwd", path)],
  ["a FIFO", (path) => void execFileSync("mkfifo", [path])],
];

describe("a command line that cannot be meant", () => {
  test("is a usage error with a pointer to the help", async () => {
    for (const args of [["sync"], ["sync", "/a"], ["sync", "/a", "/b", "--no-such"], ["no-such-command"]]) {
      const run = await runTwin(args);
      expect(run.code, args.join(" ")).toBe(64);
      expect(run.stderr, args.join(" ")).toMatch(/^mailtwin: reading the command line: .*--help/s);
    }
    using bench = filledBench();
    expectRefusal(await bench.sync("--watch", "--dry-run"), "usage", 64, "--dry-run", "--watch");
    expectRefusal(await bench.sync("--foreign", "burn"), "usage", 64, /burn.*keep, limbo/);
  });

  test("without --json the words go to stderr, and nothing to stdout", async () => {
    using bench = openBench();
    const run = await runTwin(["sync", join(bench.dir, "absent"), bench.replica, "--state", bench.state]);
    expect(run).toMatchObject({ code: 66, strayOutput: [], events: [] });
    expect(run.stderr).toMatch(/^mailtwin: .*absent: there is no such directory\.\n.{10,}\n$/);
  });
});

/** A run with other directories than the bench's own. */
function syncTo(bench: Bench, source: string, replica: string, state = bench.state) {
  return runTwin(["sync", source, replica, "--json", "--state", state]);
}

describe("a source that is none", () => {
  test("nothing stands there", async () => {
    using bench = openBench();
    rmSync(bench.source, { recursive: true });
    expectRefusal(await bench.sync(), "source-missing", 66, `${bench.source}: there is no such directory`);
    expectRefusal(await bench.sync("--dry-run"), "source-missing", 66, bench.source);
    expect(readdirSync(bench.dir)).toEqual([]);
  });

  test.each(NO_DIRECTORY)("%s", async (_, make) => {
    using bench = openBench();
    rmSync(bench.source, { recursive: true });
    make(bench.source);
    expectRefusal(await bench.sync(), "source-missing", 66, `${bench.source}: it is not a directory`);
    expect(readdirSync(bench.dir)).toEqual(["source"]);
  });

  test("a link that leads nowhere, one that leads to itself, a name below a file", async () => {
    using bench = openBench();
    rmSync(bench.source, { recursive: true });
    symlinkSync("nowhere", bench.source);
    expectRefusal(await bench.sync(), "source-missing", 66, `${bench.source}: there is no such directory`);
    rmSync(bench.source);
    symlinkSync("source", bench.source);
    expectRefusal(await bench.sync(), "source-missing", 66, `${bench.source}: ELOOP`);
    const file = join(bench.dir, "file");
    writeFileSync(file, "");
    expectRefusal(await syncTo(bench, join(file, "u1"), bench.replica), "source-missing", 66, join(file, "u1"));
    expect(readdirSync(bench.dir).sort()).toEqual(["file", "source"]);
  });

  test("an empty one is twinned, with a word of doubt", async () => {
    using bench = openBench();
    const run = await bench.sync();
    expect([run.code, eventsOf(run, "warning")], JSON.stringify(run)).toMatchObject([
      0,
      [{ words: expect.stringContaining(`no mailbox was found in ${bench.source}`) }],
    ]);
  });
});

test("a source that is a link to a directory is that directory, under both names", async () => {
  using bench = filledBench();
  const alias = join(bench.dir, "alias");
  symlinkSync(bench.source, alias);
  const run = await syncTo(bench, alias, bench.replica);
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, messages: 9 });
});

describe("places that overlap", () => {
  test("one store inside the other, also by way of a link", async () => {
    using bench = filledBench();
    const before = treeState(bench.source);
    const alias = join(bench.dir, "alias");
    symlinkSync(bench.source, alias);
    const pairs = [
      [bench.source, join(bench.source, "copy")],
      [bench.source, join(bench.source, "u1/Maildir/.Copy")],
      [join(bench.source, "u1"), bench.source],
      [bench.source, join(alias, "copy")],
      [join(alias, "u1"), bench.source],
    ] as const;
    for (const [source, replica] of pairs)
      expectRefusal(await syncTo(bench, source, replica), "stores-overlap", 64, bench.source, /one lies inside/);
    expect(treeState(bench.source)).toEqual(before);
    expect(readdirSync(bench.dir).sort()).toEqual(["alias", "source"]);
  });

  test("one and the same, by whatever name", async () => {
    using bench = filledBench();
    const before = treeState(bench.source);
    const alias = join(bench.dir, "alias");
    symlinkSync(bench.source, alias);
    for (const other of [bench.source, `${bench.source}/`, join(bench.dir, "x/../source"), alias]) {
      expectRefusal(await syncTo(bench, bench.source, other), "stores-overlap", 64, bench.source, /the same directory/);
      expectRefusal(await syncTo(bench, other, bench.source), "stores-overlap", 64, bench.source, /the same directory/);
    }
    expect(treeState(bench.source)).toEqual(before);
    expect(readdirSync(bench.dir).sort()).toEqual(["alias", "source"]);
  });

  test("the state directory inside a store", async () => {
    using bench = filledBench();
    mkdirSync(bench.replica);
    for (const store of [bench.source, bench.replica]) {
      const state = join(store, "state");
      const run = () => syncTo(bench, bench.source, bench.replica, state);
      await expectRefusedUntouched(bench, run, "state-inside-store", 64, state);
    }
    expect(existsSync(bench.state)).toBe(false);
  });
});

describe("a destination that cannot be one", () => {
  test.each(NO_DIRECTORY)("%s", async (_, make) => {
    using bench = filledBench();
    make(bench.replica);
    const before = treeState(bench.dir);
    expectRefusal(await bench.sync(), "destination-unusable", 73, `${bench.replica}: it is not a directory`);
    expect(treeState(bench.dir)).toEqual(before);
  });

  test("a link that leads nowhere is not followed to make something there", async () => {
    using bench = filledBench();
    const nowhere = join(bench.dir, "nowhere");
    symlinkSync(nowhere, bench.replica);
    const before = treeState(bench.dir);
    expectRefusal(
      await bench.sync(),
      "destination-unusable",
      73,
      bench.replica,
      `link to ${nowhere}`,
      /does not exist/,
    );
    expect(treeState(bench.dir)).toEqual(before);
  });

  test("its parent is not there", async () => {
    using bench = filledBench();
    const lost = join(bench.dir, "no", "such", "parent");
    const before = treeState(bench.dir);
    const words = `${lost}: its parent directory does not exist`;
    expectRefusal(await syncTo(bench, bench.source, lost), "destination-unusable", 73, words);
    expect(treeState(bench.dir)).toEqual(before);
  });
});

describe("a state directory that cannot be one", () => {
  test.each(NO_DIRECTORY)("%s, or a name below it", async (_, make) => {
    using bench = filledBench();
    make(bench.state);
    const before = treeState(bench.dir);
    const real = realpathSync(bench.state);
    expectRefusal(await bench.sync(), "state-unusable", 73, `${real}: it is not a directory`);
    const below = join(bench.state, "x", "y");
    const run = await syncTo(bench, bench.source, bench.replica, below);
    expectRefusal(run, "state-unusable", 73, join(real, "x/y"), `${real} is not a directory`);
    expect(treeState(bench.dir)).toEqual(before);
  });

  test("one that another twin uses", async () => {
    using bench = filledBench();
    expect((await bench.sync()).code).toBe(0);
    await using first = spawnTwin(bench);
    await first.waitFor("live", ({ event }) => event === "live");
    await expectRefusedUntouched(bench, () => bench.sync(), "state-in-use", 75, bench.state);
    expect(await first.stop()).toEqual({ code: 0, signal: undefined });
  });
});
