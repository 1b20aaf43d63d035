/** First contact with a destination that has the source's mailboxes at other paths: folders are moved, whole Maildirs are not. */
import { cpSync, renameSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { runTwin } from "../../live/lab/mailtwin.js";
import { contentsOf } from "../../live/twin/contents.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { type Bench, eventsOf, expectRefusal, filledBench, summaryOf } from "../../live/twin/small-store.js";

let bench: Bench;

beforeEach(() => {
  bench = filledBench();
  return () => bench[Symbol.dispose]();
});

test("a folder: said by the dry run and by the run, moved, and counted", async () => {
  cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
  renameSync(join(bench.replica, "u1/Maildir/.Work"), join(bench.replica, "u1/Maildir/.Old"));
  const words = "u1/Maildir/.Old of the destination is moved to u1/Maildir/.Work: the source has it there";
  const plans = eventsOf(await bench.sync("--dry-run"), "plan").map((event) => event["words"]);
  expect(plans).toContain(words);
  expect(plans.at(-1)).toBe("in all: 1 mailbox renamed, 9 in DST already");
  const run = await bench.sync();
  expect(eventsOf(run, "conflict")).toMatchObject([{ path: "u1/Maildir/.Work", words }]);
  expect(eventsOf(run, "shipped").flatMap((event) => event["notes"])).toStrictEqual([]);
  expect(summaryOf(run)).toMatchObject({ mailboxesRenamed: 1, mailboxesMade: 0, mailboxesFound: 3, adopted: 9 });
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
});

/** Where the copy of a part of the source goes, what the command names, and what its words have to name in its place. */
test.each([
  ["a copy that stands in DST", "", "replica/source", ["source", "replica"], "replica/source"],
  ["a DST that is a user's home", "u1/Maildir", "replica/Maildir", ["source/u1/Maildir", "replica"], "replica/Maildir"],
  ["a DST that is the Maildir itself", "u1/Maildir", "replica/Maildir", ["source/u1", "replica/Maildir"], "replica"],
  ["a SRC that holds the user", "u1", "replica", ["source", "replica"], "source/u1"],
])(
  "%s: refused, by the dry run too, and nothing is written",
  async (_what, part, copy, [source = "", replica = ""], meant) => {
    const at = (path: string) => join(bench.dir, path);
    cpSync(join(bench.source, part), at(copy), { recursive: true, preserveTimestamps: true });
    const before = contentsOf(at(copy));
    for (const args of [["--dry-run"], [], ["--foreign", "limbo"]]) {
      const run = await runTwin(["sync", at(source), at(replica), "--json", "--state", bench.state, ...args]);
      expectRefusal(run, "maildirs-elsewhere", 73, `a level off, did you mean ${at(meant)}`);
      const plans = eventsOf(run, "plan").map((event) => String(event["words"]));
      if (args.includes("--dry-run")) expect(plans.join()).toContain("a whole Maildir is not moved");
      expect(contentsOf(at(copy))).toStrictEqual(before);
    }
  },
);

test("a user who has another name in DST: refused, without a guess", async () => {
  cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
  renameSync(join(bench.replica, "u2"), join(bench.replica, "u3"));
  expectRefusal(await bench.sync(), "maildirs-elsewhere", 73, /the destination has u2\/Maildir as u3\/Maildir$/);
  renameSync(join(bench.replica, "u3"), join(bench.replica, "u2")); // as the hint says.
  expect(summaryOf(await bench.sync())).toMatchObject({ problems: 0, adopted: 9 });
});
