/** Numbered entries of cur/ that are no regular files: links, directories, pipes. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import type { Dir, Disk, FileStat } from "../../../src/base/disk.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import type { RawName } from "../../../src/base/raw-name.js";
import { CaptureBench } from "./capture-bench.js";
import type { FakeMailbox } from "./fake-dovecot.js";
import { savedUids } from "./log-model.js";

const MAKE: Readonly<Record<string, (path: string) => void>> = {
  "a link": (path) => symlinkSync("/etc/hostname", path),
  "a dangling link": (path) => symlinkSync("/nowhere/at/all", path),
  "a directory": (path) => mkdirSync(path),
  "a pipe": (path) => execFileSync("mkfifo", [path]),
};

/** A message, something else with a record, and a message. */
function withOddity(mailbox: FakeMailbox, make: (path: string) => void): { base: string; path: string } {
  mailbox.deliver();
  const base = mailbox.freshBase();
  const path = join(mailbox.dir, "cur", `${base}:2,`);
  make(path);
  mailbox.append(base);
  mailbox.deliver();
  return { base, path };
}

test.each(Object.entries(MAKE))("%s counts as no message; what is behind it is saved", async (_, make) => {
  const bench = await CaptureBench.open();
  const inbox = bench.store.create("alice");
  const { base, path } = withOddity(inbox, make);
  expect(bench.settle(inbox)).toBe(2);
  expect(bench.model.reader.mailboxes()).toMatchObject([
    { messages: 2, uidNext: 4, fingerprint: expect.stringMatching(/^\d+( -){10} /) },
  ]);
  expect(bench.look(inbox, { full: true })).toMatchObject({ notFiles: [`cur/${base}:2,`], needListing: false });
  inbox.deliver();
  expect(bench.settle(inbox)).toBe(1);
  rmSync(path, { recursive: true });
  writeFileSync(path, "a message now");
  expect(bench.look(inbox, { full: true }).late).toStrictEqual([2]);
  expect(bench.settle(inbox)).toBe(1);
  expect(bench.look(inbox, { full: true }).notFiles).toBeUndefined();
  expect(bench.model.reader.mailboxes()).toMatchObject([{ messages: 4 }]);
});

/** No file system of tests need hold such dates and sizes: a disk that tells them of one file. */
function tellingDisk(told: Partial<FileStat>, of: () => string): Disk {
  const disk = openNodeDisk();
  const wrap = (dir: Dir): Dir =>
    new Proxy(dir, {
      get(target, property) {
        if (property === "openDir") {
          return (name: RawName) => {
            const child = target.openDir(name);
            return child === undefined ? undefined : wrap(child);
          };
        }
        if (property === "stat") {
          return (name: string) => {
            const stat = target.stat(name);
            return stat !== undefined && name === of() ? { ...stat, ...told } : stat;
          };
        }
        const value: unknown = Reflect.get(target, property);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  return {
    openRoot: (path) => {
      const root = disk.openRoot(path);
      return root === undefined ? undefined : wrap(root);
    },
  };
}

test.each([
  ["date", { mtimeMs: 9_000_000_000_000_000 }],
  ["date, long ago", { mtimeMs: -9_000_000_000_000_000 }],
  ["size", { size: 2 ** 63 - 4096 }],
] as const)("a message with an impossible %s is left out and named; what is behind it is saved", async (_, told) => {
  let odd = "";
  const bench = await CaptureBench.open({}, { disk: tellingDisk(told, () => odd) });
  const inbox = bench.store.create("alice");
  const { base } = withOddity(inbox, (path) => {
    writeFileSync(path, "x");
    odd = basename(path);
  });
  expect(bench.settle(inbox)).toBe(2);
  expect(bench.look(inbox, { full: true })).toMatchObject({ notFiles: [`cur/${base}:2,`], needListing: false });
  odd = "";
  expect(bench.look(inbox, { full: true }).late).toStrictEqual([2]);
});

test("record fields that are longer than a transaction carries are left out, and the message is saved", async () => {
  const bench = await CaptureBench.open();
  const inbox = bench.store.create("alice");
  const base = inbox.deliver();
  const uidlist = join(inbox.dir, "dovecot-uidlist");
  const text = readFileSync(uidlist, "latin1");
  writeFileSync(uidlist, text.replace(/^1 .*$/m, `1 S1 X${"y".repeat(3000)} W2 :${base}`), "latin1");
  expect(bench.settle(inbox)).toBe(1);
});

test("one that turns up behind what is known is told after one listing", async () => {
  const bench = await CaptureBench.open();
  const inbox = bench.store.create("alice");
  inbox.deliver();
  bench.settle(inbox);
  withOddity(inbox, (path) => symlinkSync("/etc/hostname", path));
  const hinted = bench.look(inbox);
  expect([hinted.needListing, savedUids(bench.model, inbox.guid)]).toStrictEqual([true, [1, 2]]);
  const listed = bench.look(inbox, { full: true });
  expect([listed.needListing, listed.notFiles?.length, savedUids(bench.model, inbox.guid)]).toStrictEqual([
    false,
    1,
    [1, 2, 4],
  ]);
  expect(bench.look(inbox)).toMatchObject({ kind: "unchanged", needListing: false, pending: 0 });
});

test("a known message whose file became a link is kept as it was, also under new flags, and told", async () => {
  const bench = await CaptureBench.open();
  const inbox = bench.store.create("alice");
  const base = inbox.deliver({ info: ":2," });
  bench.settle(inbox);
  const path = join(inbox.dir, "cur", `${base}:2,`);
  unlinkSync(path);
  symlinkSync("/etc/hostname", path);
  expect(bench.settle(inbox)).toBe(0);
  renameSync(path, `${path}S`);
  expect(bench.settle(inbox)).toBe(0);
  expect(bench.look(inbox, { full: true })).toMatchObject({ notFiles: [`cur/${base}:2,S`] });
  expect(bench.model.reader.mailboxes()).toMatchObject([{ messages: 1 }]);
  unlinkSync(`${path}S`);
  expect(bench.settle(inbox)).toBe(1);
  expect(bench.model.reader.mailboxes()).toMatchObject([{ messages: 0 }]);
});
