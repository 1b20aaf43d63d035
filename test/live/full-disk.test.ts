/**
 * A disk that is full, the destination's or the one of the state directory, from the beginning, in the middle, or while a run is
 * live: the command ends with 74 and says which file and what to do, what is visible is whole, the source is as it was, and
 * with more space the next run finishes the work.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { listStore, storeLeaks } from "./lab/files.js";
import { runTwin, spawnTwin, type TwinRun } from "./lab/mailtwin.js";
import { until } from "./lab/until.js";
import { contentsOf } from "./twin/contents.js";
import { rawDifferences, treeState } from "./twin/raw-compare.js";
import { canMount, openSmallDisk } from "./twin/small-disk.js";
import {
  addMessage,
  type Bench,
  eventsOf,
  expectRefusal,
  filledBench,
  makeMailbox,
  openBench,
  summaryOf,
} from "./twin/small-store.js";

const MAIL_BYTES = 40_000;
/** What may be missing on a disk that was full: messages and mailboxes, with their UIDs; nothing may be wrong. */
const MISSING = new Set(["mailbox-missing", "message-missing", "next-uid"]);
const LIVE_MS_MAX = 30_000;

describe.skipIf(!canMount())("the destination's disk is full [needs root to mount a small one]", () => {
  test("from the beginning", async () => {
    using bench = filledBench();
    using disk = openSmallDisk(bench.dir, "2m");
    const place = placeOn(bench, { replica: join(disk.path, "store") });
    const before = treeState(bench.source);
    disk.fill();
    expectFull(await place.sync(), "ENOSPC", disk.path); // it is the lock file in the scratch directory that cannot be made.
    expectNothingWrong(place);
    expect(treeState(bench.source)).toEqual(before);
    disk.clear();
    await expectFinished(place);
  });

  test("in the middle of seeding, and then again with more space", async () => {
    using bench = openBench();
    using disk = openSmallDisk(bench.dir, "8m");
    const place = placeOn(bench, { replica: join(disk.path, "store") });
    for (const [i, user] of ["u1", "u2", "u3"].entries())
      makeMailbox(bench.source, `${user}/Maildir`, { messages: 100, bytes: MAIL_BYTES, seed: i * 1_000 });
    const before = treeState(bench.source);
    for (let run = 0; run < 2; run++) {
      expectFull(await place.sync(), "ENOSPC", disk.path); // the second time it is still full.
      expectNothingWrong(place);
    }
    expect(treeState(bench.source)).toEqual(before);
    disk.grow("64m");
    await expectFinished(place);
  });

  test("by one large mail into a mailbox that is there already", async () => {
    using bench = openBench();
    using disk = openSmallDisk(bench.dir, "4m");
    const place = placeOn(bench, { replica: join(disk.path, "store") });
    makeMailbox(bench.source, "u1/Maildir", { messages: 10 });
    expect((await place.sync()).code).toBe(0);
    addMessage(join(bench.source, "u1/Maildir"), { seed: 50, bytes: 6 * 1024 * 1024 });
    addMessage(join(bench.source, "u1/Maildir"), { seed: 51 });
    makeMailbox(bench.source, "u2/Maildir", { messages: 2, seed: 60 });
    expectFull(await place.sync(), "ENOSPC", disk.path);
    expectNothingWrong(place);
    disk.grow("32m");
    await expectFinished(place);
  });

  test("while a run is live", async () => {
    using bench = filledBench();
    using disk = openSmallDisk(bench.dir, "4m");
    const place = placeOn(bench, { replica: join(disk.path, "store") });
    await expectLiveEnds(place, () => disk.fill(), "ENOSPC", disk.path);
    expectNothingWrong(place);
    disk.clear();
    await expectFinished(place);
  });
});

