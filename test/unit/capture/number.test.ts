import { existsSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseUid } from "../../../src/maildir/ids.js";
import { CaptureBench, rawPath } from "./capture-bench.js";
import { expectEqualToDisk, savedUids } from "./log-model.js";

describe("forced numbering", () => {
  test("appends records in Dovecot's order, from its next UID", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.deliver();
    inbox.raiseNext(4);
    const waiting = [inbox.deliver({ recorded: false }), inbox.deliver({ recorded: false, info: ":2,S" })];
    const inode = statSync(join(inbox.dir, "dovecot-uidlist")).ino;
    expect(bench.source.number({ path: rawPath("alice") })).toEqual({
      kind: "numbered",
      count: 2,
      more: false,
      uidNext: 8,
      notFiles: [],
    });
    expect(inbox.records().slice(1)).toEqual(waiting.map((base, index) => ({ uid: 6 + index, fields: "", base })));
    expect(statSync(join(inbox.dir, "dovecot-uidlist")).ino).toBe(inode);
    expect(existsSync(join(inbox.dir, "dovecot-uidlist.lock"))).toBe(false);
    bench.settle(inbox);
    expectEqualToDisk(bench.model, bench.store);
  });

  test("names what is no file, and numbers the rest", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.deliver({ recorded: false });
    for (let i = 0; i < 7; i++) mkdirSync(join(inbox.dir, "cur", `170000000${i}.dir:2,S`));
    const outcome = bench.source.number({ path: rawPath("alice") });
    const named = Array.from({ length: 5 }, (_, i) => `cur/170000000${i}.dir:2,S`);
    expect(outcome).toMatchObject({ kind: "numbered", count: 1, notFiles: named });
    expect(inbox.records()).toHaveLength(1);
  });

  test("does nothing while someone holds the lock", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.deliver({ recorded: false });
    inbox.lock();
    expect(bench.source.number({ path: rawPath("alice") })).toMatchObject({ kind: "busy", by: "1:elsewhere" });
    expect(inbox.records()).toEqual([]);
  });

  test("removes what a killed process left as it took the lock, and no directory", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.deliver({ recorded: false });
    const left = ["dovecot-uidlist.new-0123456789abcdef.lock", "dovecot-uidlist.stale-12.lock"];
    for (const name of left) writeFileSync(join(inbox.dir, name), "");
    const standing = join(inbox.dir, "dovecot-uidlist.new-0123456789abcdee.lock");
    mkdirSync(standing);
    expect(bench.source.number({ path: rawPath("alice") })).toMatchObject({ kind: "numbered", count: 1 });
    for (const name of left) expect(existsSync(join(inbox.dir, name))).toBe(false);
    expect(existsSync(standing)).toBe(true);
  });

  test("is bounded, and says that there is more", async () => {
    const bench = await CaptureBench.open({ numberedMax: 2 });
    const inbox = bench.store.create("alice");
    for (let i = 0; i < 3; i++) inbox.deliver({ recorded: false });
    expect(bench.source.number({ path: rawPath("alice") })).toMatchObject({ kind: "numbered", count: 2, more: true });
    expect(bench.source.number({ path: rawPath("alice") })).toMatchObject({ kind: "numbered", count: 1, more: false });
    expect(bench.source.number({ path: rawPath("alice") })).toMatchObject({ kind: "numbered", count: 0, more: false });
  });

  test("begins a uidlist where there is none, above the Maildir's counter", async () => {
    const bench = await CaptureBench.open();
    const folder = bench.store.create("alice/.Work");
    writeFileSync(join(bench.store.root, "alice", "dovecot-uidvalidity"), "f0000000");
    const base = folder.deliver({ recorded: false });
    unlinkSync(join(folder.dir, "dovecot-uidlist"));
    expect(bench.look(folder, { full: true })).toMatchObject({
      kind: "unchanged",
      unnumbered: { count: 1, oldestSeenMs: bench.nowMs },
    });
    expect(bench.source.number({ path: rawPath("alice/.Work") })).toMatchObject({
      kind: "numbered",
      count: 1,
      uidNext: 2,
    });
    expect(folder.header()).toMatchObject({
      validity: 0xf0000001,
      nextUid: 2,
      guid: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(folder.records()).toEqual([{ uid: 1, fields: "", base }]);
    expect(bench.look(folder, { full: true })).toMatchObject({ kind: "sealed", saves: 1 });
  });

  test("gives a uidlist its GUID, and repairs an unfinished last line", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const base = inbox.deliver();
    writeFileSync(join(inbox.dir, "dovecot-uidlist"), `3 V77 N1\n1 :${base}\n`);
    expect(bench.look(inbox, { full: true })).toMatchObject({ kind: "unchanged", unnumbered: { count: 1 } });
    bench.source.number({ path: rawPath("alice") });
    expect(readFileSync(join(inbox.dir, "dovecot-uidlist"), "latin1")).toMatch(/^3 V77 N2 G[0-9a-f]{32}\n1 :/);
    const other = inbox.deliver({ recorded: false });
    writeFileSync(join(inbox.dir, "dovecot-uidlist"), "2 :torn", { flag: "a" });
    bench.source.number({ path: rawPath("alice") });
    expect(inbox.records()).toEqual([
      { uid: 1, fields: "", base },
      { uid: 2, fields: "", base: other },
    ]);
  });

  test("a mailbox that is not there is absent", async () => {
    const bench = await CaptureBench.open();
    expect(bench.source.number({ path: rawPath("nobody") })).toEqual({ kind: "absent" });
  });
});

describe("renumbering", () => {
  test("moves messages above the floor, in the order of their old UIDs, and wakes sessions", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const bases = [inbox.deliver(), inbox.deliver({ info: ":2,S" }), inbox.deliver()];
    bench.settle(inbox);
    const before = statSync(join(inbox.dir, "cur")).mtimeMs;
    const uids = [3, 1, 99, 1].map(parseUid);
    expect(bench.source.renumber({ path: rawPath("alice"), uids, floor: 10 })).toEqual({
      kind: "renumbered",
      moves: [
        { fromUid: 1, toUid: 10, base: bases[0] },
        { fromUid: 3, toUid: 11, base: bases[2] },
      ],
      uidNext: 12,
    });
    expect(inbox.records().map(({ uid }) => uid)).toEqual([2, 10, 11]);
    expect(statSync(join(inbox.dir, "cur")).mtimeMs).toBeGreaterThan(before);
    expect(inbox.files()).toHaveLength(3);
    bench.look(inbox);
    expect(bench.model.log.at(-1)?.changes.map(({ kind }) => kind)).toEqual(["rebind", "rebind"]);
    bench.settle(inbox);
    expectEqualToDisk(bench.model, bench.store);
    expect(savedUids(bench.model, inbox.guid)).toEqual([1, 2, 3]);
  });

  test("refuses to leave no UIDs for others", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.deliver();
    const request = { path: rawPath("alice"), uids: [parseUid(1)], floor: 0xffff_0000 };
    expect(bench.source.renumber(request)).toMatchObject({ kind: "problem", problem: { code: "uids-exhausted" } });
    expect(inbox.records()).toHaveLength(1);
  });
});
