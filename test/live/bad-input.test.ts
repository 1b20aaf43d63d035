/**
 * Commands that cannot work: each is refused with one sentence that names the thing, a hint, and an exit code of
 * sysexits(3), and nothing was changed anywhere.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { listStore } from "./lab/files.js";
import { runTwin } from "./lab/mailtwin.js";
import { ensureMailOwner } from "./lab/place.js";
import { runTwinAs } from "./twin/as-user.js";
import { rawDifferences, treeState } from "./twin/raw-compare.js";
import {
  addMessage,
  type Bench,
  eventsOf,
  expectOneProblem,
  expectRefusal,
  makeMailbox,
  openBench,
} from "./twin/small-store.js";

const IS_ROOT = process.getuid?.() === 0;

describe("a command line that cannot be meant", () => {
  test("is a usage error with a pointer to the help", async () => {
    for (const args of [["sync"], ["sync", "/a"], ["sync", "/a", "/b", "--no-such"], ["no-such-command"]]) {
      const run = await runTwin(args);
      expect(run.code, args.join(" ")).toBe(64);
      expect(run.stderr, args.join(" ")).toMatch(/error: .*--help/s);
    }
    using bench = filledBench();
    expectRefusal(await bench.sync("--watch", "--dry-run"), "usage", 64, "--dry-run", "--watch");
    const bad = await bench.sync("--foreign", "burn");
    expect(bad.code).toBe(64);
    expect(bad.stderr).toMatch(/burn.*keep, limbo/s);
  });

  test("without --json the words go to stderr, and nothing to stdout", async () => {
    using bench = openBench();
    const run = await runTwin(["sync", join(bench.dir, "absent"), bench.replica, "--state", bench.state]);
    expect(run).toMatchObject({ code: 66, strayOutput: [], events: [] });
    expect(run.stderr).toMatch(/^mailtwin: .*absent: there is no such directory\.\n.{10,}\n$/);
  });
});

describe("stores that cannot be twinned", () => {
  test("a source that is missing, or no directory", async () => {
    using bench = openBench();
    rmSync(bench.source, { recursive: true });
    expectRefusal(await bench.sync(), "source-missing", 66, bench.source, /no such directory/);
    writeFileSync(bench.source, "mbox");
    expectRefusal(await bench.sync(), "source-missing", 66, bench.source, /not a directory/);
    expect(readdirSync(bench.dir)).toEqual(["source"]);
  });

  test("one inside the other, also by way of a link, and one and the same", async () => {
    using bench = filledBench();
    const before = treeState(bench.source);
    const state = ["--json", "--state", bench.state];
    const inner = join(bench.source, "u1");
    symlinkSync(bench.source, join(bench.dir, "alias"));
    const pairs = [
      [bench.source, join(bench.source, "copy")],
      [inner, bench.source],
      [bench.source, bench.source],
      [bench.source, join(bench.dir, "alias", "copy")],
      [join(bench.dir, "alias", "u1"), bench.source],
    ] as const;
    for (const [source, replica] of pairs) {
      expectRefusal(await runTwin(["sync", source, replica, ...state]), "stores-overlap", 64, bench.source, /inside/);
    }
    expect(treeState(bench.source)).toEqual(before);
    expect(existsSync(bench.state)).toBe(false);
  });

  test("a state directory inside a store", async () => {
    using bench = filledBench();
    const run = await runTwin(["sync", bench.source, bench.replica, "--json", "--state", join(bench.source, "state")]);
    expectRefusal(run, "state-inside-store", 64, join(bench.source, "state"));
    expect(existsSync(join(bench.source, "state"))).toBe(false);
    expect(existsSync(bench.replica)).toBe(false);
  });

  test("a destination that is a file, or below nothing", async () => {
    using bench = filledBench();
    writeFileSync(bench.replica, "");
    expectRefusal(await bench.sync(), "destination-unusable", 73, bench.replica, /not a directory/);
    const args = ["--json", "--state", bench.state];
    const lost = join(bench.dir, "no", "such", "parent");
    expectRefusal(await runTwin(["sync", bench.source, lost, ...args]), "destination-unusable", 73, lost);
  });

  test("a second twin on the same state directory", async () => {
    using bench = filledBench();
    expect((await bench.sync()).code).toBe(0);
    const { spawnTwin } = await import("./lab/mailtwin.js");
    await using first = spawnTwin(bench);
    await first.waitFor("live", ({ event }) => event === "live");
    expectRefusal(await bench.sync(), "state-in-use", 75, bench.state);
    expect(await first.stop()).toEqual({ code: 0, signal: undefined });
  });
});

describe.skipIf(!IS_ROOT)("permissions that are lacking [needs root to take them away]", () => {
  test("to read one mailbox: it is named, the others flow", async () => {
    using bench = filledBench();
    const owner = ownedBench(bench);
    const secret = join(bench.source, "u1/Maildir/.Secret");
    makeMailbox(bench.source, "u1/Maildir/.Secret", { messages: 2, seed: 40 });
    chmodSync(secret, 0o000);
    const run = await runTwinAs(owner, ["sync", bench.source, bench.replica, "--json", "--state", bench.state]);
    expectOneProblem(run, "u1/Maildir/.Secret", "EACCES", "u1/Maildir/.Secret");
    const missing = rawDifferences(bench.source, bench.replica);
    expect(missing.map(({ words }) => words)).toEqual([expect.stringMatching(/\.Secret: is a mailbox in A only/)]);
    chownSync(secret, owner.uid, owner.gid);
    chmodSync(secret, 0o700);
    chownTree(secret, owner);
    const again = await runTwinAs(owner, ["sync", bench.source, bench.replica, "--json", "--state", bench.state]);
    expect(again.code, JSON.stringify(again)).toBe(0);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });

  test("to read the source at all", async () => {
    using bench = filledBench();
    const owner = ownedBench(bench);
    chownSync(bench.source, 0, 0);
    chmodSync(bench.source, 0o700);
    const run = await runTwinAs(owner, ["sync", bench.source, bench.replica, "--json", "--state", bench.state]);
    expect([66, 77]).toContain(run.code);
    expect(JSON.stringify(eventsOf(run, "error"))).toMatch(/EACCES/);
    expect(existsSync(bench.replica) ? readdirSync(bench.replica) : []).toEqual([]);
  });

  test("to make the destination, the scratch directory beside it, or the state directory", async () => {
    using bench = filledBench();
    const owner = ownedBench(bench);
    const locked = join(bench.dir, "locked");
    mkdirSync(locked, { mode: 0o755 });
    const sync = (replica: string, state: string) =>
      runTwinAs(owner, ["sync", bench.source, replica, "--json", "--state", state]);
    expectRefusal(await sync(join(locked, "copy"), bench.state), "destination-unusable", 73, locked, /EACCES/);
    mkdirSync(join(locked, "copy"));
    chownSync(join(locked, "copy"), owner.uid, owner.gid);
    expectRefusal(await sync(join(locked, "copy"), bench.state), "scratch-unusable", 73, locked, /EACCES/);
    expect(readdirSync(join(locked, "copy"))).toEqual([]);
    expectRefusal(
      await sync(bench.replica, join(locked, "state")),
      "state-unusable",
      73,
      join(locked, "state"),
      /EACCES/,
    );
    expect(existsSync(bench.replica)).toBe(false);
  });

  test("to write into the destination's mailbox: it is named, the others flow", async () => {
    using bench = filledBench();
    const owner = ownedBench(bench);
    expect((await runTwinAs(owner, ["sync", bench.source, bench.replica, "--json", "--state", bench.state])).code).toBe(
      0,
    );
    const locked = join(bench.replica, "u1/Maildir/.Work");
    for (const { path } of listStore(locked).filter(({ kind }) => kind === "directory"))
      chownSync(join(locked, path), 0, 0);
    chownSync(locked, 0, 0);
    for (const path of ["u1/Maildir/.Work", "u1/Maildir", "u2/Maildir"])
      addMessage(join(bench.source, path), { seed: 60 });
    chownTree(bench.source, owner);
    const before = treeState(locked);
    const run = await runTwinAs(owner, ["sync", bench.source, bench.replica, "--json", "--state", bench.state]);
    expect([1, 77]).toContain(run.code);
    expect(JSON.stringify([...eventsOf(run, "problem"), ...eventsOf(run, "error")])).toMatch(
      /\.Work.*EACCES|EACCES.*\.Work/,
    );
    expect(treeState(locked)).toEqual(before);
    expect(readdirSync(join(bench.replica, "u1/Maildir/cur"))).toHaveLength(5);
    expect(readdirSync(join(bench.replica, "u2/Maildir/cur"))).toHaveLength(3);
  });
});

function filledBench(): Bench {
  const bench = openBench();
  makeMailbox(bench.source, "u1/Maildir", { messages: 4 });
  makeMailbox(bench.source, "u1/Maildir/.Work", { messages: 3, seed: 10 });
  makeMailbox(bench.source, "u2/Maildir", { messages: 2, seed: 20 });
  return bench;
}

/** Gives all of it to the mail owner, as mail stores are. */
function ownedBench(bench: Bench): { readonly uid: number; readonly gid: number } {
  const owner = ensureMailOwner();
  chmodSync(bench.dir, 0o755);
  chownSync(bench.dir, owner.uid, owner.gid);
  chownTree(bench.source, owner);
  return owner;
}

function chownTree(root: string, owner: { readonly uid: number; readonly gid: number }): void {
  chownSync(root, owner.uid, owner.gid);
  for (const { path } of listStore(root)) chownSync(join(root, path), owner.uid, owner.gid);
}
