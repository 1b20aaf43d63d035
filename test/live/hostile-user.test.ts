/**
 * A mail user who owns the directories above her mail and its twin, against a mailtwin that runs as root: what she puts in the
 * place of ours is neither cleared, nor filled, nor given to her, and mail of others never becomes hers.
 */
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ALICE, type AliceBench, giveAll, openAliceBench } from "./twin/alice.js";
import { treeState } from "./twin/raw-compare.js";
import { expectRefusal, makeMailbox } from "./twin/small-store.js";

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
});
