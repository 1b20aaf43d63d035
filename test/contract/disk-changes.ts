/**
 * The second half of the disk contract: what changes files. Here the promises are about what is left after a failure.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bytes, type OpenedRoot, raw, thrownBy } from "./disk.js";

const isRoot = process.geteuid?.() === 0;
const BEFORE_1970_S = -86_400;

export function describeDiskChanges(at: () => OpenedRoot): void {
  describeCreating(at);
  describeAppending(at);
  describeNames(at);
  describeDirectories(at);
}

function describeCreating(at: () => OpenedRoot): void {
  describe("creating a file", () => {
    test("writes all parts and returns the facts of what is there", () => {
      const { dir, path } = at();
      const stat = dir.createFile("x", [bytes("ab"), bytes(""), bytes("\xffcd")], { mode: 0o600, sync: true });
      expect(fs.readFileSync(join(path, "x"), "latin1")).toBe("ab\xffcd");
      expect(stat).toEqual(dir.stat("x"));
      expect(stat).toMatchObject({ kind: "file", size: 5, nlink: 1, mode: 0o600 });
    });

    test("refuses a name that exists, be it a link, and leaves it alone", () => {
      const { dir, path } = at();
      fs.writeFileSync(join(path, "x"), "old");
      fs.symlinkSync("target", join(path, "link"));
      for (const name of ["x", "link"]) {
        expect(thrownBy(() => dir.createFile(name, [bytes("new")], { mode: 0o600 })).code).toBe("EEXIST");
      }
      expect(fs.readFileSync(join(path, "x"), "latin1")).toBe("old");
      expect(dir.list().sort()).toEqual(["link", "x"]);
    });

    test("the mode is the one asked for, whatever the umask", () => {
      const { dir } = at();
      expect(dir.createFile("open", [], { mode: 0o666 }).mode).toBe(0o666);
      expect(dir.createFile("shut", [], { mode: 0o400 }).mode).toBe(0o400);
    });

    test("no file gets a set-id bit or the sticky bit", () => {
      const { dir } = at();
      expect(dir.createFile("x", [], { mode: 0o7755 }).mode).toBe(0o755);
      expect(dir.stat("x")?.mode).toBe(0o755);
    });

    test.each([1_700_000_000, 0, BEFORE_1970_S])("the time is the one asked for: %d", (mtimeS) => {
      const { dir } = at();
      expect(dir.createFile("x", [bytes("body")], { mode: 0o600, mtimeS }).mtimeMs).toBe(mtimeS * 1000);
      expect(dir.stat("x")?.mtimeMs).toBe(mtimeS * 1000);
    });

    test.runIf(isRoot)("root gives the file away [needs root]", () => {
      const { dir } = at();
      const stat = dir.createFile("x", [bytes("body")], { mode: 0o640, owner: { uid: 1234, gid: 4321 } });
      expect(stat).toMatchObject({ uid: 1234, gid: 4321, mode: 0o640 });
    });
  });
}

function describeAppending(at: () => OpenedRoot): void {
  describe("appending", () => {
    test("adds at the end", () => {
      const { dir } = at();
      dir.createFile("x", [bytes("one\n")], { mode: 0o600 });
      dir.appendFile("x", bytes("two\n"), 4);
      expect(dir.readFile("x", 99)?.toString("latin1")).toBe("one\ntwo\n");
    });

    test("writes nothing when the file is not as long as it was read", () => {
      const { dir } = at();
      dir.createFile("x", [bytes("one\n")], { mode: 0o600 });
      for (const wrong of [0, 3, 5]) {
        expect(thrownBy(() => dir.appendFile("x", bytes("two\n"), wrong)).code).toBe("file-changed");
      }
      expect(dir.readFile("x", 99)?.toString("latin1")).toBe("one\n");
    });

    test("creates nothing and follows nothing", () => {
      const { dir } = at();
      dir.createFile("x", [], { mode: 0o600 });
      dir.symlink("x", "link");
      dir.mkdir("sub", 0o700);
      expect(thrownBy(() => dir.appendFile("nothing", bytes("1"), 0)).code).toBe("ENOENT");
      expect(thrownBy(() => dir.appendFile("link", bytes("1"), 0)).code).toBe("ELOOP");
      expect(thrownBy(() => dir.appendFile("sub", bytes("1"), 0)).code).toBe("EISDIR");
      expect(dir.stat("x")?.size).toBe(0);
      expect(dir.list()).not.toContain("nothing");
    });
  });
}

function describeNames(at: () => OpenedRoot): void {
  describe("names", () => {
    test("rename moves between directories and replaces", () => {
      const { dir } = at();
      dir.mkdir("sub", 0o700);
      const sub = dir.openDir(raw("sub"));
      if (sub === undefined) throw new Error("sub is not there");
      dir.createFile("x", [bytes("new")], { mode: 0o600 });
      sub.createFile("y", [bytes("old")], { mode: 0o600 });
      dir.rename("x", sub, "y");
      expect(dir.list()).toEqual(["sub"]);
      expect(sub.readFile("y", 9)?.toString("latin1")).toBe("new");
    });

    test("rename of nothing is ENOENT, and the message names both places", () => {
      const { dir, path } = at();
      const error = thrownBy(() => dir.rename("x", dir, "y"));
      expect(error.code).toBe("ENOENT");
      expect(error.message).toContain(join(path, "x"));
      expect(error.message).toContain(join(path, "y"));
    });

    test("link refuses to replace", () => {
      const { dir } = at();
      dir.createFile("x", [bytes("1")], { mode: 0o600 });
      dir.createFile("y", [bytes("2")], { mode: 0o600 });
      dir.link("x", dir, "z");
      expect(dir.stat("z")?.ino).toBe(dir.stat("x")?.ino);
      expect(thrownBy(() => dir.link("x", dir, "y")).code).toBe("EEXIST");
      expect(dir.readFile("y", 9)?.toString("latin1")).toBe("2");
    });

    test("link takes a symbolic link itself, not what it points to", () => {
      const { dir } = at();
      dir.createFile("x", [], { mode: 0o600 });
      dir.symlink("x", "link");
      dir.link("link", dir, "again");
      expect(dir.stat("again")?.kind).toBe("symlink");
    });

    test("unlink tells whether there was something", () => {
      const { dir } = at();
      dir.createFile("x", [], { mode: 0o600 });
      dir.symlink("x", "link");
      expect(dir.unlink("link")).toBe(true);
      expect(dir.unlink("x")).toBe(true);
      expect(dir.unlink("x")).toBe(false);
      dir.mkdir("sub", 0o700);
      expect(thrownBy(() => dir.unlink("sub")).code).toMatch(/^(EISDIR|EPERM)$/);
    });

    test("errors name the path that people know, and never the descriptor", () => {
      const { dir, path } = at();
      dir.symlink("x", "link");
      const errors = [
        thrownBy(() => dir.openDir(raw("link"))),
        thrownBy(() => dir.readFile("link", 9)),
        thrownBy(() => dir.createFile("link", [], { mode: 0o600 })),
        thrownBy(() => dir.setMtime("nothing", 1)),
      ];
      for (const error of errors) {
        expect(error.message).toContain(path);
        expect(`${error.message} ${error.stack} ${error.path}`).not.toContain("/proc/");
        expect(error.message).toContain(error.code);
      }
    });
  });
}

function describeDirectories(at: () => OpenedRoot): void {
  describe("directories", () => {
    test("mkdir gives the mode asked for, refuses what exists", () => {
      const { dir } = at();
      dir.mkdir("sub", 0o2770);
      expect(dir.stat("sub")).toMatchObject({ kind: "directory", mode: 0o2770 });
      expect(thrownBy(() => dir.mkdir("sub", 0o700)).code).toBe("EEXIST");
      expect(dir.stat("sub")?.mode).toBe(0o2770);
    });

    test("of the bits beyond the nine a directory gets set-group-id and sticky, not set-user-id", () => {
      const { dir } = at();
      dir.mkdir("sub", 0o7771);
      expect(dir.stat("sub")?.mode).toBe(0o3771);
    });

    test.runIf(isRoot)("root gives the directory away [needs root]", () => {
      const { dir } = at();
      dir.mkdir("sub", 0o700, { uid: 1234, gid: 4321 });
      expect(dir.stat("sub")).toMatchObject({ uid: 1234, gid: 4321, mode: 0o700 });
    });

    test("rmdir removes an empty one only", () => {
      const { dir } = at();
      dir.mkdir("sub", 0o700);
      const sub = dir.openDir(raw("sub"));
      sub?.createFile("x", [], { mode: 0o600 });
      expect(thrownBy(() => dir.rmdir("sub")).code).toBe("ENOTEMPTY");
      sub?.unlink("x");
      expect(dir.rmdir("sub")).toBe(true);
      expect(dir.rmdir("sub")).toBe(false);
    });

    test.each([1_700_000_000, BEFORE_1970_S])("setMtime sets whole seconds and does not follow links: %d", (mtimeS) => {
      const { dir } = at();
      dir.createFile("x", [], { mode: 0o600, mtimeS: 5 });
      dir.symlink("x", "link");
      dir.setMtime("link", mtimeS);
      expect([dir.stat("x")?.mtimeMs, dir.stat("link")?.mtimeMs]).toEqual([5000, mtimeS * 1000]);
      dir.setMtime("x", mtimeS);
      expect(dir.stat("x")?.mtimeMs).toBe(mtimeS * 1000);
    });

    test("sync takes the directory and a file, and says when the file is absent", () => {
      const { dir } = at();
      dir.createFile("x", [bytes("1")], { mode: 0o600 });
      dir.syncFile("x");
      dir.sync();
      expect(thrownBy(() => dir.syncFile("nothing")).code).toBe("ENOENT");
    });
  });
}
