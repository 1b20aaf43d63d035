/**
 * `kill -9` at every named crash point of reading and writing mail, and at ten seeded random moments, in the middle of
 * everything that can happen to mail: after a restart the two sides are equal, nothing is there twice, and no lock or
 * half-written file is left.
 *
 * The points come from the rooms themselves, so a new one is covered by being named there.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { APPLY_CRASH_POINTS } from "../../src/apply/store-context.js";
import { CAPTURE_CRASH_POINTS } from "../../src/capture/source-store.js";
import { describeLive } from "./lab/available.js";
import { deliver } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { expectKilled, killedOrPast } from "./twin/killed.js";
import { MixedChanges, seededRandom } from "./twin/mixed-changes.js";
import { openPair } from "./twin/pair.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { useSharedPair } from "./twin/shared-pair.js";

const USERS = ["u1", "u2"];
const STEPS_MAX = 120;
const KILLED_MS_MAX = 60_000;
const POINTS: readonly string[] = [...CAPTURE_CRASH_POINTS, ...APPLY_CRASH_POINTS];
const RANDOM_KILLS = 10;
/** Folders go as a whole below, many within minutes, and no person is there to let that pass. */
const ARGS = ["--approve-deletions"];
const SEED = Number(process.env["MAILTWIN_CRASH_SEED"] ?? 20_231_123);

describeLive("killed in the middle", () => {
  const shared = useSharedPair(async () => {
    const pair = await openPair({ users: USERS });
    for (const user of USERS) await deliver(pair.source, user, makeMessage({ seed: 1 }));
    expect((await pair.sync()).code).toBe(0);
    return pair;
  });

  test("there are points to be killed at", () => {
    expect(POINTS.length).toBeGreaterThan(10);
    expect(new Set(POINTS).size).toBe(POINTS.length);
  });

  test.each(POINTS.map((point, index) => [point, index] as const))(
    "at %s, first while catching up, then live",
    async (point, index) => {
      const { source } = shared.pair;
      await using changes = await MixedChanges.open({ site: source, user: "u1", droppedUser: "u2", seed: index + 1 });
      await changes.steps(MixedChanges.ACTIONS_PER_ROUND); // nobody watches: the next start has this to do.
      await dieAt(point, changes, "at once");
      await recover("files");
      await dieAt(`${point}:2`, changes, "live");
      await recover("imap");
    },
  );

  test(`at ${RANDOM_KILLS} random moments of a live stream, seed ${SEED}`, async () => {
    const random = seededRandom(SEED);
    const { source } = shared.pair;
    await using changes = await MixedChanges.open({ site: source, user: "u1", droppedUser: "u2", seed: 900 });
    for (let kill = 0; kill < RANDOM_KILLS; kill++) {
      await using twin = random() < 0.6 ? await shared.pair.start({ args: ARGS }) : shared.pair.spawn({ args: ARGS });
      await changes.steps(1 + Math.floor(random() * MixedChanges.ACTIONS_PER_ROUND));
      await twin.kill9();
      expect(await twin.exited).toEqual({ code: undefined, signal: "SIGKILL" });
    }
    await recover("imap");
  });

  /** Starts a twin that is to die at the point, goes on changing mail until it does, and insists that it did. */
  async function dieAt(point: string, changes: MixedChanges, when: "at once" | "live"): Promise<void> {
    const env = { MAILTWIN_CRASH_AT: point };
    await using twin = shared.pair.spawn({ env, args: ARGS });
    // Live if it gets that far: some points are passed while it starts.
    if (when === "live") await killedOrPast(twin, point, { isPast: ({ event }) => event === "live" });
    const startMs = performance.now();
    for (let step = 0; twin.isRunning() && performance.now() - startMs < KILLED_MS_MAX; step++) {
      await changes.step();
      // On a busy machine all of them may be applied at once: what comes later is applied by itself.
      if (step >= STEPS_MAX) await sleep(250);
    }
    await expectKilled(twin, point, { deadlineMs: 10_000 });
  }

  /** A twin that lives brings all in order. */
  async function recover(compare: "files" | "imap"): Promise<void> {
    await using twin = await shared.pair.start({ args: ARGS });
    try {
      const { source, replica } = shared.pair;
      if (compare === "files") await shared.pair.settleFiles();
      else await shared.pair.settle(USERS, { bodies: false });
      expect(rawDifferences(source.store, replica.store)).toEqual([]); // with every body.
      expect(await twin.stop()).toEqual({ code: 0, signal: undefined });
      expect(twin.output.events.filter(({ event }) => event === "problem" || event === "error")).toEqual([]);
      await shared.pair.expectClean();
    } catch (error) {
      const events = twin.output.events.slice(-20).map((event) => JSON.stringify(event));
      throw new Error(`${String(error)}\nthe twin said:\n${events.join("\n")}\n${twin.output.stderr}`, {
        cause: error,
      });
    }
  }
});
