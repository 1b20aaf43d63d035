/** A twin does not become the source by exchanged arguments: what its scratch directory says of it counts, whatever the state. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { lineageInDaemon } from "../../../src/daemon/lineage.js";
import { findPlaces, makePlaces, noteTwin } from "../../../src/daemon/places.js";
import { runTwin, startTwin } from "../../live/lab/mailtwin.js";
import { rawDifferences, treeState } from "../../live/twin/raw-compare.js";
import { addMessage, type Bench, expectRefusal, makeMailbox, openBench } from "../../live/twin/small-store.js";

const INBOX = "u1/Maildir";
let bench: Bench;
let record: string;

beforeEach(() => {
  bench = openBench();
  record = join(bench.dir, ".replica.mailtwin/twin-of.json");
  makeMailbox(bench.source, INBOX, { messages: 3 });
  return () => bench[Symbol.dispose]();
});

/** With a state directory for each pair, as by default. */
function sync(source: string, destination: string, ...args: readonly string[]) {
  const state = join(bench.dir, `state-${source}-${destination}`.replaceAll("/", "_"));
  return runTwin(["sync", source, destination, "--json", "--state", state, ...args]);
}

async function expectDone(run: ReturnType<typeof sync>): Promise<void> {
  const ended = await run;
  expect(ended, JSON.stringify(ended)).toMatchObject({ code: 0 });
}

test("a run from a twin to its source is refused, by any name, and nothing is written", async () => {
  await expectDone(sync(bench.source, bench.replica));
  expect(statSync(record).mode & 0o777).toBe(0o600);
  addMessage(join(bench.source, INBOX), { seed: 50 });
  const before = treeState(bench.dir);
  const link = join(bench.dir, "link");
  symlinkSync("source", link);
  for (const args of [[], ["--dry-run"], ["--watch"]]) {
    expectRefusal(await sync(bench.replica, bench.source, ...args), "stores-swapped", 78, bench.source, record);
    expectRefusal(await sync(bench.replica, link, ...args), "stores-swapped", 78, record);
  }
  rmSync(link);
  expect(treeState(bench.dir).slice(1)).toStrictEqual(before.slice(1)); // the first is the directory itself, where the link was.
  await expectDone(sync(bench.source, bench.replica));
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
});

test("so is one beside a live run in the other direction", async () => {
  await using _live = await startTwin({ source: bench.source, replica: bench.replica, state: bench.state });
  expectRefusal(await sync(bench.replica, bench.source, "--watch"), "stores-swapped", 78, record);
});

test("without the file the roles are changed, and the old direction is refused from then on", async () => {
  await expectDone(sync(bench.source, bench.replica));
  rmSync(record);
  await expectDone(sync(bench.replica, bench.source));
  expectRefusal(await sync(bench.source, bench.replica), "stores-swapped", 78, ".source.mailtwin/twin-of.json");
});

test("a twin may have a twin, but no circle is closed", async () => {
  const third = join(bench.dir, "third");
  await expectDone(sync(bench.source, bench.replica));
  await expectDone(sync(bench.replica, third));
  await expectDone(sync(bench.source, bench.replica));
  expectRefusal(await sync(third, bench.source), "stores-swapped", 78, /a twin of a twin/, ".third.mailtwin");
  expect(rawDifferences(bench.source, third)).toEqual([]);
});

test("a first contact that was refused makes no twin", async () => {
  makeMailbox(bench.replica, INBOX, { messages: 2, seed: 90 });
  expectRefusal(await sync(bench.source, bench.replica), "destination-has-mail", 73);
  expect(() => statSync(record)).toThrow("ENOENT");
});

test("a run with nothing to do notes it where it is missing, damaged, or says where the source was", async () => {
  const args = ["--state", bench.state];
  await expectDone(bench.sync());
  const noted = readFileSync(record);
  const at = (path: string) => JSON.stringify({ source: { path, dev: "1", ino: "2" } });
  for (const text of [undefined, "", "{", at("/elsewhere")]) {
    if (text === undefined) rmSync(record);
    else writeFileSync(record, text);
    await expectDone(bench.sync());
    expect(readFileSync(record), text).toEqual(noted);
  }
  const { ino } = statSync(record);
  await expectDone(bench.sync());
  expect(statSync(record).ino).toBe(ino); // it says so already.
  const moved = join(bench.dir, "moved");
  renameSync(bench.source, moved);
  await expectDone(sync(moved, bench.replica, ...args));
  expect(readFileSync(record, "utf8")).toContain(moved);
});

