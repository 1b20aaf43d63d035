/** A mailbox that somebody renamed on the destination: noticed also by a run with nothing else to do. */
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import {
  addMessage,
  type Bench,
  eventsOf,
  expectOneProblem,
  makeMailbox,
  openBench,
  summaryOf,
} from "../../live/twin/small-store.js";

const WORK = "u1/Maildir/.Work";
const OTHER = "u1/Maildir/.Other";

async function twinnedBench(): Promise<Bench> {
  const bench = openBench();
  makeMailbox(bench.source, "u1/Maildir", { messages: 2 });
  makeMailbox(bench.source, WORK, { messages: 3, seed: 10 });
  expect((await bench.sync()).code).toBe(0);
  return bench;
}

function inodes(bench: Bench, path: string): number[] {
  const dir = join(bench.replica, path, "cur");
  return readdirSync(dir)
    .map((name) => statSync(join(dir, name)).ino)
    .sort();
}

describe("a mailbox that was renamed on the destination", () => {
  test("gets its name back, with the files it had, and is told of", async () => {
    using bench = await twinnedBench();
    const before = inodes(bench, WORK);
    renameSync(join(bench.replica, WORK), join(bench.replica, OTHER));
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    const words = `${WORK} was renamed to ${OTHER} in DST, and gets its name back`;
    expect(eventsOf(run, "conflict")).toMatchObject([{ path: WORK, words }]);
    expect(summaryOf(run)).toMatchObject({ transactions: 1, bodiesBytes: 0, problems: 0 });
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
    expect(inodes(bench, WORK)).toStrictEqual(before);
    expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
  });

  test("before what came to it meanwhile", async () => {
    using bench = await twinnedBench();
    renameSync(join(bench.replica, WORK), join(bench.replica, OTHER));
    addMessage(join(bench.source, WORK), { seed: 40 });
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(summaryOf(run)).toMatchObject({ saves: 1, problems: 0 });
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  });

  test("also after its parent was renamed, and when the source renames it at the same time", async () => {
    using bench = await twinnedBench();
    renameSync(join(bench.replica, "u1"), join(bench.replica, "u9"));
    renameSync(join(bench.source, WORK), join(bench.source, "u1/Maildir/.Done"));
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(summaryOf(run)).toMatchObject({ bodiesBytes: 0, problems: 0 });
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  });

  test("a dry run says so and renames nothing", async () => {
    using bench = await twinnedBench();
    renameSync(join(bench.replica, WORK), join(bench.replica, OTHER));
    const run = await bench.sync("--dry-run");
    const words = `${WORK} was renamed to ${OTHER} in DST, and gets its name back`;
    expect(eventsOf(run, "plan").map((event) => event["words"])).toStrictEqual([words]);
    expect(readdirSync(join(bench.replica, "u1/Maildir"))).toContain(".Other");
  });

  test("a copy of it beside it is no rename", async () => {
    using bench = await twinnedBench();
    cpSync(join(bench.replica, WORK), join(bench.replica, "u1/Maildir/.Copy"), { recursive: true });
    const run = await bench.sync();
    expect(eventsOf(run, "conflict")).toStrictEqual([]);
    expect(summaryOf(run)).toMatchObject({ transactions: 0, problems: 0 });
  });

  test("another mailbox with mail in its place is not touched: a problem", async () => {
    using bench = await twinnedBench();
    renameSync(join(bench.replica, WORK), join(bench.replica, OTHER));
    makeMailbox(bench.replica, WORK, { messages: 1, seed: 90 });
    const run = await bench.sync();
    expect(run.code).toBe(1);
    expect(eventsOf(run, "problem")).toMatchObject([{ path: WORK, code: "mailbox-occupied" }]);
    expect(readdirSync(join(bench.replica, WORK, "cur"))).toHaveLength(1);
    expect(readdirSync(join(bench.replica, OTHER, "cur"))).toHaveLength(3);
  });
});

