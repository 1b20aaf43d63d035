/**
 * The destination's disk is full in the middle: the command says so, what is visible is whole, nothing else is left, and
 * with more space the next run finishes the work.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { listStore, storeLeaks } from "./lab/files.js";
import { runTwin } from "./lab/mailtwin.js";
import { rawDifferences, treeState } from "./twin/raw-compare.js";
import { addMessage, type Bench, eventsOf, makeMailbox, openBench } from "./twin/small-store.js";

const MAIL_BYTES = 40_000;
/** What may be missing on a disk that was full: messages and mailboxes, with their UIDs; nothing may be wrong. */
const MISSING = new Set(["mailbox-missing", "message-missing", "next-uid"]);

describe.skipIf(!canMount())("a full disk [needs root to mount a small one]", () => {
  test("in the middle of seeding, and then again with more space", async () => {
    using disk = openDisk("8m");
    const { bench, replica } = disk;
    for (const [user, seed] of [
      ["u1", 0],
      ["u2", 1_000],
      ["u3", 2_000],
    ] as const) {
      makeMailbox(bench.source, `${user}/Maildir`, { messages: 100, bytes: MAIL_BYTES, seed });
    }
    const before = treeState(bench.source);
    const args = ["sync", bench.source, replica, "--json", "--state", bench.state];
    const run = await runTwin(args);
    expectFull(run.code, [...eventsOf(run, "error"), ...eventsOf(run, "problem")]);
    expectNothingWrong(bench, replica);
    // The same again: still full, still nothing wrong.
    const again = await runTwin(args);
    expectFull(again.code, [...eventsOf(again, "error"), ...eventsOf(again, "problem")]);
    expectNothingWrong(bench, replica);
    expect(treeState(bench.source)).toEqual(before);
    disk.grow("64m");
    const last = await runTwin(args);
    expect(last.code, JSON.stringify(last)).toBe(0);
    expect(rawDifferences(bench.source, replica)).toEqual([]);
    expect(storeLeaks(replica)).toEqual([]);
  });

  test("by one large mail into a mailbox that is there already", async () => {
    using disk = openDisk("4m");
    const { bench, replica } = disk;
    makeMailbox(bench.source, "u1/Maildir", { messages: 10 });
    const args = ["sync", bench.source, replica, "--json", "--state", bench.state];
    expect((await runTwin(args)).code).toBe(0);
    addMessage(join(bench.source, "u1/Maildir"), { seed: 50, bytes: 6 * 1024 * 1024 });
    addMessage(join(bench.source, "u1/Maildir"), { seed: 51 });
    makeMailbox(bench.source, "u2/Maildir", { messages: 2, seed: 60 });
    const run = await runTwin(args);
    expectFull(run.code, [...eventsOf(run, "error"), ...eventsOf(run, "problem")]);
    expectNothingWrong(bench, replica);
    disk.grow("32m");
    const last = await runTwin(args);
    expect(last.code, JSON.stringify(last)).toBe(0);
    expect(rawDifferences(bench.source, replica)).toEqual([]);
  });
});

function expectFull(code: number | undefined, events: readonly object[]): void {
  expect([1, 74], JSON.stringify(events)).toContain(code);
  expect(JSON.stringify(events)).toMatch(/ENOSPC|no space/i);
  expect(JSON.stringify(events)).toMatch(/[Ff]ree some space/);
}

/** Part of the source's mail, each message whole and under its UID, and no leftovers, in the store or beside it. */
function expectNothingWrong(bench: Bench, replica: string): void {
  const wrong = rawDifferences(bench.source, replica).filter(({ kind }) => !MISSING.has(kind));
  expect(wrong).toEqual([]);
  expect(storeLeaks(replica)).toEqual([]);
  const left = listStore(join(replica, "..", ".store.mailtwin")).filter(({ kind }) => kind === "file");
  expect(left.map(({ path }) => path)).toEqual(["lock.db"]);
}

interface SmallDisk extends Disposable {
  readonly bench: Bench;
  /** On the small disk. */
  readonly replica: string;
  grow(size: string): void;
}

function openDisk(size: string): SmallDisk {
  const bench = openBench();
  const mountPoint = join(bench.dir, "disk");
  mkdirSync(mountPoint);
  mount(["-t", "tmpfs", "-o", `size=${size},mode=755`, "tmpfs", mountPoint]);
  return {
    bench,
    replica: join(mountPoint, "store"),
    grow: (larger) => mount(["-o", `remount,size=${larger}`, mountPoint]),
    [Symbol.dispose]: () => {
      const done = spawnSync("umount", [mountPoint], { encoding: "utf8" });
      if (done.status !== 0) throw new Error(`umount: ${done.stderr}`);
      bench[Symbol.dispose]();
    },
  };
}

function mount(args: readonly string[]): void {
  const done = spawnSync("mount", args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`mount ${args.join(" ")}: ${done.stderr}`);
}

/** Root alone is not enough in a container. */
function canMount(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const bench = openBench();
  try {
    const done = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", bench.source]);
    if (done.status === 0) spawnSync("umount", [bench.source]);
    return done.status === 0;
  } finally {
    bench[Symbol.dispose]();
  }
}
