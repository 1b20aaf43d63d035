/** A process that dies, or is refused a call, as it takes the lock: what stands there then is no lock, or one that names it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Dir } from "../../../src/base/disk.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import {
  isLockLeftover,
  type LockAttempt,
  type LockOptions,
  removeLockLeftovers,
  tryLock,
} from "../../../src/maildir/dotlock.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { MortalDisk } from "../../contract/mortal-disk.js";
import { openTempMailbox } from "./temp-mailbox.js";

const LOCK = "dovecot-uidlist.lock";
const DEAD = 4711;
const LIVE = 4712;
const EMPTY_MAILBOX = ["cur", "new", "tmp"];
/** Create, link, remove the first name; remove the lock. */
const WRITES = 4;
const PAST_OVERRIDE_MS = 5_000;

function options(pid: number, laterMs = 0): LockOptions {
  return { pid, hostname: "mail1", nowMs: Date.now() + laterMs, isAlive: (other) => other === LIVE };
}

function open(disk: FaultDisk, path: string): Dir {
  const dir = disk.openRoot(path);
  if (dir === undefined) throw new Error("it is there");
  return dir;
}

/** Takes the lock and gives it back, or dies on the way. */
function lockOnce(disk: MortalDisk, path: string): void {
  try {
    const attempt = tryLock(open(disk, path), options(DEAD));
    if (attempt.kind === "locked") attempt.lock.release();
  } catch (error) {
    if (!disk.isDead) throw error;
  }
}

/** As whoever comes after a crash: overrides what is dead, then locks. */
function lockAfter(dir: Dir): LockAttempt {
  const first = tryLock(dir, options(LIVE, PAST_OVERRIDE_MS));
  if (first.kind === "locked" || !first.overridden) return first;
  return tryLock(dir, options(LIVE, PAST_OVERRIDE_MS));
}

describe.each([
  ["before a write", false],
  ["in the middle of a write", true],
])("killed %s", (_, torn) => {
  test.each(Array.from({ length: WRITES }, (_, writes) => [writes]))("after %i writes", (writes) => {
    const { dir, path } = openTempMailbox();
    const disk = new MortalDisk(writes, { torn });
    lockOnce(disk, path);
    expect(disk.isDead).toBe(true);
    const content = existsSync(join(path, LOCK)) ? readFileSync(join(path, LOCK), "latin1") : undefined;
    expect(content).toBe(writes < 2 ? undefined : `${DEAD}:mail1`);
    const others = readdirSync(path).filter((name) => name !== LOCK && !EMPTY_MAILBOX.includes(name));
    expect(others.filter((name) => !isLockLeftover(name))).toEqual([]);

    const attempt = lockAfter(dir);
    if (attempt.kind !== "locked") throw new Error(`held by "${attempt.by}"`);
    expect(readFileSync(join(path, LOCK), "latin1")).toBe(`${LIVE}:mail1`);
    removeLockLeftovers(dir);
    attempt.lock.release();
    expect(readdirSync(path).sort()).toEqual(EMPTY_MAILBOX);
  });
});

test("these are all the writes that there are", () => {
  const { path } = openTempMailbox();
  const disk = new MortalDisk(WRITES);
  lockOnce(disk, path);
  expect(disk.isDead).toBe(false);
  expect(readdirSync(path).sort()).toEqual(EMPTY_MAILBOX);
});

describe("a call that fails", () => {
  test.each([
    ["link", "EIO", "before"],
    ["link", "ENOSPC", "before"],
    ["unlink", "EIO", "before"],
    ["unlink", "EIO", "after"],
    ["createFile", "ENOSPC", "before"],
  ] as const)("%s with %s (%s the effect) is an error, and nothing is left", (operation, error, when) => {
    const { path } = openTempMailbox();
    const disk = new FaultDisk(openNodeDisk());
    const hasFailed = disk.inject({ operation, error, when });
    const dir = open(disk, path);
    expect(() => tryLock(dir, options(LIVE))).toThrow(expect.objectContaining({ code: error }));
    expect(hasFailed()).toBe(true);
    expect(readdirSync(path).sort()).toEqual(EMPTY_MAILBOX);
    dir.close();
  });

  test.each(["EIO", "EEXIST", "ENOENT"] as const)("a link that is there in spite of %s is our lock", (error) => {
    const { path } = openTempMailbox();
    const disk = new FaultDisk(openNodeDisk());
    disk.inject({ operation: "link", error, when: "after" });
    const dir = open(disk, path);
    const attempt = tryLock(dir, options(LIVE));
    if (attempt.kind !== "locked") throw new Error(`held by "${attempt.by}"`);
    expect(attempt.lock.stillOurs()).toBe(true);
    expect(statSync(join(path, LOCK)).nlink).toBe(1);
    attempt.lock.release();
    expect(readdirSync(path).sort()).toEqual(EMPTY_MAILBOX);
    dir.close();
  });

  test("another that is faster by a moment has it, and nothing of ours is left", () => {
    const { dir, path } = openTempMailbox();
    const late = withLink(dir, () => writeFileSync(join(path, LOCK), `${LIVE}:mail1`, { flag: "wx" }));
    expect(tryLock(late, options(DEAD))).toMatchObject({ kind: "held", by: `${LIVE}:mail1`, overridden: false });
    expect(readdirSync(path).sort()).toEqual([...EMPTY_MAILBOX, LOCK].sort());
  });

  test("one whose new lock was taken for a leftover makes it anew", () => {
    const { dir, path } = openTempMailbox();
    let removed = 0;
    const robbed = withLink(dir, (name) => {
      if (removed++ === 0) unlinkSync(join(path, name));
    });
    const attempt = tryLock(robbed, options(LIVE));
    expect(attempt.kind).toBe("locked");
    expect(removed).toBe(2);
    expect(readFileSync(join(path, LOCK), "latin1")).toBe(`${LIVE}:mail1`);
    expect(readdirSync(path).sort()).toEqual([...EMPTY_MAILBOX, LOCK].sort());
  });
});

