/**
 * What the user may not do, or nobody may on a file system that is read-only. A store that is refused as a whole ends the run
 * before anything is begun: 66 for a source that cannot be read, 73 for what cannot be written. One mailbox is a problem of
 * its own (1), and the others flow.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { listStore } from "./lab/files.js";
import { runTwin } from "./lab/mailtwin.js";
import { ensureMailOwner, type UserIds } from "./lab/place.js";
import { runTwinAs, startTwinAs } from "./twin/as-user.js";
import { contentsOf } from "./twin/contents.js";
import { rawDifferences, treeState } from "./twin/raw-compare.js";
import { canMount, openSmallDisk } from "./twin/small-disk.js";
import {
  addMessage,
  type Bench,
  eventsOf,
  expectOneProblem,
  expectRefusal,
  expectRefusedUntouched,
  filledBench,
} from "./twin/small-store.js";

const IS_ROOT = process.getuid?.() === 0;
const ROOT: UserIds = { uid: 0, gid: 0 };
const WORK = "u1/Maildir/.Work";

describe.skipIf(!IS_ROOT)("permissions that are lacking [needs root to take them away]", () => {
  describe("to read the source", () => {
    test("at all: nothing is begun, on the first run and on later ones", async () => {
      using bench = ownedBench();
      const refusal = ["source-unreadable", 66, `the source ${bench.source}: EACCES`] as const;
      give(bench.source, ROOT);
      for (const mode of [0o700, 0o711, 0o744]) {
        chmodSync(bench.source, mode);
        for (const args of [[], ["--watch"], ["--dry-run"]]) expectRefusal(await bench.syncAs(...args), ...refusal);
      }
      expect(readdirSync(bench.dir)).toEqual(["source"]);
      chmodSync(bench.source, 0o755);
      await expectEqual(bench);
      chmodSync(bench.source, 0o700);
      await expectRefusedUntouched(bench, () => bench.syncAs(), ...refusal);
      chmodSync(bench.source, 0o755);
      await expectEqual(bench);
    });

    test.each([
      ["to it", 0o000],
      ["to list it", 0o300],
      ["to look into it", 0o600],
    ])("%s, while a run is live: it ends with what it would have begun with", async (_, mode) => {
      using bench = ownedBench();
      await using twin = await startTwinAs(bench.owner, bench);
      const before = contentsOf(bench.replica);
      chmodSync(bench.source, mode);
      addMessage(join(bench.source, WORK), { seed: 61 });
      const ended = await twin.exited;
      expectRefusal({ ...twin.output, ...ended }, "store-unreadable", 66, `${bench.source}: EACCES`);
      expect(contentsOf(bench.replica)).toEqual(before);
      expectRefusal(await bench.syncAs(), "source-unreadable", 66, `the source ${bench.source}: EACCES`);
      chmodSync(bench.source, 0o755);
      giveTree(bench.source, bench.owner);
      await expectEqual(bench);
    });

    test("by a directory above it", async () => {
      using bench = ownedBench();
      give(bench.dir, ROOT);
      chmodSync(bench.dir, 0o700);
      expectRefusal(await bench.syncAs(), "source-unreadable", 66, `the source ${bench.source}: EACCES`);
      expect(readdirSync(bench.dir)).toEqual(["source"]);
    });

    test.each([
      ["the mailbox", WORK],
      ["its uidlist", `${WORK}/dovecot-uidlist`],
      ["its cur/", `${WORK}/cur`],
    ])("in one place, %s: it is named, the others flow", async (_, place) => {
      using bench = ownedBench();
      const locked = join(bench.source, place);
      give(locked, ROOT);
      chmodSync(locked, 0o600);
      const before = contentsOf(bench.source);
      expectOneProblem(await bench.syncAs(), WORK, "EACCES", WORK, /EACCES/);
      expect(contentsOf(bench.source)).toEqual(before);
      expect(rawDifferences(bench.source, bench.replica)).toMatchObject([
        { kind: "mailbox-missing", words: expect.stringMatching(/\.Work: is a mailbox in A only/) },
      ]);
      give(locked, bench.owner);
      chmodSync(locked, 0o700);
      await expectEqual(bench);
    });

    test("of one message: it is named, its mailbox waits, and loses nothing", async () => {
      using bench = ownedBench();
      await expectEqual(bench);
      const name = addMessage(join(bench.source, WORK), { seed: 70 });
      const file = join(bench.source, WORK, "cur", `${name}:2,`);
      addMessage(join(bench.source, "u2/Maildir"), { seed: 71 });
      giveTree(bench.source, bench.owner);
      give(file, ROOT);
      const before = contentsOf(join(bench.replica, WORK));
      expectOneProblem(await bench.syncAs(), WORK, "EACCES", file, /EACCES/);
      expect(contentsOf(join(bench.replica, WORK))).toEqual(before);
      expect(readdirSync(join(bench.replica, "u2/Maildir/cur"))).toHaveLength(3);
      give(file, bench.owner);
      await expectEqual(bench);
    });

    test("of every user: all are named, and nothing is taken for deleted", async () => {
      using bench = ownedBench();
      await expectEqual(bench);
      const users = ["u1", "u2"].map((user) => join(bench.source, user));
      for (const user of users) {
        give(user, ROOT);
        chmodSync(user, 0o700);
      }
      const before = contentsOf(bench.replica);
      const run = await bench.syncAs();
      expect(run.code, JSON.stringify(run)).toBe(1);
      expect(eventsOf(run, "problem")).toMatchObject(["u1", "u2"].map((path) => ({ path, code: "EACCES" })));
      expect(contentsOf(bench.replica)).toEqual(before);
    });
  });

  describe("to write", () => {
    test("the destination, or the scratch directory beside it, where they would be made", async () => {
      using bench = ownedBench();
      const locked = join(bench.dir, "locked");
      mkdirSync(locked, { mode: 0o755 });
      const copy = join(locked, "copy");
      expectRefusal(await bench.syncAs({ replica: copy }), "destination-unusable", 73, copy, /EACCES/);
      mkdirSync(copy);
      give(copy, bench.owner);
      expectRefusal(await bench.syncAs({ replica: copy }), "scratch-unusable", 73, locked, /EACCES/);
      expect(readdirSync(copy)).toEqual([]);
    });

    test("an empty destination, or to read it", async () => {
      using bench = ownedBench();
      mkdirSync(bench.replica, { mode: 0o755 });
      await expectRefusedUntouched(
        ...[bench, () => bench.syncAs()],
        ...(["destination-unusable", 73, `writing to the destination ${bench.replica}: EACCES`] as const),
      );
      chmodSync(bench.replica, 0o733);
      await expectRefusedUntouched(
        ...[bench, () => bench.syncAs()],
        ...(["destination-unusable", 73, `reading the destination ${bench.replica}: EACCES`] as const),
      );
      give(bench.replica, bench.owner);
      await expectEqual(bench);
    });

    test("one mailbox of the destination: it is named, the others flow, and it goes on later", async () => {
      using bench = ownedBench();
      await expectEqual(bench);
      const locked = join(bench.replica, WORK);
      giveTree(locked, ROOT);
      for (const path of [WORK, "u1/Maildir", "u2/Maildir"]) addMessage(join(bench.source, path), { seed: 60 });
      giveTree(bench.source, bench.owner);
      const before = treeState(locked);
      const source = contentsOf(bench.source);
      expectOneProblem(await bench.syncAs(), WORK, "mailbox-denied", locked, /EACCES/);
      expect(treeState(locked)).toEqual(before);
      expect(contentsOf(bench.source)).toEqual(source);
      expect(readdirSync(join(bench.replica, "u1/Maildir/cur"))).toHaveLength(5);
      expect(readdirSync(join(bench.replica, "u2/Maildir/cur"))).toHaveLength(3);
      giveTree(locked, bench.owner);
      await expectEqual(bench);
    });

    test("the state directory: to make it, to write in it, to use one of its files", async () => {
      using bench = ownedBench();
      const locked = join(bench.dir, "locked");
      mkdirSync(locked, { mode: 0o755 });
      const state = join(locked, "a", "state");
      expectRefusal(await bench.syncAs({ state }), "state-unusable", 73, state, /EACCES/);
      expect(existsSync(bench.replica)).toBe(false);
      await expectEqual(bench);
      addMessage(join(bench.source, WORK), { seed: 61 });
      giveTree(bench.source, bench.owner);
      give(bench.state, ROOT);
      const refused = (why: string) =>
        expectRefusedUntouched(bench, () => bench.syncAs(), "state-unusable", 73, `${bench.state}: ${why}`);
      chmodSync(bench.state, 0o755);
      await refused("it belongs to user 0");
      chmodSync(bench.state, 0o700);
      await refused("EACCES");
      give(bench.state, bench.owner);
      chmodSync(bench.state, 0o500);
      await refused("EACCES");
      chmodSync(bench.state, 0o700);
      const file = join(bench.state, "replica.db");
      chmodSync(file, 0o600);
      give(file, ROOT);
      await expectRefusedUntouched(bench, () => bench.syncAs(), "state-unreachable", 77, file);
      give(file, bench.owner);
      await expectEqual(bench);
    });
  });
});

describe.skipIf(!canMount())("a file system that is read-only [needs root to mount one]", () => {
  test("for a destination that is to be made there, or that is its mount point", async () => {
    using bench = filledBench();
    using disk = openSmallDisk(bench.dir, "4m");
    disk.remount("ro");
    for (const replica of [join(disk.path, "copy"), disk.path]) {
      const run = () => runTwin(["sync", bench.source, replica, "--json", "--state", bench.state]);
      await expectRefusedUntouched(bench, run, "destination-read-only", 73, replica, /read-only/);
    }
    expect(readdirSync(disk.path)).toEqual([]);
  });

  test("for a destination that was written to: 0 while there is nothing to do, then refused, then it goes on", async () => {
    using bench = filledBench();
    using disk = openSmallDisk(bench.dir, "4m");
    const replica = join(disk.path, "copy");
    const sync = () => runTwin(["sync", bench.source, replica, "--json", "--state", bench.state]);
    expect((await sync()).code).toBe(0);
    disk.remount("ro");
    expect((await sync()).code).toBe(0);
    addMessage(join(bench.source, WORK), { seed: 61 });
    const before = treeState(disk.path);
    await expectRefusedUntouched(bench, sync, "destination-read-only", 73, replica, /read-only/);
    expect(treeState(disk.path)).toEqual(before);
    disk.remount("rw");
    expect((await sync()).code).toBe(0);
    expect(rawDifferences(bench.source, replica)).toEqual([]);
  });

  test("for the state directory", async () => {
    using bench = filledBench();
    using disk = openSmallDisk(bench.dir, "4m");
    const state = join(disk.path, "a", "state");
    const sync = () => runTwin(["sync", bench.source, bench.replica, "--json", "--state", state]);
    disk.remount("ro");
    await expectRefusedUntouched(bench, sync, "state-unusable", 73, state, /EROFS/);
    disk.remount("rw");
    expect((await sync()).code).toBe(0);
    addMessage(join(bench.source, WORK), { seed: 61 });
    disk.remount("ro");
    await expectRefusedUntouched(bench, sync, "state-unusable", 73, state, /EROFS/);
  });
});

interface OwnedBench extends Bench {
  readonly owner: UserIds;
  /** As the mail owner. */
  syncAs(
    ...args: readonly (string | { readonly replica?: string; readonly state?: string })[]
  ): ReturnType<typeof runTwinAs>;
}

/** All of it belongs to the mail owner, as mail stores do. */
function ownedBench(): OwnedBench {
  const bench = filledBench();
  const owner = ensureMailOwner();
  chmodSync(bench.dir, 0o755);
  give(bench.dir, owner);
  giveTree(bench.source, owner);
  return {
    ...bench,
    owner,
    syncAs: (...args) => {
      const flags = args.filter((arg) => typeof arg === "string");
      const { replica, state } = { ...bench, ...args.find((arg) => typeof arg === "object") };
      return runTwinAs(owner, ["sync", bench.source, replica, "--json", "--state", state, ...flags]);
    },
  };
}

async function expectEqual(bench: OwnedBench): Promise<void> {
  const run = await bench.syncAs();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
}

function give(path: string, { uid, gid }: UserIds): void {
  chownSync(path, uid, gid);
}

function giveTree(root: string, owner: UserIds): void {
  give(root, owner);
  for (const { path } of listStore(root)) give(join(root, path), owner);
}
