/** A store that is not the one that the state describes: refused before anything is written, or as soon as it shows. */
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { runTwin, spawnTwin, startTwin, type Twin } from "../../live/lab/mailtwin.js";
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

const INBOX = "u1/Maildir";
let bench: Bench;

beforeEach(() => {
  bench = openBench();
  makeMailbox(bench.source, INBOX, { messages: 5 });
  makeMailbox(bench.source, `${INBOX}/.Work`, { messages: 2, seed: 10 });
  return () => bench[Symbol.dispose]();
});

function sync(source: string, destination: string, ...args: readonly string[]) {
  return runTwin(["sync", source, destination, "--json", "--state", bench.state, ...args]);
}

async function expectEqual(run: Promise<{ readonly code: number | undefined }>): Promise<void> {
  const ended = await run;
  expect(ended, JSON.stringify(ended)).toMatchObject({ code: 0 });
}

describe("a state that is of other stores", () => {
  let other: string;

  beforeEach(async () => {
    await expectEqual(bench.sync());
    other = join(bench.dir, "other");
    makeMailbox(other, "u5/Maildir", { messages: 3, seed: 500 });
  });

  test("another source is refused, named beside the right one, and nothing is written", async () => {
    const before = treeState(bench.dir).filter((line) => !/(^\. )|state/.test(line));
    for (const args of [[], ["--dry-run"], ["--watch"]]) {
      expectRefusal(await sync(other, bench.replica, ...args), "stores-differ", 78, other, bench.source);
    }
    expect(treeState(bench.dir).filter((line) => !/(^\. )|state/.test(line))).toStrictEqual(before);
    await expectEqual(bench.sync());
  });

  test("so is another destination, also one that is not there yet; and the two exchanged", async () => {
    const absent = join(bench.dir, "absent");
    for (const destination of [other, absent]) {
      expectRefusal(await sync(bench.source, destination), "stores-differ", 78, destination, bench.replica);
    }
    expect(existsSync(absent)).toBe(false);
    expectRefusal(await sync(bench.replica, bench.source), "stores-swapped", 78, bench.source);
  });

  test("a store that was renamed on its file system is the same one", async () => {
    const renamed = join(bench.dir, "renamed");
    renameSync(bench.source, renamed);
    await expectEqual(sync(renamed, bench.replica));
    mkdirSync(bench.source); // its old name, now something else's.
    expectRefusal(await sync(bench.source, bench.replica), "stores-differ", 78, renamed);
  });

  test("a store that was copied elsewhere is accepted with --moved, from then on", async () => {
    const copied = join(bench.dir, "copied");
    cpSync(bench.source, copied, { recursive: true, preserveTimestamps: true });
    expectRefusal(await sync(copied, bench.replica), "stores-differ", 78, /copied/);
    await expectEqual(sync(copied, bench.replica, "--moved"));
    await expectEqual(sync(copied, bench.replica));
    expect(rawDifferences(copied, bench.replica)).toEqual([]);
  });

  test("a source that was restored at its place needs no word", async () => {
    cpSync(bench.source, join(bench.dir, "copy"), { recursive: true, preserveTimestamps: true });
    renameSync(bench.source, join(bench.dir, "broken"));
    renameSync(join(bench.dir, "copy"), bench.source);
    await expectEqual(bench.sync());
  });
});

test("a first contact that was refused does not bind the state to that destination", async () => {
  const other = join(bench.dir, "other");
  makeMailbox(other, "u5/Maildir", { messages: 3, seed: 500 });
  expectRefusal(await sync(bench.source, other), "destination-has-mail", 73);
  await expectEqual(bench.sync());
});

describe("a destination that holds none of what was written to it", () => {
  beforeEach(async () => {
    await expectEqual(bench.sync());
    renameSync(bench.replica, join(bench.dir, "unmounted"));
  });

  test("is taken for emptied, though somebody made an INBOX there", async () => {
    makeMailbox(bench.replica, INBOX, { messages: 0, seed: 99 });
    const before = treeState(bench.replica);
    for (const args of [[], ["--dry-run"]]) {
      const run = await bench.sync(...args);
      expectRefusal(run, "destination-emptied", 69, bench.replica);
      const hint = expect.stringContaining(`move the state directory ${bench.state} away`);
      expect(eventsOf(run, "error")).toMatchObject([{ hint }]);
    }
    expect(treeState(bench.replica)).toStrictEqual(before);
  });
});