describe.each(["EPERM", "EOPNOTSUPP"] as const)("on a file system without hard links (%s)", (error) => {
  test("the lock is made in its place, once", () => {
    const { path } = openTempMailbox();
    const disk = new FaultDisk(openNodeDisk());
    disk.inject({ operation: "link", error, lasting: true });
    const dir = open(disk, path);
    const attempt = tryLock(dir, options(LIVE));
    expect(attempt.kind).toBe("locked");
    expect(readFileSync(join(path, LOCK), "latin1")).toBe(`${LIVE}:mail1`);
    expect(readdirSync(path).sort()).toEqual([...EMPTY_MAILBOX, LOCK].sort());
    expect(tryLock(dir, options(DEAD))).toMatchObject({ kind: "held", by: `${LIVE}:mail1` });
    dir.close();
  });

  test("another that is faster by a moment has it", () => {
    const { dir, path } = openTempMailbox();
    const late = withLink(dir, () => {
      writeFileSync(join(path, LOCK), `${LIVE}:mail1`);
      throw Object.assign(new Error(error), { code: error });
    });
    expect(tryLock(late, options(DEAD))).toMatchObject({ kind: "held", by: `${LIVE}:mail1`, overridden: false });
    expect(readdirSync(path).sort()).toEqual([...EMPTY_MAILBOX, LOCK].sort());
  });
});

test("whoever finds a lock that is held writes nothing", () => {
  const { path } = openTempMailbox();
  writeFileSync(join(path, LOCK), `${LIVE}:mail1`);
  const disk = new MortalDisk(0);
  expect(tryLock(open(disk, path), options(DEAD))).toMatchObject({ kind: "held", by: `${LIVE}:mail1` });
  expect(disk.isDead).toBe(false);
});

test("leftovers are told by their names, and a directory of such a name stays", () => {
  const { dir, path } = openTempMailbox();
  const leftovers = ["dovecot-uidlist.new-0123456789abcdef.lock", "dovecot-uidlist.stale-12.lock"];
  const others = [LOCK, "dovecot-uidlist", "dovecot-uidlist.tmp", "dovecot-keywords.lock", "mailboxes.lock"];
  for (const name of [...leftovers, ...others]) writeFileSync(join(path, name), "");
  const standing = "dovecot-uidlist.new-0123456789abcdee.lock";
  mkdirSync(join(path, standing));
  removeLockLeftovers(dir);
  expect(readdirSync(path).sort()).toEqual([...EMPTY_MAILBOX, ...others, standing].sort());
});

test("of thousands that somebody has planted one hold removes a number, and the next ones the rest", () => {
  const { dir, path } = openTempMailbox();
  for (let at = 0; at < 250; at++)
    writeFileSync(join(path, `dovecot-uidlist.new-${String(at).padStart(16, "0")}.lock`), "");
  const left = () => readdirSync(path).filter(isLockLeftover).length;
  const holds = [1, 2, 3].map(() => ({ more: removeLockLeftovers(dir), left: left() }));
  expect(holds).toEqual([
    { more: true, left: 150 },
    { more: true, left: 50 },
    { more: false, left: 0 },
  ]);
});

/** A directory in which something happens before each link. */
function withLink(dir: Dir, before: (name: string) => void): Dir {
  return new Proxy(dir, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (key === "link") {
        return (name: string, _to: Dir, toName: string) => {
          before(name);
          target.link(name, target, toName);
        };
      }
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
