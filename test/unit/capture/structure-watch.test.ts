/** The watch over the whole store, on the real inotify. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { openStructureWatch } from "../../../src/capture/structure-watch.js";

test("watching anew survives a directory that was renamed and removed, and sees what had been missed", async () => {
  const root = mkdtempSync(join(tmpdir(), "mailtwin-watch-"));
  const outside = `${root}-outside`;
  onTestFinished(() => [root, outside].forEach((path) => void rmSync(path, { recursive: true, force: true })));
  for (const path of [`${root}/a/b`, `${root}/c`, `${outside}/y/z`]) mkdirSync(path, { recursive: true });
  const [paths, failures] = [new Set<string>(), [] as Error[]];
  await using watch = await openStructureWatch(root, {
    onPath: (path) => void paths.add(path),
    onFailure: (error) => failures.push(error),
  });
  for (let round = 1; round <= 2; round++) {
    renameSync(`${root}/a`, `${root}/e`);
    await vi.waitUntil(() => paths.has("e"), 5_000); // it watches e/ without knowing e/b.
    rmSync(`${root}/e`, { recursive: true });
    renameSync(outside, `${root}/in${round}`);
    await vi.waitUntil(() => paths.has(`in${round}`), 5_000);
    await watch.refresh();
    writeFileSync(`${root}/in${round}/y/z/f`, "");
    await vi.waitUntil(() => paths.has(`in${round}/y/z/f`), 5_000);
    paths.clear();
    for (const path of [`${root}/a/b`, `${outside}/y/z`]) mkdirSync(path, { recursive: true });
    await watch.refresh();
  }
  expect(failures).toStrictEqual([]);
});
