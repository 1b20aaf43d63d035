/** `mailtwin verify A B`: the command line, its exit codes, its words and its JSON, here and by a program in the place of ssh. */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RunOptions, runTwin } from "../../live/lab/mailtwin.js";
import { cliAs } from "../../live/twin/as-user.js";
import { treeState } from "../../live/twin/raw-compare.js";
import { type Bench, filledBench } from "../../live/twin/small-store.js";

const CLI = fileURLToPath(new URL("../../../dist/daemon/cli.js", import.meta.url));

let bench: Bench;

beforeEach(() => {
  bench = filledBench();
  cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
});

afterEach(() => bench[Symbol.dispose]());

async function verify(args: readonly string[], options: RunOptions = {}) {
  const env = { XDG_STATE_HOME: join(bench.dir, "xdg"), ...options.env };
  const { code, strayOutput, stderr, events } = await runTwin(["verify", "--settle", "0", ...args], {
    ...options,
    env,
  });
  return { code, out: strayOutput, stderr, events };
}

/** Of the replica's INBOX of u1 one message gets a flag. */
function flagOne(): void {
  const cur = join(bench.replica, "u1/Maildir/cur");
  const name = readdirSync(cur).find((each) => each.endsWith(":2,")) ?? "";
  renameSync(join(cur, name), join(cur, `${name}F`));
}

