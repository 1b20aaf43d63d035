/** Both tiers of watches, as a capture loop drives them. */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { Disposer } from "../../../src/base/disposal.js";
import { type WatchedCapturer, watchStore } from "../../../src/daemon/source-side.js";
import { rawPath } from "../log/state-fixtures.js";

test("what looks find is watched until the end, and a mailbox that wakes is listed once its files are", async () => {
  const store = mkdtempSync(join(tmpdir(), "mailtwin-watch-"));
  onTestFinished(() => rmSync(store, { recursive: true, force: true }));
  for (const part of ["cur", "new"]) mkdirSync(`${store}/a/${part}`, { recursive: true });
  const [names, hints, listed, degraded] = [new Set<string>(), new Set<string>(), [] as string[], [] as Error[]];
  const capturer: WatchedCapturer = {
    onMessageHint: (path, { dir, name }) => void hints.add(`${path}/${dir}/${name}`),
    onUidlistHint: () => undefined,
    onName: (dir, name) => void names.add(`${dir}/${name}`),
    onActive: () => false,
    onMoved: () => undefined,
    onDirectories: undefined,
    markFull: (path, reason) => void listed.push(`${path} ${reason}`),
    sweepSoon: () => undefined,
  };
  {
    await using owner = new Disposer();
    const { hot, structure } = watchStore(store, capturer, { onDegraded: (error) => degraded.push(error) }, owner);
    const found = ["", "a"].map((path) => ({ path: rawPath(path), ino: statSync(join(store, path)).ino }));
    expect(await capturer.onDirectories?.(found)).toBe(true);
    expect(await capturer.onDirectories?.(found)).toBe(false);
    writeFileSync(`${store}/a/dovecot-uidlist`, "");
    writeFileSync(`${store}/a/new/1`, "");
    await vi.waitUntil(() => names.has("a/dovecot-uidlist"), 5_000);
    expect([capturer.onActive(rawPath("a")), capturer.onActive(rawPath("a"))]).toStrictEqual([false, true]);
    writeFileSync(`${store}/a/new/2`, "");
    await vi.waitUntil(() => hints.has("a/new/2"), 5_000);
    expect([hot.size, structure.failure, listed, degraded]).toStrictEqual([1, undefined, ["a first"], []]);
    expect(names).not.toContain("a/new/1"); // message directories are none of the slower tier's.
  }
  names.clear();
  writeFileSync(`${store}/a/f`, "");
  await new Promise((resolve) => setImmediate(resolve));
  expect(names.size).toBe(0);
});
