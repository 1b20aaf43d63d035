import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Dir } from "../../../src/base/disk.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { type Dotlock, type LockOptions, tryLock } from "../../../src/maildir/dotlock.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { openTempMailbox, type TempMailbox } from "./temp-mailbox.js";

const LOCK = "dovecot-uidlist.lock";

function options(changes: Partial<LockOptions> = {}): LockOptions {
  return { pid: 4711, hostname: "mail1", nowMs: Date.now(), isAlive: () => true, ...changes };
}

/** As if the test ran `ms` later: file times cannot be put into the past (ctime). */
function later(ms: number, changes: Partial<LockOptions> = {}): LockOptions {
  return options({ nowMs: Date.now() + ms, ...changes });
}

function locked(dir: Dir, changes: Partial<LockOptions> = {}): Dotlock {
  const attempt = tryLock(dir, options(changes));
  if (attempt.kind !== "locked") throw new Error(`held by ${attempt.by}`);
  return attempt.lock;
}

function put(mailbox: TempMailbox, content: string): void {
  mailbox.write(LOCK, content);
}

test("the lock names its process and host, readable for all, and goes away", () => {
  const { dir, path } = openTempMailbox();
  const lock = locked(dir);
  expect(readFileSync(join(path, LOCK), "latin1")).toBe("4711:mail1");
  expect(statSync(join(path, LOCK)).mode & 0o777).toBe(0o644);
  expect(lock.stillOurs()).toBe(true);
  expect(statSync(join(path, LOCK)).ino).toBe(lock.inode);
  lock.release();
  expect(existsSync(join(path, LOCK))).toBe(false);
  expect(lock.stillOurs()).toBe(false);
});

test("one that was made and cannot be opened is not left behind", () => {
  const { path } = openTempMailbox();
  const disk = new FaultDisk(openNodeDisk());
  const hasFailed = disk.inject({ operation: "openFile", error: "EMFILE" });
  const dir = disk.openRoot(path);
  if (dir === undefined) throw new Error("it is there");
  expect(() => tryLock(dir, options())).toThrow(/EMFILE/);
  expect(hasFailed()).toBe(true);
  expect(existsSync(join(path, LOCK))).toBe(false);
  locked(dir).release();
  dir.close();
});

test("what stands in a lock is told escaped and cut: whoever may write there wrote it", () => {
  for (const [content, by] of [
    ["99:\x1b]0;root\x07\x9b2J\nall is well", "99:\\x1b]0;root\\x07\\x9b2J\\x0aall is well"],
    ["99:mail1\r\n", "99:mail1"],
    ["x".repeat(500), `${"x".repeat(80)}...`],
  ] as const) {
    const mailbox = openTempMailbox();
    put(mailbox, content);
    expect(tryLock(mailbox.dir, options())).toMatchObject({ kind: "held", by });
  }
});

test("a lock of a live process is held, however old", () => {
  const mailbox = openTempMailbox();
  put(mailbox, "99:mail1");
  const attempt = tryLock(mailbox.dir, later(3_600_000));
  expect(attempt).toMatchObject({ kind: "held", by: "99:mail1", overridden: false });
  if (attempt.kind === "held") {
    expect(attempt.ageMs).toBeGreaterThanOrEqual(3_599_000);
    expect(attempt.inode).toBe(statSync(join(mailbox.path, LOCK)).ino);
  }
  expect(existsSync(join(mailbox.path, LOCK))).toBe(true);
});

test("a lock of a dead process is left alone while it is young, then removed, then free", () => {
  const mailbox = openTempMailbox();
  put(mailbox, "99:mail1");
  const dead = { isAlive: () => false };
  expect(tryLock(mailbox.dir, options(dead))).toMatchObject({ kind: "held", overridden: false });
  expect(tryLock(mailbox.dir, later(5_000, dead))).toMatchObject({ kind: "held", by: "99:mail1", overridden: true });
  expect(readdirSync(mailbox.path).sort()).toEqual(["cur", "new", "tmp"]);
  locked(mailbox.dir).release();
});

test("a lock of another host, or an empty one, is removed after 120 s only", () => {
  for (const content of ["99:mail2", ""]) {
    const mailbox = openTempMailbox();
    put(mailbox, content);
    expect(tryLock(mailbox.dir, later(110_000))).toMatchObject({ kind: "held", overridden: false });
    expect(tryLock(mailbox.dir, later(125_000))).toMatchObject({ kind: "held", overridden: true });
  }
});

test("a link in the lock's place is not read through, and is removed after 120 s", () => {
  const mailbox = openTempMailbox();
  writeFileSync(join(mailbox.path, "other"), "99:mail1");
  symlinkSync("other", join(mailbox.path, LOCK));
  expect(tryLock(mailbox.dir, later(5_000, { isAlive: () => false }))).toMatchObject({ by: "", overridden: false });
  expect(tryLock(mailbox.dir, later(125_000))).toMatchObject({ overridden: true });
  expect(readFileSync(join(mailbox.path, "other"), "latin1")).toBe("99:mail1");
});

test("a directory in the lock's place is an operator's matter", () => {
  const mailbox = openTempMailbox();
  mkdirSync(join(mailbox.path, LOCK));
  expect(() => tryLock(mailbox.dir, options())).toThrow(expect.objectContaining({ code: "lock-held" }));
});