describe.skipIf(!canMount())("the disk of the state directory is full [needs root to mount a small one]", () => {
  test.each([0, 4, 8, 16, 40, 128])("from the beginning, but for %i kB", async (leftKb) => {
    using bench = filledBench();
    using disk = openSmallDisk(bench.dir, "2m");
    const place = placeOn(bench, { state: join(disk.path, "state") });
    const before = treeState(bench.source);
    disk.fill(leftKb * 1024);
    expectFull(await place.sync(), "state-disk-full", place.state);
    expect(storeLeaks(place.replica)).toEqual([]);
    expect(contentsOf(place.replica)).toEqual([]);
    expect(treeState(bench.source)).toEqual(before);
    disk.clear();
    await expectFinished(place);
    expect(treeState(bench.source)).toEqual(before);
  });

  test.each(["512k", "1m"])("in the middle of seeding, at %s", async (size) => {
    using bench = openBench();
    using disk = openSmallDisk(bench.dir, size);
    const place = placeOn(bench, { state: join(disk.path, "state") });
    for (let i = 0; i < 20; i++)
      makeMailbox(bench.source, `u${i}/Maildir`, { messages: 250, bytes: 100, seed: i * 1_000 });
    const before = treeState(bench.source);
    for (let run = 0; run < 2; run++) {
      expectFull(await place.sync(), "state-disk-full", place.state); // the second time it is still full.
      expectNothingWrong(place);
    }
    expect(rawDifferences(bench.source, place.replica)).not.toEqual([]);
    expect(treeState(bench.source)).toEqual(before);
    disk.grow("64m");
    await expectFinished(place);
    expect(treeState(bench.source)).toEqual(before);
  });

  test("while a run is live, and when it is started again", async () => {
    using bench = filledBench();
    using disk = openSmallDisk(bench.dir, "4m");
    const place = placeOn(bench, { state: join(disk.path, "state") });
    await expectLiveEnds(place, () => disk.fill(), "state-disk-full", place.state);
    expectNothingWrong(place);
    const before = treeState(bench.source);
    expectFull(await place.sync(), "state-disk-full", place.state);
    expectNothingWrong(place);
    expect(treeState(bench.source)).toEqual(before);
    disk.clear();
    await expectFinished(place);
  });
});

interface Place {
  readonly source: string;
  readonly replica: string;
  readonly state: string;
  readonly scratch: string;
  sync(): Promise<TwinRun>;
}

/** The bench with some of its directories elsewhere. */
function placeOn(bench: Bench, moved: { readonly replica?: string; readonly state?: string }): Place {
  const { source } = bench;
  const { replica, state } = { ...bench, ...moved };
  const scratch = replica.replace(/([^/]+)$/, ".$1.mailtwin");
  return {
    ...{ source, replica, state, scratch },
    sync: () => runTwin(["sync", source, replica, "--json", "--state", state]),
  };
}

/** It ended with this error and no other, which names a file below `where`, and says what to do. */
function expectFull(run: TwinRun, code: string, where: string): void {
  expectRefusal(run, code, 74, `${where}/`, /no space|disk is full|disk I\/O error/);
  expect(String(eventsOf(run, "error")[0]?.["hint"])).toMatch(
    /^Free some space .*run the command again.*nothing is half visible/,
  );
  expect(eventsOf(run, "problem")).toEqual([]);
}

/** Part of the source's mail, each message whole and under its UID, and no leftovers, in the store or beside it. */
function expectNothingWrong({ source, replica, scratch }: Place): void {
  const wrong = rawDifferences(source, replica).filter(({ kind }) => !MISSING.has(kind));
  expect(wrong).toEqual([]);
  expect(storeLeaks(replica)).toEqual([]);
  const left = listStore(scratch).filter(({ kind }) => kind === "file");
  expect(left.map(({ path }) => path).filter((path) => path !== "twin-of.json")).toEqual(["lock.db"]);
}

/** With space again one run does all that is left, nothing is there twice, and the next one finds nothing to do. */
async function expectFinished({ source, replica, sync }: Place): Promise<void> {
  const run = await sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(rawDifferences(source, replica)).toEqual([]);
  expect(storeLeaks(replica)).toEqual([]);
  const again = await sync();
  expect([again.code, summaryOf(again)]).toMatchObject([0, { transactions: 0, problems: 0 }]);
}

/** A live run, a disk that is full from then on, and mail until it ends (the first may still find room in a file of ours). */
async function expectLiveEnds(
  place: Place,
  fill: () => void,
  ...full: readonly [code: string, where: string]
): Promise<void> {
  await using twin = spawnTwin(place);
  await twin.waitFor("live", ({ event }) => event === "live");
  fill();
  const inbox = join(place.source, "u1/Maildir");
  let seed = 100;
  const deliver = () => addMessage(inbox, { seed: seed++ });
  await until("the live run to end", () => !twin.isRunning() || deliver() === "", {
    deadlineMs: LIVE_MS_MAX,
    pollMs: 20,
  });
  expectFull({ ...twin.output, ...(await twin.exited) }, ...full);
}
