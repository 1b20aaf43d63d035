/** Volumes inside of the source, really mounted: one that is not there has none of its mail deleted, and all others go on. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openTwoDaemons } from "../unit/daemon/run/two-daemons.js";
import { until } from "./lab/until.js";
import type { DaemonEvent } from "./sites/daemon-process.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { canMount } from "./twin/small-disk.js";
import { addMessage, type Bench, eventsOf, makeMailbox, openBench, summaryOf } from "./twin/small-store.js";

const [OWN, THEIRS] = ["own.example/u1/Maildir", "volume.example/u2/Maildir"];
const VOLUME = "volume.example";

function run(command: string, ...args: readonly string[]): void {
  const done = spawnSync(command, args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${done.stderr}`);
}

/** A file system of its own at `dir`, with a directory for each volume: what is in them outlasts their mounts. */
function openVolumes(dir: string) {
  const disk = join(dir, "disk");
  mkdirSync(disk);
  run("mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", disk);
  const mounted = [disk];
  return {
    mount(volume: string, path: string) {
      mkdirSync(join(disk, volume), { recursive: true });
      mkdirSync(path, { recursive: true });
      run("mount", "--bind", join(disk, volume), path);
      mounted.push(path);
    },
    unmount(path: string) {
      run("umount", path);
      mounted.splice(mounted.lastIndexOf(path), 1);
    },
    [Symbol.dispose]() {
      for (const path of mounted.toReversed()) spawnSync("umount", ["-l", path]);
    },
  };
}

function openTwin() {
  const bench = openBench();
  const volumes = openVolumes(bench.dir);
  const point = join(bench.source, VOLUME);
  volumes.mount("one", point);
  const own = makeMailbox(bench.source, OWN, { messages: 3 });
  makeMailbox(bench.source, THEIRS, { messages: 4, seed: 30 });
  const dispose = () => {
    volumes[Symbol.dispose]();
    bench[Symbol.dispose]();
  };
  return { bench, volumes, point, own, [Symbol.dispose]: dispose };
}

/** Ended with 1, and these two problems; all of the volume stands on DST. */
async function expectHeld(bench: Bench, held: RegExp): Promise<void> {
  const ended = await bench.sync();
  expect(ended.code, JSON.stringify(ended)).toBe(1);
  const problems = eventsOf(ended, "problem").map(({ code, path }) => [code, path]);
  expect(problems.sort()).toEqual([
    ["deletions-held", ""],
    ["mount-missing", VOLUME],
  ]);
  const [brake] = eventsOf(ended, "problem").filter(({ code }) => code === "deletions-held");
  expect(String(brake?.["message"])).toMatch(held);
  expect(summaryOf(ended)).toMatchObject({ mailboxesDeleted: 0, expunges: 0 });
}

const HELD =
  /the file system that belongs there is not mounted at volume\.example; held back: 4 messages in 1 mailbox /;

describe.skipIf(!canMount())("a volume inside of the source [needs root to mount one]", () => {
  test("that is not mounted at the next run: its few mails stay on DST, all else goes on, and it goes on when it is", async () => {
    using twin = openTwin();
    const { bench, volumes, point, own } = twin;
    expect((await bench.sync()).code).toBe(0);
    volumes.unmount(point);
    addMessage(own, { seed: 900 });
    await expectHeld(bench, HELD);
    expect(rawDifferences(join(bench.source, OWN), join(bench.replica, OWN))).toEqual([]);
    await expectHeld(bench, HELD);
    volumes.mount("one", point);
    addMessage(join(bench.source, THEIRS), { seed: 901 });
    const after = await bench.sync();
    expect(after.code, JSON.stringify(after)).toBe(0);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });

  test("below whose mount point an old copy of the same mailboxes lies: nothing of that is taken for the mail", async () => {
    using twin = openTwin();
    const { bench, volumes, point } = twin;
    cpSync(join(bench.source, THEIRS), join(bench.dir, "old"), { recursive: true, preserveTimestamps: true });
    addMessage(join(bench.source, THEIRS), { seed: 950 });
    expect((await bench.sync()).code).toBe(0);
    volumes.unmount(point);
    cpSync(join(bench.dir, "old"), join(bench.source, THEIRS), { recursive: true, preserveTimestamps: true });
    addMessage(join(bench.source, THEIRS), { seed: 951 });
    await expectHeld(bench, /held back: 5 messages in 1 mailbox /);
    volumes.mount("one", point);
    expect((await bench.sync()).code).toBe(0);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });

  test("another one in its place, and that it is right is said by a person", async () => {
    using twin = openTwin();
    const { bench, volumes, point } = twin;
    expect((await bench.sync()).code).toBe(0);
    volumes.unmount(point);
    volumes.mount("two", point);
    await expectHeld(bench, HELD);
    const approved = await bench.sync("--approve-deletions");
    expect(approved.code, JSON.stringify(approved)).toBe(0);
    expect(summaryOf(approved)).toMatchObject({ mailboxesDeleted: 1, messagesOfDeleted: 4 });
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });

  test("that was given up, its mail being moved into the store itself, is replicated from there once that is said", async () => {
    using twin = openTwin();
    const { bench, volumes, point } = twin;
    expect((await bench.sync()).code).toBe(0);
    const moved = join(bench.dir, "moved");
    cpSync(point, moved, { recursive: true, preserveTimestamps: true });
    volumes.unmount(point);
    renameSync(moved, `${point}.new`);
    run("rmdir", point);
    renameSync(`${point}.new`, point);
    addMessage(join(bench.source, THEIRS), { seed: 960 });
    await expectHeld(bench, HELD);
    const approved = await bench.sync("--approve-deletions");
    expect(approved.code, JSON.stringify(approved)).toBe(0);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
    expect((await bench.sync()).code).toBe(0);
  });

  test("that goes while a daemon runs needs a person, who mounts it", { timeout: 120_000 }, async () => {
    await using two = openTwoDaemons();
    using volumes = openVolumes(two.dir);
    const point = join(two.source, VOLUME);
    volumes.mount("one", point);
    const own = makeMailbox(two.source, OWN, { messages: 3 });
    const theirs = makeMailbox(two.source, THEIRS, { messages: 4, seed: 30 });
    two.configure({});
    two.start("replica");
    const source = two.start("source");
    const named = (msg: string) => (event: DaemonEvent) => event.msg === msg;
    await source.waitFor("live", (event) => event.msg === "replica-state" && event["state"] === "live");
    // Lazily, as it is being watched: it is gone for whoever comes by.
    run("umount", "-l", point);
    const held = await source.waitFor("the volume to be missed", named("store-needs-you"));
    expect(held).toMatchObject({ code: "deletions-held", message: expect.stringMatching(HELD) });
    const before = readFileSync(join(two.replica, THEIRS, "dovecot-uidlist"), "latin1");
    addMessage(own, { seed: 970 });
    const equal = (path: string) => () => rawDifferences(join(two.source, path), join(two.replica, path)).length === 0;
    await until("the others to go on", equal(OWN));
    expect(readFileSync(join(two.replica, THEIRS, "dovecot-uidlist"), "latin1")).toBe(before);
    volumes.mount("one", point);
    addMessage(theirs, { seed: 971 });
    await until("all to go on", equal(THEIRS), { deadlineMs: 60_000 });
    await source.stop();
    expect(source.events.filter(({ level }) => Number(level) >= 50).map(({ code }) => code)).toEqual(
      expect.arrayContaining(["deletions-held"]),
    );
  });
});
