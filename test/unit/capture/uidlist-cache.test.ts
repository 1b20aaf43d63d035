/** Uidlists in memory are bounded by what they hold, whatever their number and whatever is in them. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MailboxCache } from "../../../src/apply/mailbox-cache.js";
import type { Dir } from "../../../src/base/disk.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { UidlistCache } from "../../../src/capture/uidlist-cache.js";
import { parseMailboxGuid } from "../../../src/maildir/ids.js";
import { rawPath } from "./capture-bench.js";

const MIB = 1024 * 1024;
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mailtwin-uidlists-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A uidlist whose last line never ends: a hole of so many bytes. */
function withHole(name: string, bytes: number): Dir {
  mkdirSync(join(root, name));
  const uidlist = join(root, name, "dovecot-uidlist");
  writeFileSync(uidlist, `3 V1 N2 G${"0".repeat(31)}1\n1 :a\n`);
  truncateSync(uidlist, bytes);
  const dir = openNodeDisk().openRoot(join(root, name));
  if (dir === undefined) throw new Error("it was just made");
  return dir;
}

test("what stands in an unfinished line counts", () => {
  const cache = new UidlistCache(4 * MIB);
  for (const name of ["a", "b", "c"]) {
    using dir = closing(withHole(name, 3 * MIB));
    const path = rawPath(name);
    cache.pin(path);
    const read = cache.read(path, dir.dir);
    expect("uidlist" in read).toBe(true);
    if ("uidlist" in read) cache.setCompared(path, read.uidlist);
  }
  expect([cache.compared(rawPath("a")), cache.compared(rawPath("b"))]).toEqual([undefined, undefined]);
  expect(cache.compared(rawPath("c"))).toBeDefined();
});

test("of a damaged one nothing is kept, nor of one that is too large", () => {
  for (const spoil of [
    (file: string) => writeFileSync(file, "garbage\n"),
    (file: string) => truncateSync(file, 600 * MIB),
  ]) {
    rmSync(join(root, "a"), { recursive: true, force: true });
    const cache = new UidlistCache(4 * MIB);
    using dir = closing(withHole("a", 3 * MIB));
    const read = cache.read(rawPath("a"), dir.dir);
    if ("uidlist" in read) cache.setCompared(rawPath("a"), read.uidlist);
    expect(cache.hasRoom).toBe(false);
    spoil(join(root, "a/dovecot-uidlist"));
    try {
      cache.read(rawPath("a"), dir.dir);
    } catch (error) {
      expect(error).toMatchObject({ code: "uidlist-too-large" });
    }
    expect(cache.compared(rawPath("a"))).toBeUndefined();
    expect(cache.hasRoom).toBe(true);
  }
});

test("a replica's mailboxes that are kept for what is not recorded yet keep no uidlists beyond the bound", () => {
  const reader = { mailboxByGuid: () => undefined } as never;
  const cache = new MailboxCache({ reader, digester: undefined as never });
  const guids = Array.from({ length: 6 }, (_, i) => parseMailboxGuid(String(i + 1).padStart(32, "0")));
  for (const guid of guids) {
    using dir = closing(withHole(guid, 24 * MIB));
    cache.get(guid).uidlist.read(dir.dir);
  }
  const known = guids.map((guid) => cache.get(guid));
  const held = known.reduce((sum, { uidlist }) => sum + uidlist.heldBytes, 0);
  expect(held).toBeGreaterThan(24 * MIB);
  expect(held).toBeLessThan(64 * MIB);
  expect(new Set(known).size).toBe(6);
});

function closing(dir: Dir): Disposable & { readonly dir: Dir } {
  return { dir, [Symbol.dispose]: () => dir.close() };
}
