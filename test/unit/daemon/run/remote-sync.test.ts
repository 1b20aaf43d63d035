/**
 * `mailtwin sync SRC HOST:DST` and `mailtwin serve --stdio`, with a program in the place of ssh that runs on this host what ssh would run
 * on the other one.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type RunOptions, runTwin, type TwinRun } from "../../../live/lab/mailtwin.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import {
  addMessage,
  type Bench,
  eventsOf,
  expectRefusal,
  filledBench,
  makeMailbox,
  openBench,
  summaryOf,
} from "../../../live/twin/small-store.js";

const CLI = fileURLToPath(new URL("../../../../dist/daemon/cli.js", import.meta.url));
const MAILBOXES = ["u1/Maildir", "u1/Maildir/.Work", "u2/Maildir"];

interface Remote {
  readonly env: NonNullable<RunOptions["env"]>;
  sync(...args: readonly string[]): Promise<TwinRun>;
  adopt(...args: readonly string[]): Promise<TwinRun>;
}

/** The other host keeps its state below `there`. `forced`: what the key may run, whatever is asked for, as authorized_keys can say. */
function remoteOf({ dir, source, replica }: Bench, { remote = `node ${CLI}`, forced = '"$*"' } = {}): Remote {
  const ssh = join(dir, "ssh");
  const there = join(dir, "there");
  mkdirSync(there, { recursive: true, mode: 0o700 });
  const drop = "while case $1 in -*) true ;; *) false ;; esac; do shift; done; shift 2";
  writeFileSync(ssh, `#!/bin/sh\n${drop}\nXDG_STATE_HOME=${there} exec sh -c ${forced}\n`);
  chmodSync(ssh, 0o755);
  const env = { XDG_STATE_HOME: join(dir, "here") };
  const stores = [source, `b.example.org:${replica}`, "-e", ssh, "--remote-mailtwin", remote, "--json"];
  return {
    env,
    sync: (...args) => runTwin(["sync", ...stores, ...args], { env }),
    adopt: (...args) => runTwin(["adopt", ...stores, ...args], { env }),
  };
}

const differences = ({ source, replica }: Bench) =>
  MAILBOXES.flatMap((path) => rawDifferences(join(source, path), join(replica, path)));

describe("a store on another host", () => {
  test("is made, follows, and is left alone when nothing has changed", async () => {
    using bench = filledBench();
    const remote = remoteOf(bench);
    const first = await remote.sync();
    expect(first.code, JSON.stringify(first)).toBe(0);
    expect(summaryOf(first)).toMatchObject({ saves: 9, mailboxesMade: 3 });
    expect(differences(bench)).toStrictEqual([]);
    addMessage(join(bench.source, "u1/Maildir/.Work"), { seed: 99 });
    expect(summaryOf(await remote.sync())).toMatchObject({ saves: 1, transactions: 1 });
    expect(differences(bench)).toStrictEqual([]);
    expect(summaryOf(await remote.sync())).toMatchObject({ saves: 0, transactions: 0 });
  });

  test("is not filled by adopt, which takes over the copy that is put there", async () => {
    using bench = filledBench();
    const remote = remoteOf(bench);
    const why = /^adopting b\.example\.org:\/.*: no mailbox stands there/;
    expectRefusal(await remote.adopt("--foreign", "keep"), "nothing-to-adopt", 66, why);
    expect(MAILBOXES.filter((path) => existsSync(join(bench.replica, path)))).toStrictEqual([]);
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    addMessage(join(bench.replica, "u1/Maildir"), { seed: 60 });
    const run = await remote.adopt("--foreign", "keep");
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(summaryOf(run)).toMatchObject({ adopted: 9, saves: 0, raisedInSource: 1 });
    expect(eventsOf(run, "next-uid-raised")).toMatchObject([{ path: "u1/Maildir", from: 5, to: 6 }]);
  });

  test("keeps its own half of the state, and the source's host the other", async () => {
    using bench = filledBench();
    await remoteOf(bench).sync();
    const filesBelow = (dir: string) => readdirSync(join(bench.dir, dir), { recursive: true }).map(String);
    expect(filesBelow("here").filter((name) => name.endsWith(".db"))).toStrictEqual(
      expect.arrayContaining([expect.stringMatching(/source\.db$/)]),
    );
    expect(filesBelow("here").some((name) => name.endsWith("replica.db"))).toBe(false);
    expect(filesBelow("there").some((name) => name.endsWith("replica.db"))).toBe(true);
    expect(filesBelow("there").some((name) => name.endsWith("source.db"))).toBe(false);
  });

  test("that holds other mail is refused at first contact, with nothing changed, unless it is said what becomes of it", async () => {
    using bench = filledBench();
    makeMailbox(bench.replica, "u9/Maildir", { messages: 2, seed: 70 });
    const remote = remoteOf(bench);
    expectRefusal(await remote.sync(), "destination-has-mail", 73, "2 messages");
    expect(existsSync(join(bench.replica, "u1"))).toBe(false);
    const kept = await remote.sync("--foreign", "keep");
    expect(kept.code, JSON.stringify(kept)).toBe(0);
    expect(differences(bench)).toStrictEqual([]);
    expect(readdirSync(join(bench.replica, "u9/Maildir/cur"))).toHaveLength(2);
  });

  test("whose parent is not there is refused with the words of that host and an exit code that says so", async () => {
    using bench = filledBench();
    const nowhere = { ...bench, replica: join(bench.dir, "no/where") };
    expectRefusal(
      await remoteOf(nowhere).sync(),
      "destination-unusable",
      73,
      "it says:",
      "its parent directory does not exist",
    );
  });

  test("is served to one at a time", async () => {
    using bench = filledBench();
    const remote = remoteOf(bench);
    await remote.sync();
    makeMailbox(bench.source, "u3/Maildir", { messages: 400, seed: 1_000 });
    const runs = await Promise.all([remote.sync(), remote.sync()]);
    expect(runs.map(({ code }) => code).filter((code) => code === 0)).not.toHaveLength(0);
    for (const run of runs) if (run.code !== 0) expectRefusal(run, "state-in-use", 75);
    expect(rawDifferences(join(bench.source, "u3/Maildir"), join(bench.replica, "u3/Maildir"))).toStrictEqual([]);
  });
});

