/** The store's root stays the directory that it was. */
import { mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pinRoot } from "../../../src/apply/pinned-root.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";

const MISSING = expect.objectContaining({ code: "destination-missing", exitCode: 69 });
let dir: string;
let root: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mailtwin-pinned-"));
  root = join(dir, "root");
  mkdirSync(root);
});

afterEach(() => rmSync(dir, { recursive: true }));

test("another directory at its path is refused, also by way of a link; the same one is taken back", () => {
  const disk = pinRoot(openNodeDisk(), root);
  disk.openRoot(root)?.close();
  renameSync(root, join(dir, "away"));
  expect(disk.openRoot(root)).toBeUndefined();
  mkdirSync(root);
  expect(() => disk.openRoot(root)).toThrow(MISSING);
  rmdirSync(root);
  mkdirSync(join(dir, "other"));
  symlinkSync(join(dir, "other"), root);
  expect(() => disk.openRoot(root)).toThrow(MISSING);
  rmSync(root);
  writeFileSync(root, "");
  expect(() => disk.openRoot(root)).toThrow(MISSING);
  rmSync(root);
  renameSync(join(dir, "away"), root);
  const again = disk.openRoot(root);
  expect(again?.statSelf().kind).toBe("directory");
  again?.close();
});

test("other directories are opened as they are", () => {
  const disk = pinRoot(openNodeDisk(), join(dir, "none"));
  for (let times = 1; times <= 2; times++) {
    const opened = disk.openRoot(root);
    expect(opened?.statSelf().kind).toBe("directory");
    opened?.close();
    rmdirSync(root);
    mkdirSync(join(dir, `filler${times}`)); // so that the inode is not given out again.
    mkdirSync(root);
  }
});