/** As `dir`, but a live lock comes in the place of the stale one in the moment when that is moved aside. */
function withLateLock({ dir, path }: TempMailbox, beforeLink: () => void): Dir {
  return new Proxy(dir, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (key === "rename") {
        return (name: string, _to: Dir, toName: string) => {
          writeFileSync(join(path, "fresh"), "100:mail1");
          target.rename("fresh", target, name);
          target.rename(name, target, toName);
        };
      }
      if (key === "link") {
        return (name: string, _to: Dir, toName: string) => {
          beforeLink();
          target.link(name, target, toName);
        };
      }
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const ASIDE = "dovecot-uidlist.stale-4711.lock";

test("a live lock that comes in place of the stale one in the last moment is put back", () => {
  const mailbox = openTempMailbox();
  put(mailbox, "99:mail1");
  let moved: number | undefined;
  const dir = withLateLock(mailbox, () => {
    moved = statSync(join(mailbox.path, ASIDE)).ino;
  });
  expect(tryLock(dir, later(5_000, { isAlive: () => false }))).toMatchObject({ kind: "held", overridden: false });
  expect(moved).toBeDefined();
  expect(statSync(join(mailbox.path, LOCK)).ino).toBe(moved);
  expect(readFileSync(join(mailbox.path, LOCK), "latin1")).toBe("100:mail1");
  expect(readdirSync(mailbox.path)).not.toContain(ASIDE);
});

test("a directory in the place where a stale one is moved aside keeps nobody out", () => {
  const mailbox = openTempMailbox();
  put(mailbox, "99:mail1");
  mkdirSync(join(mailbox.path, ASIDE));
  const outcome = tryLock(mailbox.dir, later(5_000, { isAlive: () => false }));
  expect(outcome).toMatchObject({ kind: "held", overridden: true });
  expect(readdirSync(mailbox.path).filter((name) => name.startsWith("dovecot-uidlist."))).toEqual([ASIDE]);
  expect(tryLock(mailbox.dir, later(5_000))).toMatchObject({ kind: "locked" });
});

test("one that a third process has taken, and cleaned up after, is its", () => {
  const mailbox = openTempMailbox();
  put(mailbox, "99:mail1");
  const dir = withLateLock(mailbox, () => {
    put(mailbox, "101:mail1");
    unlinkSync(join(mailbox.path, ASIDE));
  });
  expect(tryLock(dir, later(5_000, { isAlive: () => false }))).toMatchObject({ kind: "held", overridden: false });
  expect(readFileSync(join(mailbox.path, LOCK), "latin1")).toBe("101:mail1");
});

test("a lock that was taken from us is not ours, and is not removed by us", () => {
  const { dir, path } = openTempMailbox();
  const lock = locked(dir);
  unlinkSync(join(path, LOCK));
  // Same content, and without our open descriptor most file systems would give the same inode number again.
  writeFileSync(join(path, LOCK), "4711:mail1");
  expect(lock.stillOurs()).toBe(false);
  expect(() => lock.assertOurs()).toThrow(expect.objectContaining({ code: "lock-lost" }));
  expect(() => lock.touch(1)).toThrow(expect.objectContaining({ code: "lock-lost" }));
  expect(() => lock.release()).toThrow(expect.objectContaining({ code: "lock-lost", disposition: "resync" }));
  expect(existsSync(join(path, LOCK))).toBe(true);
});

test("touch sets the time; disposal releases once and is silent afterwards", () => {
  const { dir, path } = openTempMailbox();
  const lock = locked(dir);
  lock.touch(1_800_000_000);
  expect(statSync(join(path, LOCK)).mtimeMs).toBe(1_800_000_000_000);
  lock[Symbol.dispose]();
  lock[Symbol.dispose]();
  expect(existsSync(join(path, LOCK))).toBe(false);
  expect(() => lock.release()).toThrow(expect.objectContaining({ code: "lock-lost" }));
});

/** A directory in which the removal of the lock does something else first, or instead. */
function withUnlink(dir: Dir, unlink: (really: () => boolean) => boolean): Dir {
  return new Proxy(dir, {
    get(target, key) {
      if (key === "unlink")
        return (name: string) => (name === LOCK ? unlink(() => target.unlink(name)) : target.unlink(name));
      if (key === "link") return (name: string, _to: Dir, toName: string) => target.link(name, target, toName);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe("a removal that fails", () => {
  const failing = (times: number, before: () => void = () => undefined): ((really: () => boolean) => boolean) => {
    let left = times;
    return (really) => {
      if (left-- <= 0) return really();
      before();
      throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
    };
  };

  test("once is tried again", () => {
    const { dir, path } = openTempMailbox();
    locked(withUnlink(dir, failing(1))).release();
    expect(existsSync(join(path, LOCK))).toBe(false);
  });

  test("twice is an error, and the lock is let go of", () => {
    const { dir, path } = openTempMailbox();
    const lock = locked(withUnlink(dir, failing(2)));
    expect(() => lock.release()).toThrow(expect.objectContaining({ code: "EIO" }));
    expect(existsSync(join(path, LOCK))).toBe(true);
    expect(lock.stillOurs()).toBe(false);
  });

  test("is not tried again on a lock that another has taken since", () => {
    const { dir, path } = openTempMailbox();
    const steal = (): void => {
      unlinkSync(join(path, LOCK));
      writeFileSync(join(path, LOCK), "99:mail1");
    };
    const lock = locked(withUnlink(dir, failing(1, steal)));
    expect(() => lock.release()).toThrow(expect.objectContaining({ code: "EIO" }));
    expect(readFileSync(join(path, LOCK), "latin1")).toBe("99:mail1");
  });
});