describe("while something was refused", () => {
  const BAD = "u1/Maildir/.Bad";

  /** Each run ends with one problem, and leaves a transaction in the log that was not applied. */
  async function refusingBench(): Promise<Bench> {
    const bench = openBench();
    for (const path of [WORK, BAD]) makeMailbox(bench.source, path, { messages: 3 });
    expect((await bench.sync()).code).toBe(0);
    appendFileSync(join(bench.replica, BAD, "dovecot-uidlist"), "no record\n");
    addMessage(join(bench.source, BAD), { seed: 60 });
    expectOneProblem(await bench.sync(), BAD, "uidlist-damaged");
    return bench;
  }

  test("a mailbox gets its name back all the same", async () => {
    using bench = await refusingBench();
    const before = inodes(bench, WORK);
    renameSync(join(bench.replica, WORK), join(bench.replica, OTHER));
    const run = await bench.sync();
    expectOneProblem(run, BAD, "uidlist-damaged");
    expect(eventsOf(run, "conflict")).toMatchObject([{ path: WORK }]);
    expect(summaryOf(run)).toMatchObject({ bodiesBytes: 0 });
    expect(inodes(bench, WORK)).toStrictEqual(before);
    expect(readdirSync(join(bench.replica, "u1/Maildir"))).not.toContain(".Other");
  });

  test("one that is gone is made anew", async () => {
    using bench = await refusingBench();
    rmSync(join(bench.replica, WORK), { recursive: true });
    const run = await bench.sync();
    expectOneProblem(run, BAD, "uidlist-damaged");
    expect(eventsOf(run, "conflict")).toMatchObject([{ path: WORK, words: expect.stringContaining("is gone in DST") }]);
    expect(readdirSync(join(bench.replica, WORK, "cur"))).toHaveLength(3);
    expectOneProblem(await bench.sync(), BAD, "uidlist-damaged");
  });

  test("one that cannot be read is not taken for gone", async () => {
    using bench = await refusingBench();
    writeFileSync(join(bench.replica, BAD, "dovecot-uidlist"), "nonsense\n");
    const run = await bench.sync();
    expect(eventsOf(run, "conflict")).toStrictEqual([]);
    expect(run.code).toBe(1);
  });

  test("nor is one that waits outside for its place", async () => {
    using bench = await refusingBench();
    const scratch = readdirSync(bench.dir).find((name) => !["source", "replica", "state"].includes(name)) ?? "";
    const uidlist = readFileSync(join(bench.replica, WORK, "dovecot-uidlist"), "latin1");
    const parked = join(bench.dir, scratch, "parked");
    mkdirSync(parked, { recursive: true });
    renameSync(join(bench.replica, WORK), join(parked, / G(\w+)/.exec(uidlist)?.[1] ?? ""));
    const run = await bench.sync();
    expect(eventsOf(run, "conflict")).toStrictEqual([]);
    expect(readdirSync(parked)).toStrictEqual([]);
    expect(readdirSync(join(bench.replica, WORK, "cur"))).toHaveLength(3);
  });
});

test("a mailbox of the destination that was made anew is compared as at first contact", async () => {
  using bench = await twinnedBench();
  const list = join(bench.replica, WORK, "dovecot-uidlist");
  writeFileSync(list, readFileSync(list, "latin1").replace(/ V\d+/, " V7"));
  const run = await bench.sync("--accept-uidvalidity");
  expect(run.code, JSON.stringify(run)).toBe(0);
  const words = expect.stringMatching(
    /^a mailbox of the destination cannot be read, or was made anew \(u1\/Maildir\/\.Work\): /,
  );
  expect(eventsOf(run, "conflict")).toMatchObject([{ words }]);
  expect(summaryOf(run)).toMatchObject({ bodiesBytes: 0, problems: 0 });
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
});

describe("a destination that was restored from an older copy", () => {
  test("gets what came since, however much that was", async () => {
    using bench = await twinnedBench();
    const backup = join(bench.dir, "backup");
    cpSync(bench.replica, backup, { recursive: true, preserveTimestamps: true });
    for (const seed of [50, 51]) addMessage(join(bench.source, WORK), { seed });
    expect((await bench.sync()).code).toBe(0);
    for (const part of ["cur", "dovecot-uidlist"]) {
      rmSync(join(bench.replica, WORK, part), { recursive: true });
      cpSync(join(backup, WORK, part), join(bench.replica, WORK, part), { recursive: true, preserveTimestamps: true });
    }
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    const words = /^a mailbox of the destination is older than what was written there, .* \(u1\/Maildir\/\.Work\): /;
    expect(eventsOf(run, "conflict")).toMatchObject([{ words: expect.stringMatching(words) }]);
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
    expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
  });

  test("is not told from the copy that it was made of when nothing came since", async () => {
    using bench = await twinnedBench();
    const copy = join(bench.dir, "copy");
    cpSync(bench.replica, copy, { recursive: true, preserveTimestamps: true });
    rmSync(bench.replica, { recursive: true });
    renameSync(copy, bench.replica);
    const run = await bench.sync();
    expect(eventsOf(run, "conflict")).toStrictEqual([]);
    expect(summaryOf(run)).toMatchObject({ transactions: 0, problems: 0 });
  });
});
