/**
 * `kill -9` in the middle of a first copy whose transactions are large, so that their bodies are staged by a thread of their
 * own: after another run both sides are equal, and nothing half-written is left in the store or in the scratch directory.
 */
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { errnoOf } from "../../src/base/errors.js";
import { storeLeaks } from "./lab/files.js";
import { spawnTwin } from "./lab/mailtwin.js";
import { expectKilled } from "./twin/killed.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { type Bench, makeMailbox, openBench } from "./twin/small-store.js";

/** Two transactions of 512, and two smaller ones. */
const MESSAGES = [1100, 90];
const POINTS = ["apply.staged", "apply.staged:2", "apply.intent", "apply.intent:3", "apply.bodies-renamed:2"];
const RANDOM_KILLS = 5;

let bench: Bench;
beforeEach(() => {
  bench = openBench();
  for (const [i, messages] of MESSAGES.entries()) {
    makeMailbox(bench.source, `u${i}/Maildir`, { messages, seed: i * 10_000 });
  }
});
afterEach(() => bench[Symbol.dispose]());

describe("a large first copy", () => {
  test.each(POINTS)("killed at %s", async (point) => {
    const { source, replica, state } = bench;
    await using twin = spawnTwin({ source, replica, state, env: { MAILTWIN_CRASH_AT: point } });
    await expectKilled(twin, point, { isPast: ({ event }) => event === "live" });
    await expectMended();
  });

  test(`killed ${RANDOM_KILLS} times while bodies are being staged`, async () => {
    const { source, replica, state } = bench;
    let caught = 0;
    for (let kill = 0; kill < RANDOM_KILLS; kill++) {
      await using twin = spawnTwin({ source, replica, state });
      for (let i = 0; i < 2_000 && staged().length < 1 + kill * 30 && twin.isRunning(); i++) await sleep(2);
      await twin.kill9();
      if (staged().length > 0) caught += 1;
    }
    expect(caught).toBeGreaterThan(0);
    await expectMended();
  });

  async function expectMended(): Promise<void> {
    const run = await bench.sync();
    expect(run, JSON.stringify(run.events)).toMatchObject({ code: 0, stderr: "" });
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
    expect(storeLeaks(bench.replica)).toEqual([]);
    expect(staged()).toEqual([]);
  }

  /** In the store, and beside it: the scratch directory is there. */
  function staged(): readonly string[] {
    return namesBelow(dirname(bench.replica)).filter((path) => /(^|\/)mailtwin\.\d+\.\d+$/.test(path));
  }
});

/** None if a directory goes while it is listed: somebody is at work there. */
function namesBelow(dir: string): readonly string[] {
  try {
    return readdirSync(dir, { recursive: true, encoding: "latin1" });
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    return [];
  }
}
