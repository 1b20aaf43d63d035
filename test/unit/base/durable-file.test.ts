import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Dir } from "../../../src/base/disk.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { replaceDurably } from "../../../src/base/durable-file.js";
import { FaultDisk } from "../../contract/fault-disk.js";

let path: string;
let disk: FaultDisk;
let dir: Dir;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "mailtwin-durable-"));
  disk = new FaultDisk(openNodeDisk());
  const root = disk.openRoot(path);
  if (root === undefined) throw new Error("the new directory is not there");
  dir = root;
  disk.calls.length = 0;
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

const OPTIONS = { tempName: ".tmp", mode: 0o640, mtimeS: 1_000 };
const parts = (text: string) => [Buffer.from(text, "latin1")];
const content = () => readFileSync(join(path, "x"), "latin1");

describe("replaceDurably", () => {
  test("creates, then replaces, with the facts asked for", () => {
    replaceDurably(dir, "x", parts("one"), OPTIONS);
    expect(content()).toBe("one");
    const stat = replaceDurably(dir, "x", parts("two!"), OPTIONS);
    expect(content()).toBe("two!");
    expect(dir.list()).toEqual(["x"]);
    expect(dir.stat("x")).toMatchObject({ ino: stat.ino, size: 4, mode: 0o640, mtimeMs: 1_000_000 });
  });

  test("bytes are durable before the rename, the directory after it", () => {
    replaceDurably(dir, "x", parts("one"), { ...OPTIONS, syncDir: true });
    expect(disk.calls.map(({ operation }) => operation)).toEqual(["unlink", "createFile", "rename", "sync"]);
  });

  test("a leftover of a crash is in nobody's way", () => {
    writeFileSync(join(path, ".tmp"), "torn");
    replaceDurably(dir, "x", parts("one"), OPTIONS);
    expect([content(), dir.list()]).toEqual(["one", ["x"]]);
  });

  test.each([
    { operation: "unlink", error: "EIO" },
    { operation: "createFile", error: "ENOSPC" },
    { operation: "rename", error: "EIO" },
  ] as const)("a failed $operation leaves the old file and nothing else", (fault) => {
    writeFileSync(join(path, "x"), "old");
    const happened = disk.inject(fault);
    expect(() => replaceDurably(dir, "x", parts("new"), OPTIONS)).toThrow(fault.error);
    expect(happened()).toBe(true);
    expect([content(), dir.list()]).toEqual(["old", ["x"]]);
  });

  test("when the cleaning up fails too, both reasons are told", () => {
    disk.inject({ operation: "rename", error: "EIO" });
    disk.inject({ operation: "unlink", error: "EROFS", nth: 2 });
    let thrown: unknown;
    try {
      replaceDurably(dir, "x", parts("new"), OPTIONS);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(AggregateError);
    expect((thrown as AggregateError).errors.map(({ code }: NodeJS.ErrnoException) => code)).toEqual(["EIO", "EROFS"]);
  });
});
