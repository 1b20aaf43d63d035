/** Numbered entries of cur/ that are no regular files: links, directories, pipes. */
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
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
  expect(bench.model.reader.mailboxes()).toMatchObject([{ messages: 2, uidNext: 4, fingerprint: "" }]);
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