test("of two runs in both directions that were begun at once one is refused when it notes its own", () => {
  makeMailbox(bench.replica, INBOX, { messages: 1 });
  const [there, back] = [
    findPlaces(bench.source, bench.replica, { state: bench.state }),
    findPlaces(bench.replica, bench.source, { state: bench.state }),
  ];
  noteTwin(there, makePlaces(there).sites);
  const { sites } = makePlaces(back);
  expect(() => noteTwin(back, sites)).toThrow(expect.objectContaining({ code: "stores-swapped" }));
  expect(() => statSync(join(back.scratch, "twin-of.json"))).toThrow("ENOENT");
  noteTwin(there, makePlaces(there).sites);
});

describe("with a scratch directory elsewhere", () => {
  let elsewhere: string;

  beforeEach(() => {
    elsewhere = join(bench.dir, "elsewhere");
  });

  const there = () => sync(bench.source, bench.replica, "--scratch", elsewhere);

  test("the same is noted in the default place: a reversed copy and a circle are refused", async () => {
    const third = join(bench.dir, "third");
    await expectDone(there());
    expect(readdirSync(join(bench.dir, ".replica.mailtwin")).sort()).toEqual(["lock.db", "twin-of.json"]);
    expect(readFileSync(record)).toEqual(readFileSync(join(elsewhere, "twin-of.json")));
    const before = treeState(bench.dir);
    for (const args of [[], ["--dry-run"]])
      expectRefusal(await sync(bench.replica, bench.source, ...args), "stores-swapped", 78, bench.source, record);
    expect(treeState(bench.dir)).toStrictEqual(before);
    await expectDone(sync(bench.replica, third, "--scratch", join(bench.dir, "elsewhere-too")));
    expectRefusal(await sync(third, bench.source), "stores-swapped", 78, /a twin of a twin/, ".third.mailtwin");
    await expectDone(there());
  });

  test("one that an earlier release or a crash left without is noted by the next run, which has nothing to do", async () => {
    await expectDone(there());
    rmSync(join(bench.dir, ".replica.mailtwin"), { recursive: true });
    await expectDone(there());
    expectRefusal(await sync(bench.replica, bench.source), "stores-swapped", 78, record);
  });

  test("a first contact that was refused leaves nothing beside", async () => {
    makeMailbox(bench.replica, INBOX, { messages: 2, seed: 90 });
    expectRefusal(await there(), "destination-has-mail", 73);
    expect(existsSync(join(bench.dir, ".replica.mailtwin"))).toBe(false);
  });

  test("without the note the roles are changed", async () => {
    await expectDone(there());
    rmSync(record);
    await expectDone(sync(bench.replica, bench.source));
  });

  test("in a mail root nothing of ours is made, and whose twin it is is not known there", async () => {
    writeFileSync(join(bench.dir, "subscriptions"), ""); // Dovecot's: LAYOUT=fs
    await expectDone(there());
    expect(existsSync(join(bench.dir, ".replica.mailtwin"))).toBe(false);
    await expectDone(sync(bench.replica, bench.source, "--scratch", join(bench.dir, "elsewhere-too")));
  });

  test("what stands there and is not ours is left as it is, and keeps no run", async () => {
    const foreign = join(bench.dir, ".replica.mailtwin");
    mkdirSync(foreign, { mode: 0o777 });
    chmodSync(foreign, 0o777);
    await expectDone(there());
    expect(readdirSync(foreign)).toEqual([]);
  });

  test("a live run holds it, for a daemon that has the twin as a source", async () => {
    {
      await using _live = await startTwin({
        ...{ source: bench.source, replica: bench.replica, state: bench.state },
        args: ["--scratch", elsewhere],
      });
      expect(lineageInDaemon(bench.replica, undefined)).toHaveLength(2);
    }
    expect(lineageInDaemon(bench.replica, undefined)).toHaveLength(1);
  });
});
