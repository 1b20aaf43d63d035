/** `mailtwin adopt`: a copy by other means becomes a twin, and what is no copy is not filled instead. */
import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { runTwin } from "../../live/lab/mailtwin.js";
import { rawDifferences, treeState } from "../../live/twin/raw-compare.js";
import {
  addMessage,
  type Bench,
  eventsOf,
  expectRefusal,
  makeMailbox,
  openBench,
  summaryOf,
} from "../../live/twin/small-store.js";
import { mailtwin } from "./mailtwin.js";

const INBOX = "u1/Maildir";
const WORK = "u1/Maildir/.Work";
let bench: Bench;

beforeEach(() => {
  bench = openBench();
  makeMailbox(bench.source, INBOX, { messages: 5 });
  makeMailbox(bench.source, WORK, { messages: 3, seed: 10 });
  return () => bench[Symbol.dispose]();
});

const adopt = (...args: readonly string[]) =>
  runTwin(["adopt", bench.source, bench.replica, "--json", "--state", bench.state, ...args]);

function copy(): void {
  cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
}

describe("a copy", () => {
  test("becomes a twin, without a body; what it lacks is sent, and later runs are those of a sync", async () => {
    copy();
    rmSync(join(bench.replica, WORK), { recursive: true });
    const run = await adopt();
    expect(run, JSON.stringify(run)).toMatchObject({ code: 0, stderr: "" });
    expect(summaryOf(run)).toMatchObject({ adopted: 5, mailboxesFound: 1, mailboxesMade: 1, saves: 3, problems: 0 });
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
    addMessage(join(bench.source, INBOX), { seed: 50 });
    const next = await bench.sync();
    expect(summaryOf(next)).toMatchObject({ saves: 1, adopted: 0, problems: 0 });
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });

  test("that was delivered to meanwhile is asked about as by sync; then the next UID is raised", async () => {
    copy();
    addMessage(join(bench.replica, INBOX), { seed: 60 });
    expectRefusal(await adopt(), "destination-has-mail", 73);
    const run = await adopt("--foreign", "keep");
    expect(run, JSON.stringify(run)).toMatchObject({ code: 0 });
    expect(eventsOf(run, "next-uid-raised")).toEqual([{ event: "next-uid-raised", path: INBOX, from: 6, to: 7 }]);
    addMessage(join(bench.source, INBOX), { seed: 61 });
    const next = await bench.sync();
    expect([next.code, eventsOf(next, "conflict"), summaryOf(next)["renumberedInSource"]]).toEqual([0, [], 0]);
  });

  test("that is a twin already is told to be one", async () => {
    copy();
    expect((await adopt()).code).toBe(0);
    const words = "adopt does what sync does: DST is SRC's twin already";
    for (const args of [[], ["--dry-run"]]) {
      const atRest = await adopt(...args);
      expect([atRest.code, eventsOf(atRest, "warning")]).toMatchObject([
        0,
        [{ words: expect.stringContaining(words) }],
      ]);
    }
    addMessage(join(bench.source, INBOX), { seed: 50 });
    const run = await adopt();
    expect([run.code, eventsOf(run, "warning")]).toMatchObject([0, [{ words: expect.stringContaining(words) }]]);
    expect(summaryOf(run)).toMatchObject({ saves: 1 });
  });
});

describe("no copy", () => {
  test("a DST that is not there is not made", async () => {
    const run = await adopt();
    expectRefusal(
      run,
      "nothing-to-adopt",
      66,
      /no mailbox stands there, so that all mail would be sent/,
      bench.replica,
    );
    expect(String(eventsOf(run, "error")[0]?.["hint"])).toMatch(/mounted\?.*`mailtwin sync` instead/);
    expect(readdirSync(bench.dir)).toEqual(["source"]);
    expectRefusal(await adopt("--dry-run"), "nothing-to-adopt", 66);
  });

  test("an empty one stays empty, whatever else is said; sync fills it", async () => {
    mkdirSync(bench.replica);
    for (const args of [[], ["--foreign", "keep"], ["--watch"], ["--dry-run"]])
      expectRefusal(await adopt(...args), "nothing-to-adopt", 66, /no mailbox stands there/);
    expect(readdirSync(bench.replica)).toEqual([]);
    const run = await bench.sync();
    expect(run, JSON.stringify(run)).toMatchObject({ code: 0 });
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });

  test("one with other mailboxes only is left as it is", async () => {
    makeMailbox(bench.replica, "u8/Maildir", { messages: 1, seed: 100 });
    makeMailbox(bench.replica, "u9/Maildir", { messages: 1, seed: 200 });
    const before = treeState(bench.replica);
    for (const args of [
      ["--foreign", "limbo"],
      ["--dry-run", "--foreign", "limbo"],
    ])
      expectRefusal(await adopt(...args), "nothing-to-adopt", 66, /none of the 2 mailboxes there is SRC's/);
    expect(treeState(bench.replica)).toEqual(before);
  });
});

test("the help says what it refuses, and has the options of sync", async () => {
  const helpOf = async (command: string) => {
    const { code, out } = await mailtwin([command, "--help"], { cwd: bench.dir });
    expect(code).toBe(0);
    return { out, options: out.match(/^ +(?:-\w, )?--[a-z-]+/gm) };
  };
  const [adopting, syncing] = [await helpOf("adopt"), await helpOf("sync")];
  expect(adopting.out).toMatch(/empty, or has no mailbox of SRC/);
  expect(adopting.options).toContainEqual(expect.stringContaining("--foreign"));
  expect(adopting.options).toEqual(syncing.options);
});
