/** The watch over the whole store, on the real inotify. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { isToldAs } from "../../../src/base/raw-name.js";
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

test("a name that is no UTF-8 is told so that it can be known again", async () => {
  const root = mkdtempSync(join(tmpdir(), "mailtwin-watch-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const names = ["\xe9va", "\xff\xfe", "\xc3(", "Gr\xc3\xbc\xc3\x9fe\xe9", "\xf0\x9f\x98", "\xed\xa0\x80"];
  for (const name of names) mkdirSync(Buffer.from(`${root}/${name}`, "latin1"));
  const told = new Set<string>();
  const sinks = {
    onPath: (path: string) => void told.add(path),
    onFailure: (error: Error) => expect.unreachable(String(error)),
  };
  await using _watch = await openStructureWatch(root, sinks);
  for (const name of names) {
    writeFileSync(Buffer.from(`${root}/${name}/f`, "latin1"), "");
    await vi.waitUntil(() => [...told].some((path) => isToldAs(`${name}/f`, path)), 5_000);
  }
});

test("where the system has no instance left it is not asked for a watch, until it has", async () => {
  const root = mkdtempSync(join(tmpdir(), "mailtwin-watch-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const [paths, failures] = [new Set<string>(), [] as Error[]];
  const sinks = { onPath: (path: string) => void paths.add(path), onFailure: (error: Error) => failures.push(error) };
  let refusal: Error | undefined = new Error("EMFILE");
  await using watch = await openStructureWatch(root, sinks, async () => {
    if (refusal !== undefined) throw refusal;
  });
  expect([watch.isSet, failures]).toStrictEqual([false, [refusal]]);
  await expect(watch.refresh()).rejects.toThrow("EMFILE");
  refusal = undefined;
  await watch.refresh();
  writeFileSync(`${root}/f`, "");
  await vi.waitUntil(() => paths.has("f"), 5_000);
});

test("a store that cannot be watched is no end: it says so, and is watched when it is tried again", async () => {
  const above = mkdtempSync(join(tmpdir(), "mailtwin-watch-"));
  onTestFinished(() => rmSync(above, { recursive: true, force: true }));
  const root = `${above}/gone`;
  const [paths, failures] = [new Set<string>(), [] as Error[]];
  await using watch = await openStructureWatch(root, {
    onPath: (path) => void paths.add(path),
    onFailure: (error) => failures.push(error),
  });
  expect(failures).toHaveLength(1);
  expect(watch.isSet).toBe(false);
  await expect(watch.refresh()).rejects.toThrow();
  mkdirSync(`${root}/a`, { recursive: true });
  await watch.refresh();
  expect(watch.isSet).toBe(true);
  writeFileSync(`${root}/a/f`, "");
  await vi.waitUntil(() => paths.has("a/f"), 5_000);
  rmSync(root, { recursive: true });
  await expect(watch.refresh()).rejects.toThrow();
  expect(watch.isSet).toBe(false);
});
