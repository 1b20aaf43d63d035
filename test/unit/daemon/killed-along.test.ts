/** A run that is killed when bodies which came with their transaction are staged: the next one brings them, once. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runTwin } from "../../live/lab/mailtwin.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { addMessage, makeMailbox, openBench, summaryOf } from "../../live/twin/small-store.js";

const BOX = "u1/Maildir";

test.each(["apply.staged", "apply.intent", "apply.effect-recorded"])("at %s", async (point) => {
  using bench = openBench();
  const source = makeMailbox(bench.source, BOX, { messages: 2, seed: 1 });
  expect((await bench.sync()).code).toBe(0);
  const bases = [addMessage(source, { seed: 30 }), addMessage(source, { seed: 31 })];
  const args = ["sync", bench.source, bench.replica, "--json", "--state", bench.state];
  const killed = await runTwin(args, { env: { MAILTWIN_CRASH_AT: point } });
  expect(killed.signal, JSON.stringify(killed)).toBe("SIGKILL");
  const list = (dir: string) => readdirSync(join(bench.replica, BOX, dir)).sort();
  const staged = list("tmp").map((name) => readFileSync(join(bench.replica, BOX, "tmp", name)));
  const isApplied = point === "apply.effect-recorded";
  const bodies = bases.map((base) => readFileSync(join(source, "cur", `${base}:2,`)));
  expect(staged).toStrictEqual(isApplied ? [] : bodies);
  expect(list("cur")).toHaveLength(isApplied ? 4 : 2);
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  expect([list("cur").length, list("tmp")]).toStrictEqual([4, []]);
  expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
});
