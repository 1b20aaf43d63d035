/**
 * One mailbox that cannot be replicated never stops the others: they flow, it is listed at the end with what to do, the
 * exit code is 1, and the source is as it was.
 */
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { storeLeaks } from "./lab/files.js";
import type { TwinRun } from "./lab/mailtwin.js";
import { rawDifferences, treeState } from "./twin/raw-compare.js";
import {
  addFile,
  addMessage,
  type Bench,
  eventsOf,
  expectOneProblem,
  makeMailbox,
  openBench,
} from "./twin/small-store.js";

const BAD = "u1/Maildir/.Bad";
const BAD_RECORDS: readonly (readonly [string, (lines: string[]) => void, number])[] = [
  ["garbage", (lines) => lines.splice(2, 0, "garbage"), 3],
  ["an empty line", (lines) => lines.splice(2, 0, ""), 3],
  ["UIDs out of order", (lines) => lines.reverse().unshift(lines.pop() ?? ""), 3],
  ["one UID for two files", (lines) => lines.push("3 :1700000000.M1P1.lab"), 5],
  ["a header without V", (lines) => lines.splice(0, 1, "3 N4 G00112233445566778899aabbccddeeff"), 1],
];

describe("a mailbox with a damaged uidlist", () => {
  test.each(BAD_RECORDS)("(%s) is left alone, the others flow", async (_, damage, line) => {
    using bench = benchWithBad();
    const uidlist = join(bench.source, BAD, "dovecot-uidlist");
    const good = readFileSync(uidlist, "latin1");
    const lines = good.trimEnd().split("\n");
    damage(lines);
    writeFileSync(uidlist, `${lines.join("\n")}\n`);
    const run = await expectOthersFlow(bench);
    expectOneProblem(run, BAD, "uidlist-damaged", ".Bad", new RegExp(`line ${line}\\b`));
    writeFileSync(uidlist, good);
    await expectAllFlow(bench);
  });

  test("damaged after it was twinned: the replica's copy stays as it is", async () => {
    using bench = benchWithBad();
    await expectAllFlow(bench);
    appendFileSync(join(bench.source, BAD, "dovecot-uidlist"), "no record\n");
    addFile(join(bench.source, BAD), { seed: 70 });
    makeMailbox(bench.source, "u3/Maildir", { messages: 2, seed: 30 });
    const before = [treeState(join(bench.source, BAD)), treeState(join(bench.replica, BAD))];
    expectOneProblem(await bench.sync(), BAD, "uidlist-damaged", /line 5/);
    expect([treeState(join(bench.source, BAD)), treeState(join(bench.replica, BAD))]).toEqual(before);
    expect(readdirSync(join(bench.replica, "u3/Maildir/cur"))).toHaveLength(2);
  });

  test("on the replica's side: nothing is repaired there behind Dovecot's back", async () => {
    using bench = benchWithBad();
    await expectAllFlow(bench);
    appendFileSync(join(bench.replica, BAD, "dovecot-uidlist"), "no record\n");
    addMessage(join(bench.source, BAD), { seed: 71 });
    makeMailbox(bench.source, "u3/Maildir", { messages: 2, seed: 30 });
    const before = treeState(join(bench.replica, BAD));
    expectOneProblem(await bench.sync(), BAD, "uidlist-damaged", /line 5/);
    expect(treeState(join(bench.replica, BAD))).toEqual(before);
    expect(readdirSync(join(bench.replica, "u3/Maildir/cur"))).toHaveLength(2);
  });
});

describe("names and links that cannot be mail", () => {
  test.each([
    ["CR", "1700000000.cr\rname"],
    ["LF", "1700000000.lf\nname"],
  ])(
    "a file with %s in its name: named, as Dovecot does not see it either; the rest of its mailbox flows",
    async (_, name) => {
      using bench = benchWithBad();
      writeFileSync(join(bench.source, BAD, "cur", `${name}:2,S`), "Subject: x\n\nx\n", { mode: 0o600 });
      const before = treeState(bench.source);
      const run = await bench.sync();
      expect(treeState(bench.source)).toEqual(before);
      expectOneProblem(run, BAD, "message-name-invalid", /1700000000/);
      expect(readdirSync(join(bench.replica, BAD, "cur"))).toHaveLength(3);
      expect(eventsOf(run, "problem").every(({ message }) => !/[\r\n]/.test(String(message)))).toBe(true);
      unlinkSync(join(bench.source, BAD, "cur", `${name}:2,S`));
      await expectAllFlow(bench);
    },
  );

  test("a link where a mailbox should be is named and not followed", async () => {
    using bench = benchWithBad();
    const elsewhere = join(bench.dir, "elsewhere");
    makeMailbox(bench.dir, "elsewhere", { messages: 2, seed: 90 });
    rmSync(join(bench.source, BAD), { recursive: true });
    symlinkSync(elsewhere, join(bench.source, BAD));
    const before = treeState(elsewhere);
    const run = await expectOthersFlow(bench);
    expectOneProblem(run, BAD, "mailbox-is-link", ".Bad", /link/);
    expect(treeState(elsewhere)).toEqual(before);
  });

  test("a link in the place of cur/, too", async () => {
    using bench = benchWithBad();
    const elsewhere = join(bench.dir, "elsewhere");
    mkdirSync(elsewhere);
    renameSync(join(bench.source, BAD, "cur"), join(elsewhere, "cur"));
    symlinkSync(join(elsewhere, "cur"), join(bench.source, BAD, "cur"));
    const run = await expectOthersFlow(bench);
    expectOneProblem(run, `${BAD}/cur`, "mailbox-is-link", ".Bad", /link/);
  });

  test("a link on the replica's side does not lead writing astray", async () => {
    using bench = benchWithBad();
    const elsewhere = join(bench.dir, "elsewhere");
    mkdirSync(elsewhere);
    mkdirSync(join(bench.replica, "u1/Maildir"), { recursive: true });
    symlinkSync(elsewhere, join(bench.replica, BAD));
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(1);
    expect(eventsOf(run, "problem").map(({ path }) => path)).toEqual([BAD]);
    expect(readdirSync(elsewhere)).toEqual([]);
    expect(readdirSync(join(bench.replica, "u2/Maildir/cur"))).toHaveLength(2);
  });

  test("a mailbox that was copied with its GUID", async () => {
    using bench = benchWithBad();
    cpSync(join(bench.source, "u2/Maildir"), join(bench.dir, "copy"), { recursive: true, preserveTimestamps: true });
    renameSync(join(bench.dir, "copy"), join(bench.source, "u2/Maildir/.Copy"));
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(1);
    const problems = eventsOf(run, "problem");
    expect(problems.map(({ code }) => code)).toContain("mailbox-guid-twice");
    expect(JSON.stringify(problems)).toContain("u2/Maildir/.Copy");
    expect(readdirSync(join(bench.replica, BAD, "cur"))).toHaveLength(3);
    expect(storeLeaks(bench.replica)).toEqual([]);
  });
});

