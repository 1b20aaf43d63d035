/** What looks like a deletion at the source and is none that anybody meant: the replica keeps its mail. */
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { startTwin } from "../../live/lab/mailtwin.js";
import { rawDifferences, treeState } from "../../live/twin/raw-compare.js";
import {
  type Bench,
  expectOneProblem,
  expectRefusal,
  makeMailbox,
  openBench,
  summaryOf,
} from "../../live/twin/small-store.js";

let bench: Bench;

beforeEach(async () => {
  bench = openBench();
  makeMailbox(bench.source, "alice", { messages: 4 });
  makeMailbox(bench.source, "bob", { messages: 2, seed: 10 });
  expect((await bench.sync()).code).toBe(0);
  return () => bench[Symbol.dispose]();
});

test("a mailbox that is overwritten by a copy of another one stays until a person has said whose mail that is", async () => {
  const before = treeState(bench.replica);
  const alice = join(bench.source, "alice");
  rmSync(alice, { recursive: true });
  cpSync(join(bench.source, "bob"), alice, { recursive: true, preserveTimestamps: true });
  for (const _run of [1, 2]) {
    expectOneProblem(await bench.sync(), "alice", "mailbox-guid-twice", /alice.* bob /);
    expect(treeState(bench.replica)).toStrictEqual(before);
  }
  rmSync(alice, { recursive: true });
  makeMailbox(bench.source, "alice", { messages: 1, seed: 30 });
  expect((await bench.sync()).code).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
});

test("a mailbox that another user's claims to be goes with its user, and when it goes none of it is the other's", async () => {
  const [fake, arch] = ["alice/.Fake", "bob/.Arch"].map((path) => join(bench.source, path));
  if (fake === undefined || arch === undefined) throw new Error("unreachable");
  makeMailbox(bench.source, "alice/.Fake", { messages: 1, seed: 50 });
  makeMailbox(bench.source, "bob/.Arch", { messages: 3, seed: 60 });
  expect((await bench.sync()).code).toBe(0);
  const guidIn = (dir: string) => / G(\w+)/.exec(readFileSync(join(dir, "dovecot-uidlist"), "latin1"))?.[1] ?? "";
  const stolen = readFileSync(join(fake, "dovecot-uidlist"), "latin1").replace(guidIn(fake), guidIn(arch));
  writeFileSync(join(fake, "dovecot-uidlist"), stolen);
  renameSync(arch, `${arch}2`);
  expectOneProblem(await bench.sync(), "alice/.Fake", "mailbox-guid-twice", /bob\/\.Arch/);
  expect(treeState(join(bench.replica, "bob/.Arch2")).length).toBeGreaterThan(3);
  expect(treeState(join(bench.replica, "alice/.Fake")).length).toBeGreaterThan(1);
  rmSync(`${arch}2`, { recursive: true });
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(summaryOf(run)).toMatchObject({ mailboxesDeleted: 2, mailboxesMade: 1, mailboxesRenamed: 0, saves: 1 });
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
});

test("while it watches, others in place of all mailboxes stop the run, as they do before it begins", async () => {
  await using twin = await startTwin({ source: bench.source, replica: bench.replica, state: bench.state });
  const before = treeState(bench.replica);
  for (const user of ["alice", "bob"]) rmSync(join(bench.source, user), { recursive: true });
  for (const user of ["alice", "bob"]) makeMailbox(bench.source, user, { messages: 0, seed: 40 });
  const ended = await twin.exited;
  expectRefusal({ ...twin.output, ...ended }, "source-emptied", 66);
  expect(treeState(bench.replica)).toStrictEqual(before);
  expectRefusal(await bench.sync(), "source-emptied", 66);
});
