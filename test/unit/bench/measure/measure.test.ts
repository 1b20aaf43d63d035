/** What is measured is what happened: medians, ratios per round, failures of a contender, CPU of its children. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeContenders } from "../../../../bench/measure/contenders.js";
import { readProcessStat } from "../../../../bench/measure/process-stat.js";
import { runContender } from "../../../../bench/measure/run-contender.js";
import { ratioSpread, spreadOf } from "../../../../bench/measure/spread.js";
import { Workspace } from "../../../../bench/measure/workspace.js";
import { tempDir } from "../temp-dir.js";

test("median and spread", () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3, runs: 3 });
  expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4, runs: 4 });
  expect(ratioSpread([2, 6], [1, 2])).toEqual({ median: 2.5, min: 2, max: 3, runs: 2 });
  expect(() => spreadOf([])).toThrow(RangeError);
  expect(() => ratioSpread([1], [1, 2])).toThrow(RangeError);
});

test("the CPU of a command's children counts, and its wire bytes are read from its output", async () => {
  const busy = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; echo sent 7";
  const measured = await runContender(
    { argv: ["sh", "-c", `(${busy}) & wait`], wireBytes: (output) => Number(/sent ([0-9]+)/.exec(output)?.[1]) },
    { scratch: tempDir() },
  );
  expect(measured.cpuMs).toBeGreaterThan(0);
  expect(measured.wallMs).toBeGreaterThan(0);
  expect(measured.wireBytes).toBe(7);
});

test("a contender that fails is an error that shows what it said", async () => {
  const run = runContender({ argv: ["sh", "-c", "echo no luck >&2; exit 3"] }, { scratch: tempDir() });
  await expect(run).rejects.toThrow(/ended with 3\n.*no luck/s);
});

test("an exit code that is an answer is one, and a command has variables of its own", async () => {
  const argv = ["sh", "-c", 'echo "$WHOSE" >&2; exit 1'];
  const measured = await runContender({ argv, env: { WHOSE: "its own" }, exitCodes: [0, 1] }, { scratch: tempDir() });
  expect(measured).toMatchObject({ exitCode: 1, output: "its own\n" });
  await expect(runContender({ argv }, { scratch: tempDir() })).rejects.toThrow("ended with 1");
});

test("rsync over the bridge copies names with spaces and tells its bytes", async () => {
  const scratch = tempDir();
  const [rsync] = makeContenders(["rsync"], { mailtwin: [], scratch });
  const command = rsync?.command({ source: import.meta.dirname, target: join(scratch, "a copy"), state: "" });
  if (command === undefined) throw new Error("no command");
  const measured = await runContender(command, { scratch, syncPath: scratch });
  expect(measured.wireBytes).toBeGreaterThan(500);
  expect(existsSync(join(scratch, "a copy", "measure.test.ts"))).toBe(true);
});

test("/proc tells of this process", () => {
  const stat = readProcessStat(process.pid);
  expect(stat.rssBytes).toBeGreaterThan(10e6);
  expect(stat.peakRssBytes).toBeGreaterThanOrEqual(stat.rssBytes);
  expect(stat.cpuMs).toBeGreaterThan(0);
});

test("a workspace makes a tree once, gives fresh paths, refuses what does not fit and cleans up at its end", () => {
  const parent = tempDir();
  const workspace = new Workspace({ parent, say: () => undefined });
  const tree = workspace.tree({ mails: 3, mailboxes: 1 });
  expect(workspace.tree({ mails: 3, mailboxes: 1 })).toBe(tree);
  expect(workspace.makeTree(workspace.fresh("own"), { mails: 3, mailboxes: 1 })).not.toBe(tree);
  expect(workspace.lasting("x")).toBe(undefined);
  expect(workspace.fresh("x")).not.toBe(workspace.fresh("x"));
  expect(() => workspace.needSpace(1e18)).toThrow("are needed");
  workspace[Symbol.dispose]();
  expect(existsSync(workspace.root)).toBe(false);
});

test("a lasting directory's complete trees are used again, half-made ones are left alone", () => {
  const lasting = tempDir();
  const said: string[] = [];
  const open = () => new Workspace({ lasting, say: (line) => said.push(line) });
  const treeOf = (mails: number): string => {
    using workspace = open();
    return workspace.tree({ mails, mailboxes: 1 });
  };
  const first = treeOf(3);
  expect(treeOf(3)).toBe(first);
  expect(said.filter((line) => line.startsWith("making"))).toHaveLength(1);
  expect(existsSync(join(first, "dovecot-uidlist"))).toBe(true);
  expect(treeOf(4)).not.toBe(first);

  rmSync(`${first}.complete`);
  using workspace = open();
  expect(workspace.tree({ mails: 3, mailboxes: 1 }).startsWith(workspace.root)).toBe(true);
  expect(existsSync(first)).toBe(true);
});
