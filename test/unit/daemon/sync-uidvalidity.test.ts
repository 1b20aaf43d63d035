/** `mailtwin sync` where the UIDVALIDITY of a mailbox has changed on DST: an incident of that mailbox alone, which a person decides. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { contentsOf } from "../../live/twin/contents.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import {
  addMessage,
  type Bench,
  eventsOf,
  expectOneProblem,
  filledBench,
  summaryOf,
} from "../../live/twin/small-store.js";

const INBOX = "u1/Maildir";
const OTHER = "u2/Maildir";
const TIMEOUT = { timeout: 120_000 };
let bench: Bench;

beforeEach(async () => {
  bench = filledBench();
  expect((await bench.sync()).code).toBe(0);
});

afterEach(() => bench[Symbol.dispose]());

const listIn = (store: string, path: string) => join(store, path, "dovecot-uidlist");
const textOf = (store: string, path = INBOX) => readFileSync(listIn(store, path), "latin1");
const write = (store: string, text: string, path = INBOX) => writeFileSync(listIn(store, path), text, "latin1");
const validityIn = (store: string) => Number(/ V(\d+)/.exec(textOf(store))?.[1]);
const renumber = (store: string, validity: number) => write(store, textOf(store).replace(/ V\d+/, ` V${validity}`));
const WORDS = /has UIDVALIDITY 7 on the replica and \d+ at the source: it is left as it is/;

test(
  "it is told by each run and left as it is, all else goes on, and what was there before is taken up again",
  TIMEOUT,
  async () => {
    const before = textOf(bench.replica);
    renumber(bench.replica, 7);
    const standing = contentsOf(join(bench.replica, INBOX, "cur"));
    for (const seed of [60, 61, 62]) {
      if (seed > 60)
        for (const path of [INBOX, OTHER]) addMessage(join(bench.source, path), { seed: seed + path.length });
      const run = await bench.sync();
      expectOneProblem(run, INBOX, "uidvalidity-differs", WORDS);
      expect(String(eventsOf(run, "problem")[0]?.["hint"])).toContain("--accept-uidvalidity");
      expect(summaryOf(run)).toMatchObject({ saves: seed > 60 ? 1 : 0 });
      expect(eventsOf(run, "mailbox-renumbered")).toStrictEqual([]);
      expect(textOf(bench.replica)).toBe(before.replace(/ V\d+/, " V7"));
      expect(contentsOf(join(bench.replica, INBOX, "cur"))).toStrictEqual(standing);
      expect(rawDifferences(join(bench.source, OTHER), join(bench.replica, OTHER))).toStrictEqual([]);
    }
    write(bench.replica, before);
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(summaryOf(run)).toMatchObject({ saves: 2, problems: 0 });
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
    expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
  },
);

test("--accept-uidvalidity has it take SRC's, and tells of it", TIMEOUT, async () => {
  renumber(bench.replica, 7);
  addMessage(join(bench.source, INBOX), { seed: 60 });
  expectOneProblem(await bench.sync(), INBOX, "uidvalidity-differs", WORDS);
  const run = await bench.sync("--accept-uidvalidity");
  expect(run.code, JSON.stringify(run)).toBe(0);
  const after = validityIn(bench.source);
  expect(eventsOf(run, "mailbox-renumbered")).toStrictEqual([
    { event: "mailbox-renumbered", path: INBOX, before: 7, after, messages: 5 },
  ]);
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
});

test("a run that is left to a person takes it, when he accepts it in the run that compares all", TIMEOUT, async () => {
  renumber(bench.replica, 7);
  expectOneProblem(await bench.sync("--resync"), INBOX, "uidvalidity-differs", WORDS);
  expect(validityIn(bench.replica)).toBe(7);
  expect(await bench.sync("--resync", "--accept-uidvalidity")).toMatchObject({ code: 0 });
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
});

test("another reason to compare as at first contact leaves it alone, too, until it is accepted", TIMEOUT, async () => {
  renumber(bench.replica, 7);
  const before = textOf(bench.replica);
  rmSync(listIn(bench.replica, OTHER));
  for (const _ of ["compared", "and again"]) {
    expectOneProblem(await bench.sync(), INBOX, "uidvalidity-differs", /UIDVALIDITY 7 /);
    expect(textOf(bench.replica)).toBe(before);
    expect(rawDifferences(join(bench.source, OTHER), join(bench.replica, OTHER))).toStrictEqual([]);
  }
  const run = await bench.sync("--accept-uidvalidity");
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
});

test("where both have changed it is DST's that is told of; where SRC's came back it is equal", TIMEOUT, async () => {
  const [source, replica] = [textOf(bench.source), textOf(bench.replica)];
  renumber(bench.replica, 7);
  renumber(bench.source, 1_800_000_000);
  expectOneProblem(await bench.sync(), INBOX, "uidvalidity-differs", /7 on the replica and 1800000000 at the source/);
  write(bench.source, source);
  write(bench.replica, replica);
  expect(await bench.sync()).toMatchObject({ code: 0 });
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
});

test("a dry run tells of it, in both forms, and what accepting it would do", TIMEOUT, async () => {
  renumber(bench.replica, 7);
  const before = [contentsOf(bench.source), contentsOf(bench.replica)];
  const plain = await bench.sync("--dry-run");
  expect(plain.code).toBe(1);
  expect(eventsOf(plain, "problem")).toMatchObject([{ path: INBOX, code: "uidvalidity-differs" }]);
  expect(eventsOf(plain, "plan").map(({ words }) => words)).toStrictEqual([
    "nothing to do, except for 1 problem: no change in the rest of SRC since the last run",
  ]);
  const compared = await bench.sync("--dry-run", "--resync");
  expect(compared.code).toBe(1);
  expect(eventsOf(compared, "resync-plan")).toMatchObject([
    { equal: 2, failed: 1, plans: [{ mailbox: INBOX, failure: { code: "uidvalidity-differs" } }] },
  ]);
  const accepted = await bench.sync("--dry-run", "--accept-uidvalidity");
  expect(accepted.code).toBe(0);
  expect(String(eventsOf(accepted, "plan")[0]?.["words"])).toMatch(/comparing as at first contact$/);
  expect([contentsOf(bench.source), contentsOf(bench.replica)]).toStrictEqual(before);
});
