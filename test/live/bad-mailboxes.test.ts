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
import { runTwin, startTwin, type TwinRun } from "./lab/mailtwin.js";
import { until } from "./lab/until.js";
import { contentsOf } from "./twin/contents.js";
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

describe("a store without its uidlists", () => {
  test("(a copy without Dovecot's files) is not numbered: every mailbox is named, and nothing is written", async () => {
    using bench = benchWithBad();
    const boxes = ["u1/Maildir", BAD, "u2/Maildir"];
    for (const path of boxes)
      renameSync(join(bench.source, path, "dovecot-uidlist"), join(bench.dir, uidlistAside(path)));
    const before = treeState(bench.source);
    const run = await bench.sync();
    expect(treeState(bench.source)).toEqual(before);
    expect(run.code, JSON.stringify(run)).toBe(1);
    const told = eventsOf(run, "problem").map(({ path, code }) => `${String(path)}: ${String(code)}`);
    expect(told.sort()).toEqual(boxes.map((path) => `${path}: uidlist-missing`).sort());
    expect(run.events.at(-1)).toMatchObject({ event: "summary", problems: 3, messages: 0, numberedInSource: 0 });
    for (const path of boxes)
      renameSync(join(bench.dir, uidlistAside(path)), join(bench.source, path, "dovecot-uidlist"));
    await expectAllFlow(bench);
  });

  test("one of many that lost it is left alone, the others flow", async () => {
    using bench = benchWithBad();
    const uidlist = join(bench.source, BAD, "dovecot-uidlist");
    renameSync(uidlist, join(bench.dir, "uidlist"));
    const run = await expectOthersFlow(bench);
    expectOneProblem(run, BAD, "uidlist-missing", BAD, "there is mail in cur/");
    renameSync(join(bench.dir, "uidlist"), uidlist);
    await expectAllFlow(bench);
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
    const before = contentsOf(bench.source);
    expectOneProblem(await bench.sync(), BAD, "path-refused", BAD, /link/);
    expect(contentsOf(bench.source)).toEqual(before);
    expect(readdirSync(elsewhere)).toEqual([]);
    expect(readdirSync(join(bench.replica, "u2/Maildir/cur"))).toHaveLength(2);
  });

  test("a mailbox that was copied with its GUID", async () => {
    using bench = benchWithBad();
    cpSync(join(bench.source, "u2/Maildir"), join(bench.dir, "copy"), { recursive: true, preserveTimestamps: true });
    renameSync(join(bench.dir, "copy"), join(bench.source, "u2/Maildir/.Copy"));
    const before = contentsOf(bench.source);
    const run = await bench.sync();
    expect(contentsOf(bench.source)).toEqual(before);
    expectOneProblem(
      run,
      "u2/Maildir/.Copy",
      "mailbox-guid-twice",
      "u2/Maildir/.Copy",
      /its GUID is that of u2\/Maildir too/,
    );
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
    const source = contentsOf(bench.source);
    const words = new RegExp(`dovecot-uidlist\\.lock.*${process.pid}`);
    expectOneProblem(await bench.sync(), BAD, "lock-held", BAD, words);
    its(contentsOf(bench.source)).toEqual(source);
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
    expectOneProblem(await bench.sync(), BAD, "lock-held", BAD, new RegExp(`dovecot-uidlist\\.lock.*${process.pid}`));
    its(treeState(bench.source)).toEqual(before);
    its(readdirSync(join(bench.replica, "u3/Maildir/cur"))).toHaveLength(2);
    its(readdirSync(join(bench.replica, BAD, "cur"))).toHaveLength(3);
    unlinkSync(lock);
    await expectAllFlow(bench);
  });
});

describe("many mailboxes that are bad, each in its own way", () => {
  test("all others flow, all bad ones are listed at the end, and each that is mended flows", async () => {
    using bench = benchWithBad();
    const bad = badStore(bench.source);
    const before = contentsOf(bench.source);
    const run = await bench.sync();
    expect(contentsOf(bench.source)).toEqual(before);
    expect(run.code, JSON.stringify(run)).toBe(1);
    const told = run.events.slice(-bad.length - 1);
    const sorted = told.slice(0, -1).sort((a, b) => (String(a["path"]) < String(b["path"]) ? -1 : 1));
    expect(sorted).toMatchObject(bad.map(({ path, code }) => ({ event: "problem", path, code })));
    expect(told.at(-1)).toMatchObject({ event: "summary", problems: bad.length, messages: 9 + FLOWING_MESSAGES });
    expect(storeLeaks(bench.replica)).toEqual([]);
    const differing = rawDifferences(bench.source, bench.replica).map(({ words }) => words.split(": ")[0] ?? "");
    expect(differing.filter((path) => !bad.some((each) => each.path === path))).toEqual([]);
    for (const { mend } of bad) mend();
    await expectAllFlow(bench);
  });

  test("the words for people have them last, too, each with what to do", async () => {
    using bench = benchWithBad();
    const bad = badStore(bench.source);
    const run = await runTwin(["sync", bench.source, bench.replica, "--state", bench.state]);
    expect(run.code, JSON.stringify(run)).toBe(1);
    const lines = run.stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(bad.length);
    for (const { path } of bad) {
      const named = lines.filter((line) => line.includes(path));
      expect(named, path).toEqual([expect.stringMatching(/^problem: .+\. [A-Z].{20,}[.?]$/)]);
    }
    expect(run.strayOutput.at(-1)).toMatch(
      new RegExp(`^done, except for ${bad.length} problems: .*; changes may wait behind them: .* on standard error$`),
    );
  });
});

