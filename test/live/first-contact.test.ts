/**
 * The first meeting with a destination that is not empty: what the source has too is adopted, what only the destination
 * has is never mixed in or moved away without being asked.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { storeLeaks } from "./lab/files.js";
import { runTwin, type TwinRun } from "./lab/mailtwin.js";
import { rawDifferences, treeState } from "./twin/raw-compare.js";
import { storedBody } from "./twin/raw-mail.js";
import { addFile, type Bench, eventsOf, expectRefusal, makeMailbox, openBench, summaryOf } from "./twin/small-store.js";

const INBOX = "u1/Maildir";
const WORK = "u1/Maildir/.Work";

function filledBench(): Bench {
  const bench = openBench();
  makeMailbox(bench.source, INBOX, { messages: 5 });
  makeMailbox(bench.source, WORK, { messages: 3, seed: 10 });
  return bench;
}

describe("first contact with a destination that has mail", () => {
  test("of its own in the same mailbox: refused, and nothing was changed", async () => {
    using bench = filledBench();
    makeMailbox(bench.replica, INBOX, { messages: 4, seed: 100 });
    const before = [treeState(bench.source), treeState(bench.replica)];
    const run = await bench.sync();
    expectRefusal(run, "destination-has-mail", 73, /holds 4 messages/, "u1/Maildir", /source does not have/);
    expect(String(eventsOf(run, "error")[0]?.["hint"])).toMatch(/--foreign keep.*--foreign limbo/s);
    expect([treeState(bench.source), treeState(bench.replica)]).toEqual(before);
    expectRefusal(await bench.sync(), "destination-has-mail", 73); // still the first contact.
  });

  test("in a mailbox that the source does not have: refused too", async () => {
    using bench = filledBench();
    makeMailbox(bench.replica, "u9/Maildir", { messages: 1, seed: 100 });
    const before = treeState(bench.replica);
    expectRefusal(await bench.sync(), "destination-has-mail", 73, "u9/Maildir");
    expect(treeState(bench.replica)).toEqual(before);
  });

  test("--foreign keep: it stays beside the source's mail, as new mail", async () => {
    using bench = filledBench();
    const foreign = makeMailbox(bench.replica, INBOX, { messages: 4, seed: 100 });
    makeMailbox(bench.replica, "u9/Maildir", { messages: 2, seed: 200 });
    const names = readdirSync(join(foreign, "cur")).map((name) => name.split(":")[0] ?? "");
    const run = await bench.sync("--foreign", "keep");
    expect(run, JSON.stringify(run)).toMatchObject({ code: 0 });
    const after = readdirSync(join(bench.replica, INBOX, "cur")).map((name) => name.split(":")[0] ?? "");
    expect(after).toHaveLength(9);
    expect(after).toEqual(expect.arrayContaining(names));
    expect(readdirSync(join(bench.replica, "u9/Maildir/cur"))).toHaveLength(2);
    const kinds = rawDifferences(bench.source, bench.replica).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind !== "next-uid").sort()).toEqual([
      "mailbox-extra",
      ...Array(4).fill("message-extra"),
    ]);
    expect(storeLeaks(bench.replica)).toEqual([]);
    expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
  });

  test("--foreign limbo: it is set aside, not removed, with a mailbox that only it has", async () => {
    using bench = filledBench();
    makeMailbox(bench.replica, INBOX, { messages: 4, seed: 100 });
    makeMailbox(bench.replica, "u9/Maildir", { messages: 1, seed: 200 });
    const run = await bench.sync("--foreign", "limbo");
    expect(run, JSON.stringify(run)).toMatchObject({ code: 0 });
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
    expect(storeLeaks(bench.replica)).toEqual([]);
    expect(limboFiles(bench).filter((path) => !path.endsWith("/dovecot-uidlist"))).toHaveLength(5);
    expect(summaryOf(run)).toMatchObject({ saves: 8, adopted: 0, toLimbo: 5 });
  });

  test("a copy by other means (cp -a): adopted without sending a body", async () => {
    using bench = filledBench();
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    const before = treeState(bench.replica).filter((line) => /\/(cur|new)\/[^/]+ /.test(line));
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(summaryOf(run)).toMatchObject({ saves: 0, adopted: 8, mailboxesMade: 0, mailboxesFound: 2, toLimbo: 0 });
    expect(summaryOf(run)).toMatchObject({ bodiesBytes: 0 });
    expect(treeState(bench.replica).filter((line) => /\/(cur|new)\/[^/]+ /.test(line))).toEqual(before);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });

  test("a copy that nobody has numbered yet: the source's UIDs win", async () => {
    using bench = filledBench();
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    rmSync(join(bench.replica, INBOX, "dovecot-uidlist"));
    await expectAdopted(bench);
  });

  test("a copy that its own Dovecot has numbered: the source's UIDs win", async () => {
    using bench = filledBench();
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    const own = join(bench.replica, WORK, "dovecot-uidlist");
    const [, ...records] = readFileSync(own, "latin1").trimEnd().split("\n");
    const renumbered = records.reverse().map((line, i) => `${i + 7} ${line.slice(line.indexOf(":"))}\n`);
    writeFileSync(own, `3 V1700000000 N10 G00112233445566778899aabbccddeeff\n${renumbered.join("")}`);
    await expectAdopted(bench);
  });

  test("a copy of the same GUID under another UIDVALIDITY: the source's wins", async () => {
    using bench = filledBench();
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    const own = join(bench.replica, INBOX, "dovecot-uidlist");
    const before = readFileSync(own, "latin1");
    writeFileSync(own, before.replace(/V\d+/, "V1234567890"));
    const run = await expectAdopted(bench);
    const after = Number(/V(\d+)/.exec(before)?.[1]);
    expect(eventsOf(run, "mailbox-renumbered")).toEqual([
      { event: "mailbox-renumbered", path: INBOX, before: 1_234_567_890, after, messages: 5 },
    ]);
    expect(eventsOf(await bench.sync(), "mailbox-renumbered")).toEqual([]);
  });

  test("the same, told to people: whose clients fetch what anew", async () => {
    using bench = filledBench();
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    const own = join(bench.replica, WORK, "dovecot-uidlist");
    writeFileSync(own, readFileSync(own, "latin1").replace(/V\d+/, "V7"));
    const run = await runTwin(["sync", bench.source, bench.replica, "--state", bench.state]);
    expect(run.code, run.stderr).toBe(0);
    expect([...run.strayOutput, run.stderr].join("\n")).toMatch(
      /renumbered: mailbox u1\/Maildir\/\.Work of the replica has UIDVALIDITY \d+ now, as at the source, and had 7: clients of the replica take it for another mailbox, and fetch its 3 messages anew/,
    );
  });

  test("a copy that is only nearly one: a file with other bytes is no body, and is kept in the limbo", async () => {
    using bench = filledBench();
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    const dir = join(bench.replica, INBOX);
    rmSync(join(dir, "dovecot-uidlist"));
    const [rotten = "", cut = ""] = readdirSync(join(dir, "cur"));
    const bytes = readFileSync(join(dir, "cur", rotten), "latin1");
    const other = bytes.replace(/.\n?$/, (end) => (end.startsWith("x") ? "y" : "x") + end.slice(1));
    writeFileSync(join(dir, "cur", rotten), other, "latin1");
    writeFileSync(join(dir, "cur", cut), bytes.slice(0, 20), "latin1");
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
    expect(summaryOf(run)).toMatchObject({
      bodiesBytes: bytes.length + readFileSync(join(bench.source, INBOX, "cur", cut)).length,
    });
    expect(limboFiles(bench).map((path) => readFileSync(path, "latin1"))).toEqual(
      expect.arrayContaining([other, bytes.slice(0, 20)]),
    );
  });

  test("files that nobody has numbered count as mail that only it has", async () => {
    using bench = filledBench();
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    addFile(join(bench.replica, WORK), { seed: 300 });
    const bare = makeMailbox(bench.replica, "u1/Maildir/.Bare", { messages: 2, seed: 400 });
    rmSync(join(bare, "dovecot-uidlist"));
    const before = treeState(bench.replica);
    const words = [/holds 3 messages/, "u1/Maildir/.Work (1)", "u1/Maildir/.Bare (2)"];
    expectRefusal(await bench.sync(), "destination-has-mail", 73, ...words);
    expect(treeState(bench.replica)).toEqual(before);
    expect((await bench.sync("--foreign", "limbo")).code).toBe(0);
    expect(rawDifferences(bench.source, bench.replica).map(({ kind }) => kind)).toEqual(["mailbox-extra"]); // it is empty.
    expect(readdirSync(join(bare, "cur"))).toEqual([]);
    expect(limboFiles(bench)).toHaveLength(3);
  });

  test("a mailbox that the source cannot show is named beside the refusal of what DST has of it", async () => {
    using bench = filledBench();
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    rmSync(join(bench.source, WORK, "dovecot-uidlist"));
    const before = [treeState(bench.source), treeState(bench.replica)];
    const run = await bench.sync();
    expectRefusal(run, "destination-has-mail", 73, /holds 3 messages/, WORK);
    expect(eventsOf(run, "problem")).toMatchObject([{ path: WORK, code: "uidlist-missing" }]);
    expect([treeState(bench.source), treeState(bench.replica)]).toEqual(before);
  });

  test("--foreign keep: mail of a mailbox that nobody has numbered is kept, above the source's UIDs", async () => {
    using bench = filledBench();
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    const dir = join(bench.replica, WORK);
    const base = addFile(dir, { seed: 300 });
    rmSync(join(dir, "dovecot-uidlist"));
    const run = await bench.sync("--foreign", "keep");
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(summaryOf(run)).toMatchObject({ bodiesBytes: 0 });
    expect(readFileSync(join(dir, "dovecot-uidlist"), "latin1")).toMatch(new RegExp(`\n4 :${base}\n$`));
    expect(readdirSync(join(bench.dir, ".replica.mailtwin/aside"))).toEqual([]);
    expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
  });

  test.each([
    ["apply.locked", "a copy may be on its way to the limbo"],
    ["apply.unlocked", "a copy is in the limbo, and nobody knows it yet"],
    ["apply.unlocked:2", "one mailbox has given way, the other one not yet"],
    ["apply.staged", "both have given way"],
    ["apply.body-renamed", "the first mailbox is being made"],
    ["apply.effect-recorded", "the first mailbox is there"],
  ])("killed at %s, when %s: the next run makes it equal, and nothing is lost", async (point) => {
    using bench = filledBench();
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    for (const path of [INBOX, WORK]) rmSync(join(bench.replica, path, "dovecot-uidlist"));
    addFile(join(bench.replica, WORK), { seed: 300 });
    const args = ["sync", bench.source, bench.replica, "--json", "--state", bench.state, "--foreign", "limbo"];
    const killed = await runTwin(args, { env: { MAILTWIN_CRASH_AT: point } });
    expect(killed).toMatchObject({ signal: "SIGKILL", stderr: `killed at crash point ${point.split(":")[0]}\n` });
    const run = await bench.sync("--foreign", "limbo");
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
    expect(storeLeaks(bench.replica)).toEqual([]);
    expect(
      limboFiles(bench).some((path) => readFileSync(path, "latin1") === storedBody(300, 600).toString("latin1")),
    ).toBe(true);
    expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
  });

  test("an empty destination directory is as good as none", async () => {
    using bench = filledBench();
    mkdirSync(bench.replica);
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
    expect(existsSync(join(bench.replica, WORK, "maildirfolder"))).toBe(true);
  });
});

function limboFiles(bench: Bench): string[] {
  const entries = readdirSync(join(bench.dir, ".replica.mailtwin"), { recursive: true, withFileTypes: true });
  const isThere = (path: string) => path.includes("/limbo/");
  return entries.flatMap((it) => (it.isFile() && isThere(it.parentPath) ? [join(it.parentPath, it.name)] : []));
}

async function expectAdopted(bench: Bench): Promise<TwinRun> {
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  expect(storeLeaks(bench.replica)).toEqual([]);
  expect(summaryOf(run)).toMatchObject({ bodiesBytes: 0 }); // the bodies are there, under whatever UID.
  return run;
}
