/** Much mail that goes at once from SRC of a `sync`: held back until it is let go. */
import { readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { rawDifferences, treeState } from "../../live/twin/raw-compare.js";
import { addMessage, expectOneProblem, makeMailbox, openBench, summaryOf } from "../../live/twin/small-store.js";

const MANY = 260;

test("a large mailbox that is gone stays on DST until that is meant, and all else goes on", async () => {
  using bench = openBench();
  const [inbox, work] = [
    makeMailbox(bench.source, "u1/Maildir", { messages: 3 }),
    makeMailbox(bench.source, "u1/Maildir/.Work", { messages: MANY, bytes: 20, seed: 100 }),
  ];
  expect((await bench.sync()).code).toBe(0);
  const before = treeState(join(bench.replica, "u1/Maildir/.Work"));
  rmSync(work, { recursive: true });
  addMessage(inbox, { seed: 900 });
  for (const _run of [1, 2]) {
    const run = await bench.sync();
    expectOneProblem(
      run,
      "",
      "deletions-held",
      /260 messages in deleted mailboxes .*, more than 250; held back: .*Work/,
    );
    expect(treeState(join(bench.replica, "u1/Maildir/.Work"))).toStrictEqual(before);
    expect(rawDifferences(bench.source, bench.replica).every((each) => JSON.stringify(each).includes(".Work"))).toBe(
      true,
    );
  }
  const approved = await bench.sync("--approve-deletions");
  expect(approved.code, JSON.stringify(approved)).toBe(0);
  expect(summaryOf(approved)).toMatchObject({ mailboxesDeleted: 1, messagesOfDeleted: MANY });
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
});

test("one that was away for a while is no deletion", async () => {
  using bench = openBench();
  makeMailbox(bench.source, "u1/Maildir", { messages: 3 });
  const work = makeMailbox(bench.source, "u1/Maildir/.Work", { messages: MANY, bytes: 20, seed: 100 });
  expect((await bench.sync()).code).toBe(0);
  renameSync(work, join(bench.dir, "away"));
  expectOneProblem(await bench.sync(), "", "deletions-held", /260 messages/);
  renameSync(join(bench.dir, "away"), work);
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  rmSync(join(work, "cur", readdirSync(join(work, "cur"))[0] ?? ""));
  const after = await bench.sync();
  expect([after.code, summaryOf(after)["expunges"]], "the brake is off").toEqual([0, 1]);
});
