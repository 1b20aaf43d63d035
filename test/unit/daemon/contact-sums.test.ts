/** What a first contact with a destination that holds mail counts: in the lines of a dry run, and in the summary of the run. */
import { appendFileSync, cpSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { addMessage, type Bench, eventsOf, makeMailbox, openBench, summaryOf } from "../../live/twin/small-store.js";

const INBOX = "u1/Maildir";
let bench: Bench;

beforeEach(() => {
  bench = openBench();
  makeMailbox(bench.source, INBOX, { messages: 5 });
  cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
  return () => bench[Symbol.dispose]();
});

/** The lines of a dry run. */
async function plans(...args: readonly string[]): Promise<string[]> {
  const run = await bench.sync("--dry-run", ...args);
  expect(run.code, JSON.stringify(run)).toBe(0);
  return eventsOf(run, "plan").map((event) => String(event["words"]));
}

test("flags and keywords of DST that give way to those of SRC", async () => {
  const cur = join(bench.replica, INBOX, "cur");
  const [first = "", second = "", third = ""] = readdirSync(cur).sort();
  const mark = (name: string, marks: string) =>
    renameSync(join(cur, name), join(cur, name.replace(/:2,.*/, `:2,${marks}`)));
  mark(first, "F");
  writeFileSync(join(bench.replica, INBOX, "dovecot-keywords"), "0 $Forwarded\n1 $Junk\n");
  mark(second, "Sb");
  // The same keyword, under another letter.
  mark(third, "a");
  appendFileSync(join(bench.source, INBOX, "dovecot-keywords"), "2 $Forwarded\n");
  renameSync(join(bench.source, INBOX, "cur", third), join(bench.source, INBOX, "cur", third.replace(/:2,.*/, ":2,c")));
  const said = await plans();
  expect(said).toContain("u1/Maildir: 2 messages in DST take SRC's flags");
  expect(said.at(-1)).toBe("in all: 5 in DST already, 2 with SRC's flags in place of their own");
  const run = await bench.sync();
  expect(summaryOf(run)).toMatchObject({ adopted: 5, remarked: 2, problems: 0 });
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
});

test("bodies of DST that are used again, in a mailbox that nobody has numbered", async () => {
  rmSync(join(bench.replica, INBOX, "dovecot-uidlist"));
  expect((await plans()).at(-1)).toMatch(
    /^in all: 1 mailbox made, 5 new \(.*\), 5 of them perhaps with bodies that are in DST already$/,
  );
  const run = await bench.sync();
  expect(summaryOf(run)).toMatchObject({ saves: 5, reused: 5, adopted: 0, bodiesBytes: 0, problems: 0 });
  const words = "the mailbox that stood here had another identity, or none, and has the source's now";
  expect(eventsOf(run, "shipped")).toMatchObject([{ notes: [{ words, count: 1 }] }]);
});

test("mail that only DST has and that is kept; SRC goes on above its UIDs, so that the next delivery there keeps the one it gets", async () => {
  addMessage(join(bench.replica, INBOX), { seed: 100 });
  makeMailbox(bench.replica, "u9/Maildir", { messages: 2, seed: 200 });
  expect((await plans("--foreign", "keep")).at(-1)).toBe("in all: 5 in DST already, 3 kept that only DST has");
  expect(summaryOf(await bench.sync("--foreign", "keep"))).toMatchObject({
    kept: 3,
    toLimbo: 0,
    raisedInSource: 1,
    problems: 0,
  });
  addMessage(join(bench.source, INBOX), { seed: 300 });
  expect(summaryOf(await bench.sync())).toMatchObject({ kept: 0, saves: 1, renumberedInSource: 0, problems: 0 });
});

test("--foreign has no effect on a later run, and that is said", async () => {
  expect(eventsOf(await bench.sync("--foreign", "limbo"), "warning")).toStrictEqual([]);
  const words =
    "--foreign limbo has no effect after first contact, except in mailboxes that SRC deletes: mail that only DST has stays there";
  for (const seed of [0, 400]) {
    if (seed > 0) addMessage(join(bench.source, INBOX), { seed });
    expect(eventsOf(await bench.sync("--foreign", "limbo"), "warning")).toMatchObject([{ words }]);
  }
  const kept = "--foreign keep has no effect after first contact: mail that only DST has stays there";
  expect(eventsOf(await bench.sync("--foreign", "keep"), "warning")).toMatchObject([{ words: kept }]);
});
