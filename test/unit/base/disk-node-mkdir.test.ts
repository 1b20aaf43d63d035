/** What is given an owner and a mode is the directory that was made, whatever others put in its place meanwhile. */
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeUnsettled, settleDirectory } from "../../../src/base/disk-node-mkdir.js";

const OWNER = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mailtwin-mkdir-"));
  path = join(dir, "made");
});

afterEach(() => rmSync(dir, { recursive: true }));

function settle(mode: number, owner = OWNER): void {
  settleDirectory(path, { mode, owner }, { doing: "creating", path });
}

test("is for its owner alone until it is settled, and gets no bit beyond the nine but set-group-id and sticky", () => {
  makeUnsettled(path);
  expect(statSync(path).mode & 0o7777).toBe(0o700);
  settle(0o7751);
  expect(statSync(path).mode & 0o7777).toBe(0o3751);
});

test("a link, a file, a directory with something in it get nothing", () => {
  const outer = join(dir, "outer");
  mkdirSync(join(outer, "inner"), { recursive: true });
  symlinkSync(join(outer, "inner"), path);
  expect(() => settle(0o777)).toThrow(/ELOOP|ENOTDIR/);
  rmSync(path);
  writeFileSync(path, "", { mode: 0o600 });
  expect(() => settle(0o777)).toThrow(/ENOTDIR/);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  path = outer;
  const before = statSync(outer).mode;
  expect(() => settle(0o777)).toThrow(expect.objectContaining({ code: "EEXIST" }));
  expect(statSync(outer).mode).toBe(before);
  expect(statSync(join(outer, "inner")).mode).toBe(before);
});

test.skipIf(process.getuid?.() !== 0)("an empty directory of somebody else gets nothing [needs root]", () => {
  makeUnsettled(path);
  chownSync(path, 12345, 12345);
  expect(() => settle(0o777, { uid: 1, gid: 1 })).toThrow(expect.objectContaining({ code: "EEXIST" }));
  expect(statSync(path)).toMatchObject({ uid: 12345, mode: 0o40700 });
});
