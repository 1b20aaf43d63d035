/**
 * A mail user who owns the directories above her mail and its twin, against a mailtwin that runs as root: what she puts in the
 * place of ours is neither cleared, nor filled, nor given to her, and mail of others never becomes hers.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runTwin, startTwin } from "./lab/mailtwin.js";
import { until } from "./lab/until.js";
import { ALICE, type AliceBench, giveAll, openAliceBench } from "./twin/alice.js";
import { treeState } from "./twin/raw-compare.js";
import { addMessage, expectRefusal, makeMailbox, openBench } from "./twin/small-store.js";

/** Alice with one mailbox, and root's own directory that has what a scratch directory has. */
function fullBench(): AliceBench & { readonly project: string } {
  const bench = openAliceBench();
  makeMailbox(bench.source, "", { messages: 2 });
  giveAll(bench.source, ALICE);
  const project = join(bench.dir, "project");
  for (const area of ["build", "stage", "limbo"]) {
    mkdirSync(join(project, area, "deep"), { recursive: true, mode: 0o700 });
    writeFileSync(join(project, area, "deep/precious"), "precious");
  }
  return { ...bench, project };
}

/** Keeps a file from everybody who does not wait for it, until it is killed. */
const TAKE_LEASE = `
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(os.open(sys.argv[1], os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("taken", flush=True)
signal.pause()`;
const HAS_PYTHON = spawnSync("python3", ["--version"]).status === 0;

