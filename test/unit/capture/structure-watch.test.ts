/** The watch over the whole store, on the real inotify. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { nodePath, type RawPath } from "../../../src/base/raw-name.js";
import { StructureWatch } from "../../../src/capture/structure-watch.js";
import type { FoundDirectory } from "../../../src/maildir/discover.js";
import { rawPath } from "../log/state-fixtures.js";

let root: string;
let told: Set<string>;
let failures: Error[];
let watch: StructureWatch;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mailtwin-watch-"));
  [told, failures] = [new Set<string>(), []];
  watch = new StructureWatch(root, {
    onName: (dir: RawPath, name: string) => void told.add(`${dir}/${name}`),
    onFailure: (error: Error) => failures.push(error),
  });
  onTestFinished(() => {
    watch.close();
    rmSync(root, { recursive: true, force: true });
  });
});

const at = (path: string): string => nodePath(path === "" ? root : `${root}/${path}`) as string;
const asFound = (path: string): FoundDirectory => ({ path: rawPath(path), ino: statSync(at(path)).ino });
const cover = async (...paths: string[]) => await watch.cover(paths.map(asFound));
const make = (...paths: string[]) => paths.forEach((path) => void mkdirSync(at(path), { recursive: true }));
const untilTold = async (name: string) => await vi.waitUntil(() => told.has(name), 5_000);

async function expectHeard(dir: string): Promise<void> {
  told.clear();
  writeFileSync(nodePath(`${root}/${dir}/f`), "");
  await untilTold(`${dir}/f`);
}

test("only what is new is watched anew, and what is not named any more is not watched", async () => {
  make("a/b", "c");
  expect(await cover("", "a", "a/b", "c")).toBe(true);
  expect(await cover("", "a", "a/b", "c")).toBe(false);
  for (const dir of ["a", "a/b", "c"]) await expectHeard(dir);
  expect(await cover("", "a", "c")).toBe(false);
  expect(watch.size).toBe(3);
  writeFileSync(`${root}/a/b/g`, "");
  await expectHeard("c");
  expect(told).not.toContain("a/b/g");
  expect(failures).toStrictEqual([]);
});

describe("a directory that is another one now", () => {
  test("is watched under its path, whichever was renamed, made anew, or took the other's place", async () => {
    make("a/x", "b/x");
    await cover("", "a", "a/x", "b", "b/x");
    renameSync(at("a"), at("old"));
    renameSync(at("b"), at("a"));
    expect(await cover("", "a", "a/x", "old", "old/x")).toBe(true);
    for (const dir of ["a", "a/x", "old", "old/x"]) await expectHeard(dir);
    expect(watch.size).toBe(5);
  });

  test("is noticed where the file system gives it the inode of the one before", async () => {
    make("a");
    const { ino } = asFound("a");
    await watch.cover([
      { path: rawPath(""), ino: asFound("").ino },
      { path: rawPath("a"), ino },
    ]);
    rmSync(at("a"), { recursive: true });
    make("a");
    await untilTold("/a");
    expect(await watch.cover([asFound(""), { path: rawPath("a"), ino }])).toBe(true);
    await expectHeard("a");
  });

  test("is noticed by its inode where no event told of it", async () => {
    make("a");
    await cover("a");
    renameSync(at("a"), at("b"));
    make("a");
    expect(await cover("a", "b")).toBe(true);
    await expectHeard("a");
    await expectHeard("b");
  });
});

test("names are the bytes that they are, UTF-8 or not", async () => {
  const names = ["\xe9va", "\xff\xfe", "\xc3(", "Gr\xc3\xbc\xc3\x9fe"];
  make(...names);
  await cover(...names);
  for (const name of names) await expectHeard(name);
});

test("what is gone before it can be watched is no failure", async () => {
  make("a");
  expect(await watch.cover([asFound("a"), { path: rawPath("gone"), ino: 1 }])).toBe(true);
  expect([watch.size, watch.failure, failures]).toStrictEqual([1, undefined, []]);
});

test("what the system refuses is told once, does not keep others from being watched, and is tried again each time", async () => {
  make("a");
  const tooLong = rawPath(Array.from({ length: 15 }, () => "d".repeat(255)).join("/")); // longer than a path may be, below the store.
  const both = [{ path: rawPath(`${tooLong}/${"e".repeat(250)}`), ino: 1 }, asFound("a")];
  expect(await watch.cover(both)).toBe(true);
  await expectHeard("a");
  expect(await watch.cover(both)).toBe(false);
  expect(failures).toMatchObject([{ code: "ENAMETOOLONG" }]);
  expect(watch.failure).toMatchObject({ code: "ENAMETOOLONG" });
  expect(await cover("a")).toBe(false);
  expect(watch.failure).toBeUndefined();
  await watch.cover(both);
  expect(failures).toHaveLength(2);
});

test("after it was closed nothing is watched or told any more", async () => {
  make("a");
  const covering = watch.cover(
    Array.from({ length: 600 }, (_, at) => ({ ...asFound("a"), path: rawPath(at === 0 ? "a" : "") })),
  );
  watch.close();
  expect(await covering).toBe(false);
  expect(watch.size).toBe(0);
});
