/** Mailboxes of the source that stand at wrong paths of the destination, or nowhere: each run leads them home, by their GUIDs. */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { runTwin } from "../../live/lab/mailtwin.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { addMessage, type Bench, eventsOf, makeMailbox, openBench, summaryOf } from "../../live/twin/small-store.js";

const TOP = "u1/Maildir";
const [A, B, C, Z] = ["a", "a/b", "a/b/c", "z"].map((name) => `${TOP}/${name}`) as [string, string, string, string];

async function twinnedBench(empty?: string): Promise<Bench> {
  const bench = openBench();
  for (const [index, path] of [TOP, A, B, C, Z].entries())
    makeMailbox(bench.source, path, { messages: path === empty ? 0 : 2, seed: 10 * (index + 1) });
  expect((await bench.sync()).code).toBe(0);
  return bench;
}

/** On the destination, with what is in it. */
function move(bench: Bench, from: string, to: string): void {
  mkdirSync(dirname(join(bench.replica, to)), { recursive: true });
  renameSync(join(bench.replica, from), join(bench.replica, to));
}

function inodes(bench: Bench): number[] {
  const names = readdirSync(bench.replica, { recursive: true }).map(String);
  const files = names.filter((name) => /\/cur\/[^/]+$/.test(name));
  return files.map((name) => statSync(join(bench.replica, name)).ino).sort((a, b) => a - b);
}

function limboOf(bench: Bench): string[] {
  const names = readdirSync(bench.dir, { recursive: true }).map(String);
  return names.filter((name) => /\/limbo\/[^/]+\/[^/]+$/.test(name));
}

const MOVES: readonly { readonly what: string; readonly moves: readonly (readonly [string, string])[] }[] = [
  {
    what: "two that stand in each other's place",
    moves: [
      [B, `${TOP}/t`],
      [Z, B],
      [`${TOP}/t`, Z],
    ],
  },
  { what: "one that stands at a name that the source does not have", moves: [[Z, `${TOP}/t`]] },
  { what: "a directory with all that is in it", moves: [[A, `${TOP}/q/a2`]] },
  {
    what: "three in a circle",
    moves: [
      [Z, `${TOP}/t`],
      [C, Z],
      [B, `${TOP}/u`],
      [`${TOP}/u`, `${A}/x`],
      [`${TOP}/t`, B],
      [`${A}/x`, `${B}/c`],
    ],
  },
];

describe.each(MOVES)("$what", ({ moves }) => {
  test.each(["kept", "lost"])("are led home, the state %s", async (state) => {
    for (const empty of [undefined, B, Z]) {
      using bench = await twinnedBench(empty);
      const files = inodes(bench);
      for (const [from, to] of moves) move(bench, from, to);
      if (state === "lost") rmSync(bench.state, { recursive: true });
      const run = await bench.sync();
      expect(run.code, JSON.stringify(run)).toBe(0);
      expect(summaryOf(run)).toMatchObject({ bodiesBytes: 0, problems: 0 });
      expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
      expect(inodes(bench)).toStrictEqual(files);
      expect(limboOf(bench)).toEqual([]);
      expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
    }
  });
});

test("one that is gone while a transaction of it was under way is made anew by the next run", async () => {
  using bench = await twinnedBench();
  addMessage(join(bench.source, Z), { seed: 500 });
  const args = ["sync", bench.source, bench.replica, "--json", "--state", bench.state];
  const killed = await runTwin(args, { env: { MAILTWIN_CRASH_AT: "apply.intent" } });
  expect(killed.signal, JSON.stringify(killed)).toBe("SIGKILL");
  rmSync(join(bench.replica, Z), { recursive: true });
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(eventsOf(run, "conflict")).toMatchObject([{ words: expect.stringContaining("is gone in DST") }]);
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
});