describe.concurrent("a lock that a living process holds for ever", () => {
  test("on the replica: the mailbox is named with its holder, the others flow, and it goes on later", {
    timeout: 90_000,
  }, async ({ expect: its }) => {
    using bench = benchWithBad();
    await expectAllFlow(bench);
    addMessage(join(bench.source, BAD), { seed: 71 });
    makeMailbox(bench.source, "u3/Maildir", { messages: 2, seed: 30 });
    const lock = holdLock(join(bench.replica, BAD));
    const before = readdirSync(join(bench.replica, BAD, "cur"));
    const run = await bench.sync();
    its(run.code, JSON.stringify(run)).toBe(1);
    const problems = eventsOf(run, "problem");
    its(problems).toHaveLength(1);
    its(problems[0]).toMatchObject({ path: BAD });
    its(String(problems[0]?.["message"])).toMatch(new RegExp(`dovecot-uidlist\\.lock.*${process.pid}`));
    its(String(problems[0]?.["code"])).toBe("lock-held");
    its(readFileSync(lock, "latin1")).toBe(lockText());
    its(readdirSync(join(bench.replica, BAD, "cur"))).toEqual(before);
    its(readdirSync(join(bench.replica, BAD, "tmp"))).toEqual([]);
    its(readdirSync(join(bench.replica, "u3/Maildir/cur"))).toHaveLength(2);
    unlinkSync(lock);
    await expectAllFlow(bench);
  });

  test("on the source: mail that only a lock could number is named, the rest flows, and it goes on later", {
    timeout: 90_000,
  }, async ({ expect: its }) => {
    using bench = benchWithBad();
    await expectAllFlow(bench);
    addFile(join(bench.source, BAD), { seed: 72 });
    makeMailbox(bench.source, "u3/Maildir", { messages: 2, seed: 30 });
    const lock = holdLock(join(bench.source, BAD));
    const before = treeState(bench.source);
    const run = await bench.sync();
    its(run.code, JSON.stringify(run)).toBe(1);
    const problems = eventsOf(run, "problem");
    its(problems).toHaveLength(1);
    its(problems[0]).toMatchObject({ path: BAD, code: "lock-held" });
    its(String(problems[0]?.["message"])).toContain(String(process.pid));
    its(treeState(bench.source)).toEqual(before);
    its(readdirSync(join(bench.replica, "u3/Maildir/cur"))).toHaveLength(2);
    its(readdirSync(join(bench.replica, BAD, "cur"))).toHaveLength(3);
    unlinkSync(lock);
    await expectAllFlow(bench);
  });
});

/** Three mailboxes that are well, and one that a test will break. */
function benchWithBad(): Bench {
  const bench = openBench();
  makeMailbox(bench.source, "u1/Maildir", { messages: 4 });
  makeMailbox(bench.source, BAD, { messages: 3, seed: 10 });
  makeMailbox(bench.source, "u2/Maildir", { messages: 2, seed: 20 });
  return bench;
}

async function expectOthersFlow(bench: Bench): Promise<TwinRun> {
  const before = treeState(bench.source);
  const run = await bench.sync();
  expect(treeState(bench.source)).toEqual(before);
  expect(storeLeaks(bench.replica)).toEqual([]);
  const differing = new Set(rawDifferences(bench.source, bench.replica).map(({ words }) => words.split(": ")[0]));
  expect([...differing].filter((path) => path !== BAD)).toEqual([]);
  return run;
}

async function expectAllFlow(bench: Bench): Promise<void> {
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  expect(storeLeaks(bench.replica)).toEqual([]);
}

function lockText(): string {
  return `${process.pid}:${hostname()}`;
}

function holdLock(dir: string): string {
  const path = join(dir, "dovecot-uidlist.lock");
  writeFileSync(path, lockText());
  return path;
}
