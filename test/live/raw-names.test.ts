/**
 * Mailboxes whose names are not UTF-8, made by hand in both layouts: every byte arrives, what is printed stays text, and they
 * are as much alive as the others.
 *
 * Compared on disk, since Dovecot 2.3 neither shows such a folder through IMAP nor leaves its name alone (raw-names-dovecot.test.ts).
 */
import { appendFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { errnoOf } from "../../src/base/errors.js";
import { bytesOf, listStore, mailboxPaths, storeLeaks } from "./lab/files.js";
import { runTwin, startTwin, type Twin } from "./lab/mailtwin.js";
import { until } from "./lab/until.js";
import { expectPeacefulEnd } from "./twin/live-twin.js";
import { rawDifferences } from "./twin/raw-compare.js";
import {
  addMessage,
  type Bench,
  eventsOf,
  expectOneProblem,
  expectRefusal,
  makeMailbox,
  openBench,
  summaryOf,
} from "./twin/small-store.js";
import { runText } from "./twin/text-run.js";

/** As bytes; `shown` as people are told of it. Two of them are the same when what is no UTF-8 is replaced. */
const NAMES = [
  { path: "u1/Maildir/.caf\xe9", shown: "u1/Maildir/.caf\\xe9" },
  { path: "u1/Maildir/.\xff", shown: "u1/Maildir/.\\xff" },
  { path: "u1/Maildir/.\xfe", shown: "u1/Maildir/.\\xfe" },
  { path: "u1/Maildir/.caf\xe9.\xc3(", shown: "u1/Maildir/.caf\\xe9.\\xc3(" },
  { path: "u2/Maildir/p\xe9re", shown: "u2/Maildir/p\\xe9re" },
  { path: "u2/Maildir/p\xe9re/\xe8\xff\x80", shown: "u2/Maildir/p\\xe9re/\\xe8\\xff\\x80" },
  { path: "\xe9va/Maildir", shown: "\\xe9va/Maildir" },
  { path: "\xe9va/Maildir/.Gr\xc3\xbc\xc3\x9fe", shown: "\\xe9va/Maildir/.Gr\\xc3\\xbc\\xc3\\x9fe" },
] as const;
const PLAIN = ["u1/Maildir", "u2/Maildir", "u1/Maildir/.Work"];
const ALL = [...NAMES.map(({ path }) => path), ...PLAIN].sort();

test("all of them arrive byte for byte, and a second run has nothing to do", async () => {
  using bench = filledBench();
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expectEqual(bench);
  expect([...mailboxPaths(bench.replica)].sort()).toEqual(ALL);
  expect(run.strayOutput).toEqual([]);
  const told = new Set(eventsOf(run, "shipped").map(({ path }) => path));
  expect(told).toEqual(new Set([...NAMES.map(({ shown }) => shown), ...PLAIN]));
  expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
});

test("as text, and in a dry run, they are printed so that a terminal can show them", async () => {
  using bench = filledBench();
  const args = ["sync", bench.source, bench.replica, "--state", bench.state];
  for (const flags of [["--dry-run"], ["-v"]]) {
    const { code, stdout, stderr } = runText([...args, ...flags]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^[\x20-\x7e\n]*$/);
    for (const { shown } of NAMES) expect(stdout).toContain(shown);
  }
  expectEqual(bench);
});

test("live: deliveries, flags, renames without a body sent again, and deletions", async () => {
  using bench = filledBench();
  await using twin = await startTwin(bench);
  for (const [i, { path }] of NAMES.entries()) addMessage(join(bench.source, path), { seed: 500 + i });
  await untilEqual(bench, twin);
  for (const { path } of NAMES) setSeen(join(bench.source, path));
  await untilEqual(bench, twin);
  const inodes = messageInodes(bench);
  move(bench, "u1/Maildir/.\xff", "u1/Maildir/.\xfd.\xfc");
  move(bench, "u1/Maildir/.Work", "u1/Maildir/.\xff");
  move(bench, "u2/Maildir/p\xe9re", "u2/Maildir/m\xe8re"); // and what is in it.
  move(bench, "\xe9va", "\xeava");
  await untilEqual(bench, twin);
  expect(messageInodes(bench)).toEqual(inodes);
  for (const path of ["u1/Maildir/.\xff", "u1/Maildir/.\xfd.\xfc"]) addMessage(join(bench.source, path), { seed: 600 });
  for (const gone of ["u1/Maildir/.\xfe", "u2/Maildir/m\xe8re/\xe8\xff\x80"])
    rmSync(bytesOf(join(bench.source, gone)), { recursive: true });
  makeMailbox(bench.source, "u1/Maildir/.\xfe", { messages: 2, seed: 700 });
  await untilEqual(bench, twin);
  await expectPeacefulEnd(twin);
  expectEqual(bench);
  expect(limboNames(bench)).toHaveLength(2);
});

test("a bad one is named, and stops no other", async () => {
  using bench = filledBench();
  const [bad] = NAMES;
  const uidlist = bytesOf(join(bench.source, bad.path, "dovecot-uidlist"));
  const good = readFileSync(uidlist);
  appendFileSync(uidlist, "no record\n");
  expectOneProblem(await bench.sync(), bad.shown, "uidlist-damaged", bad.shown);
  expect(rawDifferences(bench.source, bench.replica)).toMatchObject([{ kind: "mailbox-missing" }]);
  writeFileSync(uidlist, good);
  expect((await bench.sync()).code).toBe(0);
  expectEqual(bench);
});

test("first contact: mail that only the destination has is told of by name, and a copy is adopted", async () => {
  using bench = filledBench();
  const [one] = NAMES;
  makeMailbox(bench.replica, one.path, { messages: 2, seed: 900 });
  expectRefusal(await bench.sync(), "destination-has-mail", 73, one.shown);
  expect((await bench.sync("--foreign", "limbo")).code).toBe(0);
  expectEqual(bench);
  rmSync(bench.state, { recursive: true });
  const again = await bench.sync();
  expect(again.code, JSON.stringify(again)).toBe(0);
  expect(summaryOf(again)).toMatchObject({ bodiesBytes: 0 });
  expectEqual(bench);
});

test("one that was renamed on the destination gets its name back", async () => {
  using bench = filledBench();
  expect((await bench.sync()).code).toBe(0);
  const inodes = messageInodes(bench);
  renameSync(bytesOf(join(bench.replica, "u1/Maildir/.\xff")), bytesOf(join(bench.replica, "u1/Maildir/.\xf0")));
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(eventsOf(run, "conflict")).toMatchObject([
    { path: "u1/Maildir/.\\xff", words: expect.stringContaining("\\xf0") },
  ]);
  expectEqual(bench);
  expect(messageInodes(bench)).toEqual(inodes);
});

test("killed while one is renamed and filled: the next run goes on", async () => {
  using bench = filledBench();
  expect((await bench.sync()).code).toBe(0);
  for (const point of ["apply.mailbox-renamed", "apply.unlocked", "apply.effect-recorded"]) {
    move(bench, "u1/Maildir/.caf\xe9", "u1/Maildir/.caf\xe8");
    addMessage(join(bench.source, "u1/Maildir/.caf\xe8"), { seed: 800 });
    const args = ["sync", bench.source, bench.replica, "--json", "--state", bench.state];
    expect(await runTwin(args, { env: { MAILTWIN_CRASH_AT: point } })).toMatchObject({ signal: "SIGKILL" });
    expect((await bench.sync()).code).toBe(0);
    expectEqual(bench);
    move(bench, "u1/Maildir/.caf\xe8", "u1/Maildir/.caf\xe9");
    expect((await bench.sync()).code).toBe(0);
  }
});

function filledBench(): Bench {
  const bench = openBench();
  for (const [i, path] of ALL.entries()) makeMailbox(bench.source, path, { messages: 3, seed: 10 * i });
  return bench;
}

function expectEqual(bench: Bench): void {
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  expect(storeLeaks(bench.replica)).toEqual([]);
}

async function untilEqual({ source, replica }: Bench, twin: Twin): Promise<void> {
  const differ = (): readonly string[] => {
    try {
      return rawDifferences(source, replica, { bodies: false }).map(({ words }) => words);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
      return [`changed while they were compared: ${String(error)}`];
    }
  };
  const detail = () => [...differ(), ...twin.output.events.slice(-5).map((event) => JSON.stringify(event))].join("\n");
  await until("equal stores", () => differ().length === 0, { detail });
}

function setSeen(mailbox: string): void {
  const cur = bytesOf(join(mailbox, "cur"));
  const name = readdirSync(cur, "latin1").find((each) => each.endsWith(":2,"));
  if (name === undefined) throw new Error("no message without a flag");
  renameSync(bytesOf(join(mailbox, "cur", name)), bytesOf(join(mailbox, "cur", `${name}S`)));
}

function move({ source }: Bench, from: string, to: string): void {
  renameSync(bytesOf(join(source, from)), bytesOf(join(source, to)));
}

function messageInodes({ replica }: Bench): readonly number[] {
  const files = listStore(replica).filter(({ path, kind }) => kind === "file" && /\/(cur|new)\//.test(path));
  return files.map(({ stats }) => stats.ino).sort((a, b) => a - b);
}

function limboNames(bench: Bench): readonly string[] {
  const limbo = join(bench.dir, ".replica.mailtwin/limbo");
  return readdirSync(limbo).flatMap((day) => readdirSync(join(limbo, day)));
}