describe("a source that is taken away while a run is live", () => {
  test.each([
    ["gone", (): void => undefined, "store-missing"],
    ["a file", (): void => writeFileSync(bench.source, ""), "store-missing"],
    ["a link to itself", (): void => symlinkSync("source", bench.source), "store-missing"],
    ["an empty directory, as a mount point", (): void => mkdirSync(bench.source), "store-missing"],
  ] as const)("and then is %s: the run stops, and nothing is removed", async (_what, replace, code) => {
    await using twin = await startTwin({ source: bench.source, replica: bench.replica, state: bench.state });
    const before = treeState(bench.replica);
    const away = join(bench.dir, "away");
    renameSync(bench.source, away);
    replace();
    const ended = await twin.exited;
    expectRefusal({ ...twin.output, ...ended }, code, 66);
    expect(treeState(bench.replica)).toStrictEqual(before);
    rmSync(bench.source, { recursive: true, force: true });
    renameSync(away, bench.source);
    await expectEqual(bench.sync());
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });
});

describe("a destination that is taken away while a run is live", () => {
  const away = () => join(bench.dir, "away");

  async function endAfterNews(twin: Twin): Promise<void> {
    addMessage(join(bench.source, INBOX), { seed: 60 });
    const { code } = await twin.exited;
    const errors = twin.output.events.filter(({ event }) => event === "error");
    expect([code, errors], JSON.stringify(twin.output)).toMatchObject([69, [{ code: "destination-missing" }]]);
  }

  test.each([
    ["gone", (): void => undefined],
    ["an empty directory", (): void => mkdirSync(bench.replica)],
    [
      "a link to another directory",
      (): void => {
        mkdirSync(join(bench.dir, "elsewhere"));
        symlinkSync(join(bench.dir, "elsewhere"), bench.replica);
      },
    ],
    ["a copy", (): void => void makeMailbox(bench.replica, INBOX, { messages: 5 })],
  ] as const)("and then is %s: the run stops, having written nothing there", async (_what, replace) => {
    await using twin = await startTwin({ source: bench.source, replica: bench.replica, state: bench.state });
    renameSync(bench.replica, away());
    replace();
    const isThere = existsSync(bench.replica);
    const before = isThere ? treeState(bench.replica) : [];
    await endAfterNews(twin);
    expect(existsSync(bench.replica)).toBe(isThere);
    expect(isThere ? treeState(bench.replica) : []).toStrictEqual(before);
    if (isThere) rmSync(bench.replica, { recursive: true });
    renameSync(away(), bench.replica);
    await expectEqual(bench.sync());
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });
});

test("a second run on the same destination, with everything else of its own, waits for another time", async () => {
  await using first = spawnTwin({ source: bench.source, replica: bench.replica, state: bench.state });
  await first.waitFor("live", ({ event }) => event === "live");
  const own = ["--state", join(bench.dir, "state2"), "--scratch", join(bench.dir, "scratch2")];
  expectRefusal(await sync(bench.source, bench.replica, ...own.slice(0, 2)), "destination-in-use", 75, bench.replica);
  const before = readdirSync(bench.replica);
  const part = ["sync", join(bench.source, "u1"), join(bench.replica, "new"), "--json", ...own.slice(0, 2)];
  expectRefusal(await runTwin(part), "destination-in-use", 75, bench.replica);
  expect(readdirSync(bench.replica)).toStrictEqual(before); // neither "new" nor a scratch directory beside it.
  const args: readonly string[] = ["sync", bench.source, bench.replica, "--json", ...own];
  expectRefusal(await runTwin(args), "destination-in-use", 75, bench.replica);
  await first.kill9();
  await expectEqual(runTwin(args));
});

test("an empty source at first contact is worth a word, and no more", async () => {
  rmSync(join(bench.source, "u1"), { recursive: true });
  const run = await bench.sync();
  expect(run.code).toBe(0);
  expect(eventsOf(run, "warning")).toMatchObject([{ words: expect.stringContaining(bench.source) }]);
});

test("mailboxes that were made, renamed and deleted are counted, with the mail that went to the limbo", async () => {
  makeMailbox(bench.source, `${INBOX}/.Old`, { messages: 7, seed: 30 });
  expect(summaryOf(await bench.sync())).toMatchObject({ mailboxesMade: 3, mailboxesRenamed: 0, mailboxesDeleted: 0 });
  addMessage(join(bench.source, INBOX, ".Old"), { seed: 70 });
  await expectEqual(bench.sync());
  rmSync(join(bench.source, INBOX, ".Old"), { recursive: true });
  renameSync(join(bench.source, INBOX, ".Work"), join(bench.source, INBOX, ".Play"));
  const summary = summaryOf(await bench.sync());
  expect(summary).toMatchObject({ mailboxesMade: 0, mailboxesRenamed: 1, mailboxesDeleted: 1, messagesOfDeleted: 8 });
  expect(summary["elapsedMs"]).toBe(Math.round(Number(summary["elapsedMs"])));
});
