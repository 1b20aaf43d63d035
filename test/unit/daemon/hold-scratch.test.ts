/** The lock of a scratch directory, whose path others may exchange at any moment: nothing of theirs is obeyed. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { Site } from "../../../src/base/disk.js";
import { holdScratch } from "../../../src/daemon/hold-scratch.js";
import { makeOurs, siteAt } from "../../../src/daemon/own-directory.js";
import { openDb } from "../../../src/log/db.js";

const HAS_FLOCK = spawnSync("flock", ["--version"]).status === 0;
const PAGE_BYTES = 4096;

let scratch: string;
let site: Site;
const at = (path: string) => join(scratch, path);
const refuse = (why: string) => new Error(why);

beforeEach(() => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "mailtwin-hold-")));
  scratch = join(root, ".twin.mailtwin");
  site = makeOurs(scratch, refuse, { mayBeRead: false, levelsMax: 1, made: [] });
  return () => rmSync(root, { recursive: true });
});

/** A database with a journal that SQLite rolls back when it opens it, and then removes the file that the journal names. */
function plantJournal(dir: string, victim: string): void {
  const path = join(dir, "lock.db");
  {
    using db = openDb(path, "create");
    db.exec("PRAGMA journal_mode = DELETE");
    db.exec("CREATE TABLE t (x)");
  }
  const magic = Buffer.from("d9d505f920a163d7", "hex");
  const u32 = (...values: readonly number[]) => Buffer.concat(values.map(bigEndian));
  const head = Buffer.alloc(512);
  Buffer.concat([magic, u32(0, 0, readFileSync(path).length / PAGE_BYTES, 512, PAGE_BYTES)]).copy(head);
  const name = Buffer.from(victim);
  const sum = name.reduce((all, byte) => all + byte, 0);
  const tail = [u32(0x4000_0000 / PAGE_BYTES + 1), name, u32(name.length, sum), magic];
  writeFileSync(`${path}-journal`, Buffer.concat([head, ...tail]));
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

describe.runIf(HAS_FLOCK)("the lock of a scratch directory [needs flock(1)]", () => {
  test("in use is said to be one, and not a state directory's; it is free when the run has ended", () => {
    expect(siteAt(scratch, refuse)).toStrictEqual(site);
    for (const _run of ["first", "next"]) {
      using _held = holdScratch(scratch, site, refuse);
      const words = expect.stringMatching(new RegExp(`scratch directory ${scratch}: another `));
      const inUse = expect.objectContaining({ code: "destination-in-use", message: words });
      expect(() => holdScratch(scratch, site, refuse)).toThrow(inUse);
    }
    expect(readdirSync(scratch)).toEqual(["lock.db"]);
    expect(statSync(at("lock.db")).mode & 0o777).toBe(0o600);
  });

  test("is no database: a journal beside it removes nothing", () => {
    const victim = join(scratch, "../precious");
    writeFileSync(victim, "precious");
    plantJournal(scratch, victim);
    using _held = holdScratch(scratch, site, refuse);
    expect(existsSync(victim)).toBe(true);
  });
});

test("another directory in its place is refused, and so is one that others may enter by now; nothing is made in it", () => {
  renameSync(scratch, `${scratch}-away`);
  mkdirSync(scratch, { mode: 0o700 });
  expect(() => holdScratch(scratch, site, refuse)).toThrow(/another directory stands there/);
  rmSync(scratch, { recursive: true });
  renameSync(`${scratch}-away`, scratch);
  chmodSync(scratch, 0o755);
  expect(() => holdScratch(scratch, site, refuse)).toThrow(/another directory stands there/);
  expect(readdirSync(scratch)).toEqual([]);
});

test("a link or a directory in the place of the lock file is refused", () => {
  symlinkSync("../precious", at("lock.db"));
  expect(() => holdScratch(scratch, site, refuse)).toThrow(/lock.db in it is not a file/);
  rmSync(at("lock.db"));
  mkdirSync(at("lock.db"));
  expect(() => holdScratch(scratch, site, refuse)).toThrow(/lock.db in it is not a file/);
  expect(readdirSync(join(scratch, ".."))).toEqual([".twin.mailtwin"]);
});
