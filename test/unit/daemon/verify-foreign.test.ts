/** `mailtwin verify A B --repair --foreign`: what becomes of mail that only B has, at first contact and later; and beside a daemon. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runTwin } from "../../live/lab/mailtwin.js";
import { rawDifferences, treeState } from "../../live/twin/raw-compare.js";
import { addMessage, type Bench, filledBench, makeMailbox } from "../../live/twin/small-store.js";
import { mailtwin } from "./mailtwin.js";
import { openTwoDaemons } from "./run/two-daemons.js";

const INBOX = "u1/Maildir";
const ONLY_B = "u9/Maildir";

let bench: Bench;

beforeEach(() => {
  bench = filledBench();
});

afterEach(() => bench[Symbol.dispose]());

async function repair(...args: readonly string[]) {
  const words = ["verify", bench.source, bench.replica, "--settle", "0", "--repair", "--state", bench.state, ...args];
  const { code, strayOutput, stderr } = await runTwin(words, { env: { XDG_STATE_HOME: join(bench.dir, "xdg") } });
  return { code, out: strayOutput, stderr };
}

const differences = () => rawDifferences(bench.source, bench.replica).map(({ words }) => words);

describe("at first contact", { timeout: 120_000 }, () => {
  beforeEach(() => {
    makeMailbox(bench.replica, ONLY_B, { messages: 2, seed: 70 });
  });

  test("without it nothing is changed, and what may be said is told", async () => {
    const before = treeState(bench.replica);
    const refused = await repair();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("--foreign keep");
    expect(refused.stderr).toContain("--foreign limbo");
    expect(treeState(bench.replica)).toEqual(before);
  });

  test("keep: it stays, and is named again; all of A's comes", async () => {
    const before = treeState(join(bench.replica, ONLY_B));
    const kept = await repair("--foreign", "keep");
    expect(kept.code).toBe(1);
    expect(kept.out).toContainEqual(expect.stringMatching(/^ {2}only B has this mailbox \(2 messages\)$/));
    expect(treeState(join(bench.replica, ONLY_B))).toEqual(before);
    expect(differences().every((words) => words.startsWith(ONLY_B))).toBe(true);
    expect(differences()).not.toEqual([]);
  });

  test("limbo: it is moved there, can be had back, and both are equal", async () => {
    expect(await repair("--foreign", "limbo")).toMatchObject({ code: 0, stderr: "" });
    expect(existsSync(join(bench.replica, ONLY_B, "cur"))).toBe(false);
    expect(differences()).toEqual([]);
    const limbo = await mailtwin(["undelete", "list", bench.source, bench.replica, "--state", bench.state, "--json"], {
      cwd: bench.dir,
    });
    const rows = limbo.out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const messages = rows.filter(({ kind }) => kind === "message");
    expect(messages.map(({ path, uid, cause, isThere }) => [path, uid, cause, isThere])).toEqual([
      [ONLY_B, 1, "foreign", true],
      [ONLY_B, 2, "foreign", true],
    ]);
  });
});

describe("later", { timeout: 120_000 }, () => {
  test.each(["keep", "limbo"] as const)(
    "%s has no effect, which is said: such mail stays, and is named again",
    async (choice) => {
      expect((await bench.sync()).code).toBe(0);
      const base = addMessage(join(bench.replica, INBOX), { seed: 70 });
      const run = await repair("--foreign", choice);
      expect(run.code).toBe(1);
      expect(run.stderr).toContain(`--foreign ${choice} has no effect after first contact`);
      expect(run.out).toContainEqual(expect.stringMatching(/^ {2}UID 5: only in B$/));
      expect(existsSync(join(bench.replica, INBOX, "cur", `${base}:2,`))).toBe(true);
    },
  );
});

test("without --repair, and for the replicas of a daemon, it is refused, and nothing is asked", {
  timeout: 60_000,
}, async () => {
  const alone = await runTwin(["verify", bench.source, bench.replica, "--foreign", "keep"]);
  expect(alone).toMatchObject({ code: 64, stderr: expect.stringContaining("--foreign is for --repair") });
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 2, seed: 1 });
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", ({ msg, state }) => msg === "replica-state" && state === "live");
  const base = addMessage(join(two.replica, INBOX), { seed: 70 });
  const ask = (...args: readonly string[]) =>
    mailtwin(["verify", "--settle", "0.1", "--repair", "--config", two.configs.source, ...args], { cwd: two.dir });
  expect(await ask("--foreign", "limbo")).toMatchObject({
    code: 64,
    err: expect.stringContaining("--foreign is for A and B"),
  });
  const repaired = await ask();
  expect(repaired.code).toBe(1);
  expect(repaired.out).toMatch(/^ {2}UID 3: only in the replica$/m);
  expect(existsSync(join(two.replica, INBOX, "cur", `${base}:2,`))).toBe(true);
  await source.stop();
});