describe("a mailbox that becomes bad while a run is live", () => {
  test("is named when it stays so, the others flow, and it goes on by itself when it is mended", async () => {
    using bench = benchWithBad();
    await using twin = await startTwin(bench);
    const uidlist = join(bench.source, BAD, "dovecot-uidlist");
    const good = readFileSync(uidlist);
    appendFileSync(uidlist, "no record\n");
    addFile(join(bench.source, BAD), { seed: 81 });
    await twin.waitFor("the problem", ({ event, path }) => event === "problem" && path === BAD);
    addMessage(join(bench.source, "u2/Maildir"), { seed: 82 });
    await twin.waitFor("the others", ({ event, path }) => event === "shipped" && path === "u2/Maildir");
    expect(readdirSync(join(bench.replica, BAD, "cur"))).toHaveLength(3);
    writeFileSync(uidlist, good);
    const cur = join(bench.replica, BAD, "cur");
    await until("the mended mailbox to flow", () => readdirSync(cur).length === 4);
    expect(await twin.stop()).toEqual({ code: 0, signal: undefined });
    const problems = twin.output.events.filter(({ event }) => event === "problem");
    expect(problems).toMatchObject([{ path: BAD, code: "uidlist-damaged", message: expect.stringMatching(/line 5/) }]);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });

  test("is listed again at the end when it stayed so, and the exit code is 1", async () => {
    using bench = benchWithBad();
    await using twin = await startTwin(bench);
    appendFileSync(join(bench.source, BAD, "dovecot-uidlist"), "no record\n");
    await twin.waitFor("the problem", ({ event }) => event === "problem");
    expect(await twin.stop()).toEqual({ code: 1, signal: undefined });
    const told = twin.output.events.slice(-2);
    expect(told).toMatchObject([
      { event: "problem", path: BAD, code: "uidlist-damaged" },
      { event: "summary", problems: 1 },
    ]);
  });
});

interface BadMailbox {
  readonly path: string;
  readonly code: string;
  mend(): void;
}

/** What flows of the mailboxes of `badStore`. */
const FLOWING_MESSAGES = 4;

/** Mailboxes that are bad in a way of their own each, by path. */
function badStore(store: string): readonly BadMailbox[] {
  const make = (name: string, seed: number) => makeMailbox(store, `u4/Maildir/${name}`, { messages: 2, seed });
  const damaged = join(make(".Damaged", 400), "dovecot-uidlist");
  const good = readFileSync(damaged);
  appendFileSync(damaged, "no record\n");
  const half = make(".Half", 410);
  renameSync(join(half, "cur"), join(store, "../half-cur"));
  const linked = make(".Linked", 420);
  renameSync(linked, join(store, "../linked"));
  symlinkSync(join(store, "../linked"), linked);
  const odd = join(make(".Odd", 430), "cur/1700000000.dir:2,S");
  mkdirSync(odd);
  const unnamed = join(make(".Unnamed", 440), "cur/1700000000.lf\nname:2,S");
  writeFileSync(unnamed, "Subject: x\n\nx\n");
  const at = (name: string, code: string, mend: () => void) => ({ path: `u4/Maildir/${name}`, code, mend });
  return [
    at(".Damaged", "uidlist-damaged", () => writeFileSync(damaged, good)),
    at(".Half", "mailbox-without-cur", () => renameSync(join(store, "../half-cur"), join(half, "cur"))),
    at(".Linked", "mailbox-is-link", () => {
      rmSync(linked);
      renameSync(join(store, "../linked"), linked);
    }),
    at(".Odd", "message-not-a-file", () => rmSync(odd, { recursive: true })),
    at(".Unnamed", "message-name-invalid", () => rmSync(unnamed)),
  ];
}

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

function uidlistAside(path: string): string {
  return `uidlist-${path.replaceAll("/", "-")}`;
}

function lockText(): string {
  return `${process.pid}:${hostname()}`;
}

function holdLock(dir: string): string {
  const path = join(dir, "dovecot-uidlist.lock");
  writeFileSync(path, lockText());
  return path;
}
