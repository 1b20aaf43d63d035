/** The watches of a source that refuse to be set: no end of a run, and tried again. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { Disposer } from "../../../src/base/disposal.js";
import { type WatchedCapturer, watchStore } from "../../../src/daemon/source-side.js";
import { FakeClock } from "../../fake-clock.js";

test("a store that cannot be watched is told of once, and watched as soon as it can be", async () => {
  const above = mkdtempSync(join(tmpdir(), "mailtwin-watch-"));
  onTestFinished(() => rmSync(above, { recursive: true, force: true }));
  const store = `${above}/gone`;
  const [paths, degraded] = [new Set<string>(), [] as Error[]];
  let sweeps = 0;
  const capturer: WatchedCapturer = {
    onMessageHint: () => undefined,
    onUidlistHint: () => undefined,
    onPath: (path) => void paths.add(path),
    onActive: () => false,
    onMoved: () => undefined,
    onStructure: () => undefined,
    markFull: () => undefined,
    sweepSoon: () => {
      sweeps += 1;
    },
  };
  const clock = new FakeClock();
  {
    await using owner = new Disposer();
    await watchStore(store, capturer, { clock, onDegraded: (error) => degraded.push(error) }, owner);
    expect(degraded).toHaveLength(1);
    const before = sweeps;
    await clock.advance(20_000);
    await vi.waitUntil(() => sweeps > before, 5_000);
    expect(degraded).toHaveLength(1);
    mkdirSync(`${store}/a`, { recursive: true });
    await vi.waitUntil(() => clock.timerCount > 0, 5_000);
    const failed = sweeps;
    await clock.advance(20_000);
    await vi.waitUntil(() => sweeps > failed, 5_000);
    writeFileSync(`${store}/a/f`, "");
    await vi.waitUntil(() => paths.has("a/f"), 5_000);
    // Changes without a pause do not put it off for ever.
    mkdirSync(`${above}/out/b`, { recursive: true });
    renameSync(`${above}/out`, `${store}/in`);
    const seen = sweeps;
    for (let ms = 0; ms < 5_200; ms += 400) {
      capturer.onStructure();
      await clock.advance(400);
    }
    await vi.waitUntil(() => sweeps > seen, 5_000);
    capturer.onStructure();
  }
  expect(clock.timerCount).toBe(0);
});