describe.skipIf(process.getuid?.() !== 0)("a user against root's mailtwin [needs root to become that user]", () => {
  test("plants a link, or a directory of hers, in the place of the scratch directory: refused before anything is written", async () => {
    using bench = fullBench();
    const before = treeState(bench.project);
    bench.as("ln", "-s", bench.project, bench.scratch);
    for (const args of [[], ["--scratch", bench.scratch], ["--dry-run"]])
      expectRefusal(await bench.sync(...args), "scratch-unusable", 73, bench.scratch, /symbolic link/);
    bench.as("rm", bench.scratch);
    for (const mode of ["777", "700"]) {
      bench.as("mkdir", "-m", mode, bench.scratch, join(bench.scratch, "build"));
      expectRefusal(await bench.sync(), "scratch-unusable", 73, bench.scratch, /belongs to user 71001/);
      bench.as("rm", "-r", bench.scratch);
    }
    expect(treeState(bench.project)).toEqual(before);
    expect([existsSync(bench.replica), existsSync(bench.state)]).toEqual([false, false]);
    expect((await bench.sync()).code).toBe(0);
    expect(statSync(bench.replica)).toMatchObject(ALICE);
  });

  test("exchanges the scratch directory for a link while a run is live: it ends, and nothing is cleared or made there", async () => {
    using bench = fullBench();
    await using twin = await bench.watch();
    const before = treeState(bench.project);
    bench.as("mv", bench.scratch, `${bench.scratch}-away`);
    bench.as("ln", "-s", bench.project, bench.scratch);
    makeMailbox(bench.source, ".New", { messages: 1 });
    giveAll(bench.source, ALICE);
    expect(await twin.exited).toMatchObject({ code: 73 });
    expect(twin.output.events.filter(({ event }) => event === "error")).toMatchObject([{ code: "scratch-missing" }]);
    expect(treeState(bench.project)).toEqual(before);
  });

  test("finds the state of a run in a directory that she may look into: she reads none of it", async () => {
    using bench = fullBench();
    mkdirSync(bench.state);
    chmodSync(bench.state, 0o755);
    await using twin = await bench.watch();
    const modes = () => readdirSync(bench.state).map((name) => [name, statSync(join(bench.state, name)).mode & 0o777]);
    const ours = [
      "lock.db",
      ...["replica", "source-bodies", "source"].flatMap((name) => [`${name}.db`, `${name}.db-shm`, `${name}.db-wal`]),
    ];
    await expect.poll(modes, { timeout: 20_000 }).toEqual(ours.map((name) => [name, 0o600])); // what bodies were is noted a moment later.
    expect(statSync(bench.state).mode & 0o777).toBe(0o755);
    for (const name of ours) expect(() => bench.as("cat", join(bench.state, name))).toThrow(/Permission denied/);
    expect((await twin.stop()).code).toBe(0);
    for (const name of readdirSync(bench.state)) chmodSync(join(bench.state, name), 0o644); // as an older version left it.
    expect((await bench.sync()).code).toBe(0);
    expect(new Set(modes().map(([, mode]) => mode))).toEqual(new Set([0o600]));
  });

  test("has a state directory of her own, or may write in root's: refused before anything is written", async () => {
    using bench = fullBench();
    const theirs = join(bench.home, "state");
    bench.as("mkdir", "-m", "700", theirs);
    const args = ["sync", bench.source, bench.replica, "--json", "--state"];
    for (const more of [[], ["--dry-run"]])
      expectRefusal(await runTwin([...args, theirs, ...more]), "state-unusable", 73, theirs, /belongs to user 71001/);
    mkdirSync(bench.state);
    for (const mode of [0o770, 0o702]) {
      chmodSync(bench.state, mode);
      expectRefusal(await bench.sync(), "state-unusable", 73, bench.state, /others than its owner may write/);
    }
    expect([existsSync(bench.replica), readdirSync(theirs), readdirSync(bench.state)]).toEqual([false, [], []]);
  });

  test.runIf(HAS_PYTHON)("has a lease on her uidlist: her mailbox alone waits [needs python3]", async () => {
    using bench = fullBench();
    makeMailbox(bench.source, ".Other", { messages: 1, seed: 20 });
    giveAll(bench.source, ALICE);
    expect((await bench.sync()).code).toBe(0);
    const lease = spawn("python3", ["-c", TAKE_LEASE, join(bench.replica, "dovecot-uidlist")]);
    await once(lease.stdout, "data");
    addMessage(bench.source, { seed: 30 });
    addMessage(join(bench.source, ".Other"), { seed: 31 });
    giveAll(bench.source, ALICE);
    const run = await bench.sync();
    expect(run.code).toBe(1);
    expect(run.events.at(-1)).toMatchObject({ event: "summary", saves: 1, problems: 1 });
    const told = run.events.filter(({ event }) => event === "problem" || event === "conflict");
    expect(told).toMatchObject([{ event: "problem", message: expect.stringMatching(/dovecot-uidlist: EAGAIN/) }]);
    lease.kill();
    await once(lease, "exit");
    expect((await bench.sync()).code).toBe(0);
    expect(readdirSync(join(bench.replica, "cur"))).toHaveLength(3);
  });

  test("exchanges her mail for a link to Bob's while a run is live: it ends, and none of his is in her twin", async () => {
    using bench = fullBench();
    const bobs = join(bench.dir, "bob");
    makeMailbox(bobs, "", { messages: 3, seed: 40 });
    makeMailbox(bobs, ".Secret", { messages: 2, seed: 50 });
    giveAll(bobs, { uid: 71_002, gid: 71_002 });
    await using twin = await bench.watch();
    const before = treeState(bench.replica);
    bench.as("mv", bench.source, `${bench.source}-away`);
    bench.as("ln", "-s", bobs, bench.source);
    addMessage(bobs, { seed: 60 });
    expect(await twin.exited).toMatchObject({ code: 66 });
    expect(twin.output.events.filter(({ event }) => event === "error")).toMatchObject([{ code: "store-missing" }]);
    expect(treeState(bench.replica)).toEqual(before);
    // Nor is it hers in the next run: the state is of the directory that the link has replaced.
    for (const more of [[], ["--dry-run"]]) expectRefusal(await bench.sync(...more), "stores-differ", 78, bobs);
    bench.as("rm", bench.source);
    bench.as("mv", `${bench.source}-away`, bench.source);
    expect((await bench.sync()).code).toBe(0);
    expect(treeState(bench.replica)).toEqual(before);
  });

  test("writes the GUID of Zed's folder into hers on the twin while a run is live: his mail does not come to her", async () => {
    using bench = openBench();
    const zed = { uid: 71_003, gid: 71_003 };
    makeMailbox(bench.source, "alice/Maildir", { messages: 1 });
    for (const path of ["zed/Maildir", "zed/Maildir/.F"]) makeMailbox(bench.source, path, { messages: 2, seed: 20 });
    for (const [user, owner] of [["alice", ALICE] as const, ["zed", zed] as const])
      giveAll(join(bench.source, user), owner);
    await using twin = await startTwin({ source: bench.source, replica: bench.replica, state: bench.state });
    const zeds = join(bench.replica, "zed/Maildir/.F");
    const hers = join(bench.replica, "alice/Maildir/.y");
    makeMailbox(bench.replica, "alice/Maildir/.y", { messages: 1, seed: 70 });
    writeFileSync(join(hers, "dovecot-uidlist"), readFileSync(join(zeds, "dovecot-uidlist")));
    giveAll(hers, ALICE);
    const before = treeState(hers);
    rmSync(zeds, { recursive: true });
    addMessage(join(bench.source, "zed/Maildir/.F"), { seed: 60 });
    giveAll(join(bench.source, "zed"), zed);
    await twin.waitFor("a refusal", ({ event }) => event === "problem");
    expect((await twin.stop()).code).toBe(1);
    expect(twin.output.events.filter(({ event }) => event === "problem")).toContainEqual(
      expect.objectContaining({ path: "zed/Maildir/.F", code: "mailbox-missing" }),
    );
    expect(treeState(hers)).toEqual(before);
    const run = await runTwin([
      "sync",
      bench.source,
      bench.replica,
      "--json",
      "--state",
      bench.state,
      "--foreign",
      "keep",
    ]);
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect([readdirSync(join(zeds, "cur")).length, statSync(zeds).uid]).toEqual([3, zed.uid]);
    expect(treeState(hers)).toEqual(before);
  });

  test("makes a message a program of her group's: on her twin it is a message", async () => {
    using bench = fullBench();
    const cur = join(bench.source, "cur");
    for (const [i, name] of readdirSync(cur).entries()) chmodSync(join(cur, name), i === 0 ? 0o7755 : 0o2640);
    chmodSync(cur, 0o2750);
    expect((await bench.sync()).code).toBe(0);
    const twins = join(bench.replica, "cur");
    const modes = readdirSync(twins).map((name) => (statSync(join(twins, name)).mode & 0o7777).toString(8));
    expect(modes.sort()).toEqual(["640", "755"]);
    expect(statSync(twins).mode & 0o7777).toBe(0o2750);
  });

  test("makes directories below each other by the thousand, with long names and short ones: nobody else's mail waits for more", async () => {
    using bench = openBench();
    for (const user of ["alice", "bob"]) makeMailbox(bench.source, `${user}/Maildir`, { messages: 1 });
    const alice = join(bench.source, "alice");
    giveAll(alice, ALICE);
    const bobs = join(bench.replica, "bob/Maildir/cur");
    const deep = (name: string, levels: number): void => {
      const script = `const fs = require("node:fs");
        const go = (name) => { fs.mkdirSync(name); process.chdir(name); };
        go(process.argv[1]);
        for (let level = 0; level < ${levels}; level++) go(process.argv[2]);`;
      const ids = [`--reuid=${ALICE.uid}`, `--regid=${ALICE.gid}`, "--clear-groups"];
      const args = [process.execPath, "-e", script, `.deep-${name.length}`, name];
      execFileSync("setpriv", [...ids, ...args], { cwd: join(alice, "Maildir") });
    };
    const pair = { source: bench.source, replica: bench.replica, state: bench.state };
    {
      await using twin = await startTwin(pair);
      deep("d".repeat(200), 300); // a path of 60 kB.
      deep("d", 3_000);
      addMessage(join(bench.source, "bob/Maildir"), { seed: 60 });
      await until("Bob's mail to arrive", () => readdirSync(bobs).length === 2, { deadlineMs: 60_000, pollMs: 20 });
      for (const code of ["ENAMETOOLONG", "mailbox-too-deep"])
        await twin.waitFor(code, (event) => event.event === "problem" && event["code"] === code);
      expect((await twin.stop()).code).toBe(1);
    }
    {
      await using _twin = await startTwin(pair);
      addMessage(join(bench.source, "bob/Maildir"), { seed: 61 });
      await until("Bob's mail to arrive", () => readdirSync(bobs).length === 3, { deadlineMs: 60_000, pollMs: 20 });
      execFileSync("rm", ["-rf", join(alice, "Maildir/.deep-1"), join(alice, "Maildir/.deep-200")]);
      makeMailbox(bench.source, "alice/Maildir/.New", { messages: 1 });
      giveAll(alice, ALICE);
      const hers = join(bench.replica, "alice/Maildir/.New/cur");
      await until("Alice's folder to arrive", () => existsSync(hers), { deadlineMs: 60_000, pollMs: 20 });
    }
    expect((await runTwin(["sync", bench.source, bench.replica, "--json", "--state", bench.state])).code).toBe(0);
  });
});
