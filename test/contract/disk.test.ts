import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Dir } from "../../src/base/disk.js";
import { openNodeDisk } from "../../src/base/disk-node.js";
import { bytes, describeDisk, thrownBy } from "./disk.js";
import { FaultDisk } from "./fault-disk.js";

describeDisk("node", openNodeDisk);
describeDisk("fault wrapper without a fault", () => new FaultDisk(openNodeDisk()));

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "mailtwin-disk-"));
});
afterEach(() => {
  rmSync(path, { recursive: true, force: true });
});

function openRoot(disk = openNodeDisk()): Dir {
  const dir = disk.openRoot(path);
  if (dir === undefined) throw new Error("the new directory is not there");
  return dir;
}

describe("a disk that runs out of room", () => {
  /** The kernel's own file size limit of this process: writes past it are cut short, then fail with EFBIG. */
  function withFileSizeLimit(limitBytes: number, act: () => void): void {
    const limit = (soft: number | "unlimited") =>
      execFileSync("prlimit", ["--pid", String(process.pid), `--fsize=${soft}:unlimited`]);
    limit(limitBytes);
    try {
      act();
    } finally {
      limit("unlimited");
    }
  }

  test("a file that does not fit is not left behind", () => {
    const dir = openRoot();
    withFileSizeLimit(1000, () => {
      const error = thrownBy(() => dir.createFile("x", [Buffer.alloc(600), Buffer.alloc(600)], { mode: 0o600 }));
      expect(error.message).toBe(`creating ${path}/x: EFBIG: file too large`);
    });
    expect(dir.list()).toEqual([]);
  });

  test("an append that is cut short is taken back", () => {
    const dir = openRoot();
    dir.createFile("x", [Buffer.alloc(900, 65)], { mode: 0o600 });
    withFileSizeLimit(1000, () => {
      expect(thrownBy(() => dir.appendFile("x", Buffer.alloc(300, 66), 900))).toMatchObject({
        code: "short-write",
        detail: { writtenBytes: 100, wantedBytes: 300 },
      });
    });
    expect(dir.readFile("x", 2000)).toEqual(Buffer.alloc(900, 65));
  });

  test("an append that fails at once leaves the file alone", () => {
    const dir = openRoot();
    dir.createFile("x", [Buffer.alloc(1000, 65)], { mode: 0o600 });
    withFileSizeLimit(1000, () => {
      expect(thrownBy(() => dir.appendFile("x", bytes("b"), 1000)).code).toBe("EFBIG");
    });
    expect(dir.readFile("x", 2000)).toEqual(Buffer.alloc(1000, 65));
  });
});

describe("injected faults", () => {
  test("the n-th matching call fails, once, with no effect", () => {
    const disk = new FaultDisk(openNodeDisk());
    const dir = openRoot(disk);
    const happened = disk.inject({ operation: "createFile", error: "ENOSPC", nth: 2, name: /^m/ });
    dir.createFile("other", [], { mode: 0o600 });
    dir.createFile("m1", [], { mode: 0o600 });
    expect(happened()).toBe(false);
    expect(thrownBy(() => dir.createFile("m2", [bytes("1")], { mode: 0o600 })).code).toBe("ENOSPC");
    expect(happened()).toBe(true);
    dir.createFile("m3", [], { mode: 0o600 });
    expect(dir.list().sort()).toEqual(["m1", "m3", "other"]);
  });

  test("a lasting fault lasts until it is cleared", () => {
    const disk = new FaultDisk(openNodeDisk());
    const dir = openRoot(disk);
    disk.inject({ operation: "sync", error: "EIO", lasting: true });
    for (let i = 0; i < 3; i++) expect(thrownBy(() => dir.sync()).code).toBe("EIO");
    disk.clearFaults();
    expect(() => dir.sync()).not.toThrow();
  });

  test("a fault may come after the effect", () => {
    const disk = new FaultDisk(openNodeDisk());
    const dir = openRoot(disk);
    dir.createFile("x", [], { mode: 0o600 });
    disk.inject({ operation: "rename", error: "EIO", when: "after" });
    expect(thrownBy(() => dir.rename("x", dir, "y")).code).toBe("EIO");
    expect(dir.list()).toEqual(["y"]);
  });

  test("a short append leaves the file as it was", () => {
    const disk = new FaultDisk(openNodeDisk());
    const dir = openRoot(disk);
    dir.createFile("x", [bytes("one")], { mode: 0o600 });
    disk.inject({ operation: "appendFile", error: "short-write" });
    expect(thrownBy(() => dir.appendFile("x", bytes("two"), 3)).code).toBe("short-write");
    expect(dir.readFile("x", 9)?.toString("latin1")).toBe("one");
  });

  test("calls are recorded in order, with both names", () => {
    const disk = new FaultDisk(openNodeDisk());
    const dir = openRoot(disk);
    dir.createFile("x", [], { mode: 0o600 });
    dir.rename("x", dir, "y");
    dir.sync();
    expect(disk.calls.slice(1)).toEqual([
      { operation: "createFile", path: `${path}/x` },
      { operation: "rename", path: `${path}/x`, toPath: `${path}/y` },
      { operation: "sync", path },
    ]);
  });
});
