/** The next UID of a source's mailbox is raised under its lock, and nothing else of it changes. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseMailboxGuid, parseUidValidity, UID_MAX } from "../../../src/maildir/ids.js";
import { CaptureBench, rawPath } from "./capture-bench.js";
import type { FakeMailbox } from "./fake-dovecot.js";
import { expectEqualToDisk } from "./log-model.js";

const PATH = rawPath("alice");

function wishOf({ guid, validity }: FakeMailbox, to: number) {
  return { path: PATH, guid: parseMailboxGuid(guid), uidValidity: parseUidValidity(validity), to };
}

function fileOf(mailbox: FakeMailbox) {
  const path = join(mailbox.dir, "dovecot-uidlist");
  const { ino, mode, size, mtimeMs } = statSync(path);
  return { ino, mode, size, mtimeMs, text: readFileSync(path, "latin1") };
}

function isLocked(mailbox: FakeMailbox): boolean {
  return existsSync(join(mailbox.dir, "dovecot-uidlist.lock"));
}

async function openInbox() {
  const bench = await CaptureBench.open();
  const inbox = bench.store.create("alice");
  for (let i = 0; i < 3; i++) inbox.deliver();
  bench.settle(inbox);
  return { bench, inbox };
}

describe("a raise", () => {
  test("changes N alone, by a new file, and is captured without a listing, as a next UID and nothing else", async () => {
    const { bench, inbox } = await openInbox();
    const before = fileOf(inbox);
    const [, ...records] = before.text.split("\n");
    expect(bench.source.raiseNextUid(wishOf(inbox, 9))).toEqual({ kind: "raised", from: 4 });
    const after = fileOf(inbox);
    expect(after.text.split("\n").slice(1)).toEqual(records);
    expect(inbox.header()).toEqual({ nextUid: 9, validity: inbox.validity, guid: inbox.guid });
    expect(after.ino).not.toBe(before.ino);
    expect([after.mode, isLocked(inbox)]).toEqual([before.mode, false]);
    const outcome = bench.look(inbox);
    expect(outcome).toMatchObject({ kind: "sealed", saves: 0, changes: 0, needListing: false });
    expect(bench.model.log.at(-1)).toMatchObject({ uidNext: 9, changes: [] });
    inbox.deliver();
    bench.settle(inbox);
    expect(inbox.records().at(-1)?.uid).toBe(9);
    expectEqualToDisk(bench.model, bench.store);
  });

  test.each([1, 3, 4])("to %i, where 4 comes next: nothing is written", async (to) => {
    const { bench, inbox } = await openInbox();
    const before = fileOf(inbox);
    expect(bench.source.raiseNextUid(wishOf(inbox, to))).toEqual({ kind: "ahead" });
    expect([fileOf(inbox), isLocked(inbox)]).toEqual([before, false]);
  });

  test("counts what Dovecot has appended since N was written", async () => {
    const { bench, inbox } = await openInbox();
    inbox.deliver();
    expect(bench.source.raiseNextUid(wishOf(inbox, 5))).toEqual({ kind: "ahead" });
    expect(bench.source.raiseNextUid(wishOf(inbox, 6))).toEqual({ kind: "raised", from: 5 });
  });

  test("is for one mailbox, under one numbering: another that stands there is left alone", async () => {
    const { bench, inbox } = await openInbox();
    const before = fileOf(inbox);
    const wish = wishOf(inbox, 9);
    const others = [{ guid: parseMailboxGuid("f".repeat(32)) }, { uidValidity: parseUidValidity(7) }];
    for (const other of others) expect(bench.source.raiseNextUid({ ...wish, ...other })).toEqual({ kind: "absent" });
    expect(bench.source.raiseNextUid({ ...wish, path: rawPath("nobody") })).toEqual({ kind: "absent" });
    expect([fileOf(inbox), isLocked(inbox)]).toEqual([before, false]);
  });

  test("waits for nobody: a lock in other hands is told", async () => {
    const { bench, inbox } = await openInbox();
    inbox.lock();
    const before = fileOf(inbox);
    expect(bench.source.raiseNextUid(wishOf(inbox, 9))).toMatchObject({ kind: "busy", by: "1:elsewhere" });
    expect(fileOf(inbox)).toEqual(before);
  });

  test("of a damaged uidlist is a problem, and leaves it as it is", async () => {
    const { bench, inbox } = await openInbox();
    writeFileSync(join(inbox.dir, "dovecot-uidlist"), "garbage\n", { flag: "a" });
    const before = fileOf(inbox);
    const outcome = bench.source.raiseNextUid(wishOf(inbox, 9));
    expect(outcome).toMatchObject({ kind: "problem", problem: { code: "uidlist-damaged" } });
    expect([fileOf(inbox), isLocked(inbox)]).toEqual([before, false]);
  });

  test("beyond all UIDs is a defect of ours, and no file of the user's", async () => {
    const { bench, inbox } = await openInbox();
    const before = fileOf(inbox);
    for (const to of [0, 4.5, UID_MAX + 1, Number.NaN])
      expect(() => bench.source.raiseNextUid(wishOf(inbox, to))).toThrow(/is no UID/);
    expect(fileOf(inbox)).toEqual(before);
  });
});
