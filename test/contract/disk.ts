/**
 * The contract of the disk port, run over every implementation: what callers may rely on, one test per promise.
 */
import { AssertionError } from "node:assert";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Dir, Disk } from "../../src/base/disk.js";
import type { RawName } from "../../src/base/raw-name.js";
import { describeDiskChanges } from "./disk-changes.js";

/** A fresh directory, opened; `path` is for looking behind the port's back. */
export interface OpenedRoot {
  readonly path: string;
  readonly disk: Disk;
  readonly dir: Dir;
}

export const raw = (name: string): RawName => name as RawName;
export const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** What `act` throws; fails when it throws nothing. */
export function thrownBy(act: () => unknown): NodeJS.ErrnoException {
  try {
    act();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it did not throw an Error");
}

export function describeDisk(name: string, openDisk: () => Disk): void {
  describe(`disk contract: ${name}`, () => {
    let root: OpenedRoot;
    beforeEach(() => {
      const path = fs.mkdtempSync(join(tmpdir(), "mailtwin-disk-"));
      const disk = openDisk();
      const dir = disk.openRoot(path);
      if (dir === undefined) throw new Error("the new directory is not there");
      root = { path, disk, dir };
    });
    afterEach(() => {
      fs.rmSync(root.path, { recursive: true, force: true });
    });
    describeOpening(() => root);
    describeReading(() => root);
    describeDiskChanges(() => root);
    describeClosing(() => root);
  });
}

function describeOpening(at: () => OpenedRoot): void {
  describe("opening", () => {
    test("a root that is absent is undefined, one that is a file is ENOTDIR", () => {
      const { disk, path } = at();
      fs.writeFileSync(join(path, "file"), "");
      expect(disk.openRoot(join(path, "nothing"))).toBeUndefined();
      expect(thrownBy(() => disk.openRoot(join(path, "file"))).code).toBe("ENOTDIR");
    });

    test("a link in the operator's own path is followed", () => {
      const { disk, path } = at();
      fs.mkdirSync(join(path, "real"));
      fs.symlinkSync("real", join(path, "link"));
      expect(disk.openRoot(join(path, "link"))?.ino).toBe(fs.statSync(join(path, "real")).ino);
    });

    test("a directory knows its identity and what it was opened as", () => {
      const { dir, path } = at();
      fs.mkdirSync(join(path, "sub"));
      const sub = dir.openDir(raw("sub"));
      const truth = fs.statSync(join(path, "sub"));
      expect(sub).toMatchObject({ dev: truth.dev, ino: truth.ino, shownPath: join(path, "sub") });
      expect(sub?.statSelf()).toMatchObject({ kind: "directory", dev: truth.dev, ino: truth.ino });
    });

    test("a child directory: absent is undefined, a link is ELOOP, a file is ENOTDIR", () => {
      const { dir, path } = at();
      fs.mkdirSync(join(path, "real"));
      fs.symlinkSync("real", join(path, "link"));
      fs.symlinkSync("nowhere", join(path, "dangling"));
      fs.writeFileSync(join(path, "file"), "");
      expect(dir.openDir(raw("nothing"))).toBeUndefined();
      expect(thrownBy(() => dir.openDir(raw("link"))).code).toBe("ELOOP");
      expect(thrownBy(() => dir.openDir(raw("dangling"))).code).toBe("ELOOP");
      expect(thrownBy(() => dir.openDir(raw("file"))).code).toBe("ENOTDIR");
    });

    test("an open directory stays the same one when its path leads elsewhere", () => {
      const { dir, path } = at();
      fs.mkdirSync(join(path, "sub"));
      const sub = dir.openDir(raw("sub"));
      fs.renameSync(join(path, "sub"), join(path, "moved"));
      fs.symlinkSync(tmpdir(), join(path, "sub"));
      sub?.createFile("x", [bytes("here")], { mode: 0o600 });
      expect(fs.readFileSync(join(path, "moved/x"), "latin1")).toBe("here");
    });

    test.each(["", ".", "..", "a/b", "../x", "/etc", "nul\0", "\u0100", "x".repeat(256)])(
      "%j is refused as the name of a child, as a defect of the caller",
      (name) => {
        const { dir } = at();
        expect(() => dir.stat(name)).toThrow(AssertionError);
        expect(() => dir.openDir(raw(name))).toThrow(AssertionError);
        expect(() => dir.createFile(name, [], { mode: 0o600 })).toThrow(AssertionError);
        dir.createFile("x", [], { mode: 0o600 });
        expect(() => dir.rename("x", dir, name)).toThrow(AssertionError);
      },
    );
  });
}

function walkAll(dir: Dir, countMax: number): string[] {
  using walk = dir.walk();
  const names: string[] = [];
  for (let more = walk.next(countMax); more.length > 0; more = walk.next(countMax)) {
    expect(more.length).toBeLessThanOrEqual(countMax);
    names.push(...more);
  }
  expect(walk.next(countMax)).toEqual([]);
  return names;
}

function describeReading(at: () => OpenedRoot): void {
  describe("reading", () => {
    test("lists names as bytes, valid UTF-8 or not", () => {
      const { dir, path } = at();
      const names = ["plain", "caf\xc3\xa9", "\xff\xfe", "1.M2P3.h,S=1:2,S", "new\nline"];
      for (const name of names) fs.writeFileSync(Buffer.concat([Buffer.from(`${path}/`), bytes(name)]), "");
      expect(dir.list().sort()).toEqual([...names].sort());
      expect(walkAll(dir, 2).sort()).toEqual([...names].sort());
      for (const name of names) expect(dir.stat(name)?.kind).toBe("file");
    });

    test("stat tells facts without following links, undefined when absent", () => {
      const { dir, path } = at();
      fs.writeFileSync(join(path, "file"), "12345");
      fs.chmodSync(join(path, "file"), 0o640);
      fs.linkSync(join(path, "file"), join(path, "second"));
      fs.symlinkSync("file", join(path, "link"));
      const { dev, ino, uid, gid, mtimeMs, ctimeMs, birthtimeMs } = fs.statSync(join(path, "file"));
      const expected = {
        kind: "file",
        dev,
        ino,
        size: 5,
        nlink: 2,
        mode: 0o640,
        uid,
        gid,
        mtimeMs,
        ctimeMs,
        birthtimeMs,
      };
      expect(dir.stat("file")).toEqual(expected);
      expect(dir.stat("link")?.kind).toBe("symlink");
      expect(dir.stat("nothing")).toBeUndefined();
    });

    test("reads a whole file into memory of its own, up to the limit", () => {
      const { dir, path } = at();
      fs.writeFileSync(join(path, "x"), "\x00\xffabc", "latin1");
      fs.writeFileSync(join(path, "empty"), "");
      const whole = dir.readFile("x", 5);
      expect(whole?.toString("latin1")).toBe("\x00\xffabc");
      expect(whole?.buffer.byteLength).toBe(5);
      expect(dir.readFile("empty", 0)?.length).toBe(0);
      expect(dir.readFile("nothing", 5)).toBeUndefined();
      expect(thrownBy(() => dir.readFile("x", 4)).code).toBe("EFBIG");
    });

    test("reads only regular files, and never waits for one that is not", () => {
      const { dir, path } = at();
      fs.writeFileSync(join(path, "file"), "");
      fs.symlinkSync("file", join(path, "link"));
      fs.mkdirSync(join(path, "sub"));
      execFileSync("mkfifo", [join(path, "fifo")]);
      for (const open of [(n: string) => dir.readFile(n, 9), (n: string) => dir.openFile(n)]) {
        expect(thrownBy(() => open("link")).code).toBe("ELOOP");
        expect(thrownBy(() => open("sub")).code).toBe("EISDIR");
        expect(thrownBy(() => open("fifo")).code).toBe("EINVAL");
      }
    });

    test("an open file is read by position and outlives its name", () => {
      const { dir, path } = at();
      fs.writeFileSync(join(path, "x"), "0123456789");
      const file = dir.openFile("x");
      fs.unlinkSync(join(path, "x"));
      const into = Buffer.alloc(4);
      expect(file?.stat).toMatchObject({ kind: "file", size: 10, nlink: 1 });
      expect(file?.statNow().nlink).toBe(0);
      expect([file?.read(into, 8), into.toString("latin1", 0, 2)]).toEqual([2, "89"]);
      expect([file?.read(into, 3), into.toString("latin1")]).toEqual([4, "3456"]);
      expect(file?.read(into, 10)).toBe(0);
      file?.close();
      expect(() => file?.read(into, 0)).toThrow(AssertionError);
      expect(() => file?.close()).toThrow(AssertionError);
      expect(dir.openFile("x")).toBeUndefined();
    });

    test("a link's target is bytes; absent is undefined; a file is EINVAL", () => {
      const { dir, path } = at();
      dir.symlink("../\xff\xe9", "link");
      fs.writeFileSync(join(path, "file"), "");
      expect(dir.readlink("link")).toBe("../\xff\xe9");
      expect(dir.readlink("nothing")).toBeUndefined();
      expect(thrownBy(() => dir.readlink("file")).code).toBe("EINVAL");
    });
  });
}

function describeClosing(at: () => OpenedRoot): void {
  describe("closing", () => {
    test("a closed directory does nothing any more, even where its number is used again", () => {
      const { dir, disk, path } = at();
      fs.mkdirSync(join(path, "a"));
      fs.writeFileSync(join(path, "a/x"), "");
      const a = dir.openDir(raw("a"));
      if (a === undefined) throw new Error("a is not there");
      a.close();
      const successor = disk.openRoot(path);
      const options = { mode: 0o600 };
      const calls: readonly (() => unknown)[] = [
        () => a.openDir(raw("x")),
        () => a.list(),
        () => a.walk(),
        () => a.stat("x"),
        () => a.statSelf(),
        () => a.readFile("x", 1),
        () => a.openFile("x"),
        () => a.createFile("y", [], options),
        () => a.appendFile("x", bytes("1"), 0),
        () => a.rename("x", dir, "x"),
        () => dir.rename("a", a, "a"),
        () => a.link("x", dir, "x"),
        () => a.unlink("x"),
        () => a.mkdir("d", 0o700),
        () => a.rmdir("d"),
        () => a.setMtime("x", 1),
        () => a.readlink("x"),
        () => a.symlink("x", "l"),
        () => a.sync(),
        () => a.syncFile("x"),
        () => a.close(),
      ];
      for (const call of calls) expect(call, call.toString()).toThrow(AssertionError);
      expect(successor?.list()).toEqual(["a"]);
    });
  });
}