const EQUAL = expect.stringMatching(
  /^equal: 9 messages in 3 mailboxes \(\d+ ms|^equal: 9 messages in 3 mailboxes \(\d/,
);
const DIFFERS = [
  "u1/Maildir",
  expect.stringMatching(/^ {2}UID [1-4]: flags none in A, \\Flagged in B$/),
  expect.stringMatching(
    /^not equal: 1 mailbox differs; A has 9 messages in 3 mailboxes, B 9 messages in 3 mailboxes \(/,
  ),
];

describe("two directories", () => {
  test("that are equal: 0, one line, or none; and neither was written to", async () => {
    const before = [treeState(bench.source), treeState(bench.replica)];
    expect(await verify([bench.source, bench.replica])).toMatchObject({ code: 0, out: [EQUAL], stderr: "" });
    expect(await verify([bench.source, bench.replica, "--quiet"])).toMatchObject({ code: 0, out: [], stderr: "" });
    expect([treeState(bench.source), treeState(bench.replica)]).toEqual(before);
  });

  test("that differ: 1, and what differs, also where all else is quiet", async () => {
    flagOne();
    expect(await verify([bench.source, bench.replica])).toMatchObject({ code: 1, out: DIFFERS, stderr: "" });
    expect(await verify([bench.source, bench.replica, "-q"])).toMatchObject({ code: 1, out: DIFFERS, stderr: "" });
  });

  test("as JSON", async () => {
    const equal = await verify([bench.source, bench.replica, "--json"]);
    expect(equal).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(equal.out.join("\n"))).toStrictEqual({
      ...{ equal: true, differences: [], looks: 1, read: 0, repaired: 0, left: 0, elapsedMs: expect.any(Number) },
      ...{ a: { mailboxes: 3, messages: 9 }, b: { mailboxes: 3, messages: 9 } },
    });
    flagOne();
    const other = await verify([bench.source, bench.replica, "--json"]);
    expect(other).toMatchObject({ code: 1, stderr: "" });
    expect(JSON.parse(other.out.join("\n"))).toMatchObject({
      equal: false,
      differences: [
        {
          ...{ mailbox: "u1/Maildir", guid: expect.stringMatching(/^[0-9a-f]{32}$/), further: 0, changing: false },
          words: [expect.stringMatching(/^UID \d: flags none in A, \\Flagged in B$/)],
          findings: [{ kind: "message", uid: expect.any(Number), words: expect.stringMatching(/^UID \d: flags none/) }],
        },
      ],
      looks: 2,
    });
  });

  test("of which one is not there, is no directory, or may not be read: 66, and why", async () => {
    const file = join(bench.dir, "file");
    writeFileSync(file, "");
    const [gone, a] = [join(bench.dir, "gone"), bench.source];
    expect(await verify([a, gone])).toMatchObject({
      code: 66,
      out: [],
      stderr: expect.stringContaining("there is no such"),
    });
    expect(await verify([file, a])).toMatchObject({
      code: 66,
      out: [],
      stderr: expect.stringContaining("not a directory"),
    });
    const json = await verify([a, gone, "--json"]);
    expect(json).toMatchObject({ code: 66, events: [{ event: "error", code: "source-missing", exitCode: 66 }] });
  });

  test.runIf(process.getuid?.() === 0)("of which one may not be read by that user: 66 or 77, and why", async () => {
    using cli = cliAs({ uid: 65_534, gid: 65_534 });
    for (const path of [bench.dir, bench.source]) chmodSync(path, 0o755);
    chmodSync(bench.replica, 0o700);
    const run = await verify([bench.source, bench.replica], { cli: cli.path });
    expect([66, 77]).toContain(run.code);
    expect(run).toMatchObject({ out: [], stderr: expect.stringMatching(/EACCES: permission denied/) });
  });

  test.runIf(process.getuid?.() === 0)("with a mailbox that may not be read by that user: 1, and which", async () => {
    using cli = cliAs({ uid: 65_534, gid: 65_534 });
    for (const path of [bench.dir, bench.source, bench.replica]) chmodSync(path, 0o755);
    for (const user of ["u1", "u2"]) chmodSync(join(bench.source, user), 0o700);
    const run = await verify([bench.source, bench.source], { cli: cli.path });
    expect(run).toMatchObject({ code: 1 });
    expect(run.out.join("\n")).toMatch(/could not be read in A: .*EACCES[\s\S]*could not be read in B: .*EACCES/);
  });

  test("the same twice, or one in the other's place, are equal", async () => {
    expect(await verify([bench.source, bench.source])).toMatchObject({ code: 0, out: [EQUAL] });
  });
});

describe("a directory of another host", () => {
  /** In the place of ssh: what it would run there runs here, with a state of its own. */
  function ssh(remote = "mailtwin"): readonly string[] {
    const path = join(bench.dir, "ssh");
    mkdirSync(join(bench.dir, "there"), { recursive: true, mode: 0o700 });
    const drop = "while case $1 in -*) true ;; *) false ;; esac; do shift; done; shift 2";
    writeFileSync(path, `#!/bin/sh\n${drop}\nXDG_STATE_HOME=${bench.dir}/there exec sh -c "$*"\n`);
    chmodSync(path, 0o755);
    return ["-e", path, "--remote-mailtwin", remote === "mailtwin" ? `node ${CLI}` : remote];
  }

  test("equal, and then not", async () => {
    const there = `b.example.org:${bench.replica}`;
    expect(await verify([bench.source, there, ...ssh()])).toMatchObject({ code: 0, out: [EQUAL], stderr: "" });
    flagOne();
    expect(await verify([bench.source, there, ...ssh()])).toMatchObject({ code: 1, out: DIFFERS, stderr: "" });
    expect(await verify([`a.example.org:${bench.source}`, there, ...ssh()])).toMatchObject({ code: 1, out: DIFFERS });
    expect(existsSync(join(bench.dir, "there"))).toBe(true);
  });

  test("all bytes", async () => {
    const there = `b.example.org:${bench.replica}`;
    expect(await verify([bench.source, there, "--deep", ...ssh()])).toMatchObject({
      ...{ code: 0, stderr: "" },
      out: [expect.stringMatching(/^equal: 9 messages in 3 mailboxes/)],
    });
  });

  test("that is not there: 66, with that host's words", async () => {
    rmSync(bench.replica, { recursive: true });
    const run = await verify([bench.source, `b.example.org:${bench.replica}`, ...ssh()]);
    expect(run).toMatchObject({
      code: 66,
      out: [],
      stderr: expect.stringMatching(/it says: .*there is no such directory/),
    });
  });

  test("at a host without mailtwin: 69", async () => {
    const run = await verify([bench.source, `b.example.org:${bench.replica}`, ...ssh("/no/such/mailtwin")]);
    expect(run).toMatchObject({ code: 69, out: [], stderr: expect.stringContaining("exit code 127") });
  });
});

describe("what cannot be meant", () => {
  test.each<readonly [readonly string[], string]>([
    [["/a"], "verify takes two stores, or none"],
    [["/a", ""], 'B is empty ("")'],
    [["/a", "/b", "--replica", "b"], "--replica is for the replicas of the running daemon"],
    [["/a", "/b", "--store", "mail"], "--store is for the replicas of the running daemon"],
    [["/a", "/b", "--control", "/x"], "--control is for the replicas of the running daemon"],
    [["/a", "/b", "--settle", "x"], "--settle takes seconds from 0 to 3600"],
    [["/a", "/b", "--settle", "-1"], "--settle takes seconds from 0 to 3600"],
    [["/a", "/b", "--settle", "3601"], "--settle takes seconds from 0 to 3600"],
    [["/a", "/b", "--sample", "30"], "--sample takes 1/2 to 1/366"],
    [["/a", "/b", "--deep", "--sample", "1/30"], "say one"],
    [["/a", "/b", "/c"], "too many arguments"],
    [["-oProxyCommand=x:/a", "/b"], "unknown option"],
  ])("%j: 64", async (args, words) => {
    const run = await runTwin(["verify", ...args]);
    expect(run).toMatchObject({ code: 64, strayOutput: [], stderr: expect.stringContaining(words) });
  });

  test("an address that ssh would take for an option: 64", async () => {
    const run = await runTwin(["verify", "--", "-oProxyCommand=x:/b", bench.source]);
    expect(run).toMatchObject({ code: 64, stderr: expect.stringContaining("with no") });
  });
});