describe("what may be at the other end", () => {
  test("nothing of that name", async () => {
    using bench = filledBench();
    const remote = remoteOf(bench, { remote: "/no/such/mailtwin" });
    expectRefusal(await remote.sync(), "remote-missing", 69, "exit code 127");
  });

  test("a shell that greets", async () => {
    using bench = filledBench();
    const remote = remoteOf(bench, { remote: "echo Welcome to b;" });
    expectRefusal(await remote.sync(), "peer-not-mailtwin", 76, "Welcome to b");
  });

  test("a mailtwin that is pinned to stores of the configuration", async () => {
    using bench = filledBench();
    const remote = remoteOf(bench, { forced: `"node ${CLI} serve --stdio --peer laptop"` });
    expectRefusal(await remote.sync(), "no-right", 77, '"laptop"');
    expect(existsSync(bench.replica)).toBe(false);
  });
});

describe("the command line", () => {
  test.each([
    [["h:/dst", "--dry-run"], "--dry-run is for a DST on this host"],
    [["h:/dst", "--scratch", "/x"], "--scratch is for a DST on this host"],
    [["/dst", "--rsh", "ssh"], "--rsh is for a DST on another host"],
    [["h:"], "it names no path on that host"],
    [["-oProxyCommand=x:/dst"], "with no"],
  ])("refuses %j", async (args, words) => {
    using bench = openBench();
    const run = await runTwin(
      ["sync", bench.source, "--json", "--", ...args.slice(0, 1)].toSpliced(2, 0, ...args.slice(1)),
    );
    expect(run.code, JSON.stringify(run)).toBe(64);
    expect(JSON.stringify(run.events)).toContain(words);
  });

  test("says that a source is here", async () => {
    using bench = openBench();
    expectRefusal(await runTwin(["sync", "h:/src", bench.replica, "--json"]), "usage", 64, "run it there");
  });

  test("serve without --stdio names the daemon", async () => {
    const run = await runTwin(["serve"]);
    expect(run.code).toBe(64);
    expect(run.stderr).toContain("mailtwin run");
  });
});

test("what the other host has kept is compared when this one has lost its state", async () => {
  using bench = filledBench();
  const remote = remoteOf(bench);
  await remote.sync();
  rmSync(join(bench.dir, "here"), { recursive: true });
  addMessage(join(bench.source, "u2/Maildir"), { seed: 44 });
  const again = await remote.sync();
  expect(again.code, JSON.stringify(again)).toBe(0);
  expect(differences(bench)).toStrictEqual([]);
});
