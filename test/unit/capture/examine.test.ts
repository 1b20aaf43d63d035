import { renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CaptureBench } from "./capture-bench.js";
import { expectEqualToDisk, savedUids } from "./log-model.js";

describe("a full examination", () => {
  test("of a new mailbox creates it with all its messages, then finds nothing more", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.deliver();
    inbox.deliver({ info: ":2,FS" });
    inbox.deliver({ info: `:2,S${inbox.keywordLetter("$Junk")}` });
    const outcome = bench.look(inbox, { full: true });
    expect(outcome).toMatchObject({
      kind: "sealed",
      saves: 3,
      changes: 3,
      pending: 0,
      more: false,
      needListing: false,
    });
    expectEqualToDisk(bench.model, bench.store);
    const [first] = bench.model.log;
    expect(first?.structure).toMatchObject({ kind: "create", parents: [], maildirFolder: true });
    expect(first?.changes[2]).toMatchObject({ kind: "save", message: { uid: 3, keywords: ["$Junk"], flags: 16 } });
    expect(bench.look(inbox, { full: true }).kind).toBe("unchanged");
  });

  test("seals in parts, each below the next UID of those before", async () => {
    const bench = await CaptureBench.open({ changesMax: 1024 });
    const inbox = bench.store.create("alice");
    for (let i = 0; i < 2000; i++) inbox.deliver(i % 3 === 0 ? { info: ":2,S" } : {});
    const first = bench.look(inbox, { full: true });
    expect(first).toMatchObject({ kind: "sealed", more: true });
    expect(first.listed?.entries).toBe(2000);
    const second = bench.look(inbox, { full: true });
    expect(second.listed).toBeUndefined(); // the same listing, worked on.
    bench.settle(inbox);
    expect(savedUids(bench.model, inbox.guid)).toEqual(Array.from({ length: 2000 }, (_, i) => i + 1));
    expectEqualToDisk(bench.model, bench.store);
  });

  test("takes a listing that is worked off for what it was: later changes are looked at again", async () => {
    const bench = await CaptureBench.open({ changesMax: 512 });
    const inbox = bench.store.create("alice");
    const bases = Array.from({ length: 1500 }, () => inbox.deliver({ info: ":2," }));
    bench.look(inbox, { full: true });
    inbox.takeHints();
    inbox.setInfo(bases[3] ?? "", ":2,S"); // sealed already
    inbox.setInfo(bases[1400] ?? "", ":2,F"); // not sealed yet
    inbox.expunge(bases[1300] ?? "");
    inbox.deliver();
    bench.look(inbox, { full: true, names: inbox.takeHints() });
    bench.settle(inbox);
    expectEqualToDisk(bench.model, bench.store);
  });

  test("finds flags, expunges, a move to cur/ and a raised next UID", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const [a = "", b = "", c = ""] = [inbox.deliver(), inbox.deliver(), inbox.deliver({ info: ":2,S" })];
    bench.settle(inbox);
    inbox.setInfo(a, ":2,S");
    inbox.setInfo(b, ":2,");
    inbox.expunge(c);
    inbox.raiseNext(10);
    expect(bench.settle(inbox)).toBe(2);
    expectEqualToDisk(bench.model, bench.store);
    expect(bench.model.log.at(-1)?.uidNext).toBe(14);
  });

  test("a record that disappeared while the file stays is no expunge; under its new UID it is a rebind", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const bases = [inbox.deliver(), inbox.deliver(), inbox.deliver()];
    bench.settle(inbox);
    inbox.writeUidlist(inbox.records().slice(1), inbox.nextUid());
    const waiting = bench.look(inbox, { full: true });
    expect(waiting).toMatchObject({ kind: "unchanged", unnumbered: { count: 1, oldestSeenMs: bench.nowMs } });
    inbox.numberAll();
    bench.look(inbox, { full: true });
    expect(bench.model.log.at(-1)?.changes).toMatchObject([
      { kind: "rebind", fromUid: 1, fromBase: bases[0], message: { uid: 4, base: bases[0] } },
    ]);
  });

  test("a base name that changed under its UID is a rebind", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const base = inbox.deliver({ info: ":2,S" });
    bench.settle(inbox);
    inbox.renameBase(base);
    bench.settle(inbox);
    expect(bench.model.log.at(-1)?.changes).toMatchObject([
      { kind: "rebind", fromUid: 1, fromBase: base, message: { uid: 1 } },
    ]);
    expectEqualToDisk(bench.model, bench.store);
  });

  test("an expunged message that is put back is late, and comes back under a new UID", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const base = inbox.deliver({ info: ":2,S" });
    inbox.deliver();
    bench.settle(inbox);
    renameSync(join(inbox.dir, "cur", `${base}:2,S`), join(inbox.dir, "tmp", "kept"));
    bench.settle(inbox);
    renameSync(join(inbox.dir, "tmp", "kept"), join(inbox.dir, "cur", `${base}:2,S`));
    expect(bench.look(inbox, { full: true })).toMatchObject({ kind: "unchanged", late: [1] });
    bench.settle(inbox);
    expect(savedUids(bench.model, inbox.guid)).toEqual([1, 2, 3]);
    expectEqualToDisk(bench.model, bench.store);
  });

  test("another UIDVALIDITY resets the mailbox", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    for (let i = 0; i < 5; i++) inbox.deliver();
    bench.settle(inbox);
    const before = inbox.validity;
    inbox.reset();
    bench.settle(inbox);
    expect(bench.model.log.at(-1)?.structure).toEqual({ kind: "reset", before });
    expectEqualToDisk(bench.model, bench.store);
    expect(bench.model.reader.mailboxes()).toHaveLength(1);
  });

  test("stores a fingerprint when all is covered, and a restart compares only that", async () => {
    const bench = await CaptureBench.open({}, { clock: clockAhead(60_000) });
    const inbox = bench.store.create("alice");
    inbox.deliver();
    bench.settle(inbox);
    const [row] = bench.model.reader.mailboxes();
    expect(row?.fingerprint).not.toBe("");
    await bench.restart();
    const [found] = bench.source.discover().mailboxes;
    expect(found).toMatchObject({
      path: "alice",
      guid: inbox.guid,
      uidValidity: inbox.validity,
      fingerprint: row?.fingerprint,
    });
    inbox.deliver();
    expect(bench.source.discover().mailboxes[0]?.fingerprint).not.toBe(row?.fingerprint);
  });

  test("a fingerprint that is younger than a tick is not trusted", async () => {
    const bench = await CaptureBench.open({}, { clock: standingClock() });
    const inbox = bench.store.create("alice");
    inbox.deliver();
    bench.settle(inbox);
    // It says which directory that was, and equals nothing.
    expect(bench.model.reader.mailboxes()[0]?.fingerprint).toMatch(/^\d+( -){10} \d+ [\d.]+$/);
    expect(bench.source.discover().mailboxes[0]?.fingerprint).toBe("");
  });
});

describe("an examination by hints", () => {
  test("seals deliveries and flags without a listing", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const old = inbox.deliver({ info: ":2,S" });
    bench.settle(inbox);
    inbox.takeHints();
    inbox.deliver();
    inbox.setInfo(old, ":2,FS");
    const outcome = bench.look(inbox, { names: inbox.takeHints() });
    expect(outcome).toMatchObject({ kind: "sealed", saves: 1, changes: 2, needListing: false, pending: 0 });
    expect(outcome.listed).toBeUndefined();
    expect(outcome.kind === "sealed" && outcome.visibleMs !== undefined).toBe(true);
    expectEqualToDisk(bench.model, bench.store);
    expect(bench.settle(inbox)).toBe(0);
  });

  test("finds a delivery by likely names when the event was lost", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    bench.settle(inbox);
    inbox.setInfo(inbox.deliver(), ":2,");
    inbox.deliver();
    expect(bench.look(inbox)).toMatchObject({ kind: "sealed", saves: 2, needListing: false });
    expectEqualToDisk(bench.model, bench.store);
  });

  test("a new record whose file is not found stops the saves behind it", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    bench.settle(inbox);
    inbox.deliver();
    inbox.expunge(inbox.deliver());
    inbox.deliver();
    const outcome = bench.look(inbox, { names: inbox.takeHints() });
    expect(outcome).toMatchObject({ kind: "sealed", saves: 1, needListing: true, pending: 2 });
    expect(bench.model.log.at(-1)?.uidNext).toBe(2);
    bench.settle(inbox);
    expect(savedUids(bench.model, inbox.guid)).toEqual([1, 3]);
    expectEqualToDisk(bench.model, bench.store);
  });

  test("a name that vanished is not taken for expunged before a listing says so", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const base = inbox.deliver({ info: ":2,S" });
    bench.settle(inbox);
    inbox.takeHints();
    inbox.expunge(base);
    expect(bench.look(inbox, { names: inbox.takeHints() })).toMatchObject({ kind: "unchanged", needListing: true });
    expect(bench.settle(inbox)).toBe(1);
    expectEqualToDisk(bench.model, bench.store);
  });

  test("files without a record wait, and keep the time at which they were first seen", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    bench.settle(inbox);
    const firstMs = bench.nowMs;
    inbox.deliver({ recorded: false });
    expect(bench.look(inbox, { names: inbox.takeHints() })).toMatchObject({
      kind: "unchanged",
      unnumbered: { count: 1, oldestSeenMs: firstMs },
    });
    bench.nowMs += 400;
    inbox.deliver({ recorded: false });
    expect(bench.look(inbox, { names: inbox.takeHints() }).unnumbered).toEqual({ count: 2, oldestSeenMs: firstMs });
    expect(bench.look(inbox, { full: true }).unnumbered).toEqual({ count: 2, oldestSeenMs: firstMs });
    inbox.numberAll();
    expect(bench.look(inbox)).toMatchObject({ kind: "sealed", saves: 2, unnumbered: { count: 0, oldestSeenMs: 0 } });
    expectEqualToDisk(bench.model, bench.store);
  });

  test("a message that was renumbered by a rewrite is a rebind", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const base = inbox.deliver({ info: ":2,S" });
    inbox.deliver();
    bench.settle(inbox);
    inbox.renumber(base);
    bench.look(inbox);
    expect(bench.model.log.at(-1)?.changes).toMatchObject([{ kind: "rebind", fromUid: 1, message: { uid: 3 } }]);
    expectEqualToDisk(bench.model, bench.store);
  });

  test("after a restart, a rewritten uidlist asks for a listing before anything new is sealed", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const base = inbox.deliver({ info: ":2,S" });
    bench.settle(inbox);
    await bench.restart();
    inbox.renumber(base);
    expect(bench.look(inbox)).toMatchObject({ kind: "unchanged", needListing: true, pending: 1 });
    bench.settle(inbox);
    expect(bench.model.log.at(-1)?.changes).toMatchObject([{ kind: "rebind", fromUid: 1, message: { uid: 2 } }]);
  });

  test("names that mean nothing are passed over", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.deliver();
    bench.settle(inbox);
    const names = [".hidden", "..", "a/b", "x\ny:2,", ":2,S", "y".repeat(300)];
    expect(bench.look(inbox, { names: names.map((name) => ({ dir: "cur", name })) })).toMatchObject({
      kind: "unchanged",
    });
  });
});

describe("keyword letters", () => {
  test("wait for the lock, at most for so long", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const base = inbox.deliver({ info: ":2," });
    const other = inbox.deliver({ info: ":2," });
    bench.settle(inbox);
    inbox.takeHints();
    inbox.lock();
    inbox.setInfo(base, ":2,a");
    inbox.setInfo(other, ":2,S");
    const names = inbox.takeHints();
    expect(bench.look(inbox, { names })).toMatchObject({ kind: "sealed", changes: 1, recheckInMs: 3 });
    expect(bench.look(inbox, { names })).toMatchObject({ kind: "unchanged", recheckInMs: 3 });
    inbox.writeKeywords(["$Late"]);
    inbox.unlock();
    expect(bench.look(inbox, { names })).toMatchObject({ kind: "sealed", changes: 1 });
    expectEqualToDisk(bench.model, bench.store);
  });

  test("of a save hold back the saves behind it", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    bench.settle(inbox);
    inbox.lock();
    inbox.deliver();
    inbox.deliver({ info: ":2,a" });
    inbox.deliver();
    const names = inbox.takeHints();
    expect(bench.look(inbox, { names })).toMatchObject({ kind: "sealed", saves: 1, pending: 2, recheckInMs: 3 });
    expect(bench.look(inbox, { full: true })).toMatchObject({ kind: "unchanged", pending: 2, recheckInMs: 3 });
    bench.nowMs += 2_001; // the lock never changed: it is not waited for any longer.
    expect(bench.look(inbox, { names })).toMatchObject({ kind: "sealed", saves: 2, pending: 0 });
    expect(savedUids(bench.model, inbox.guid)).toEqual([1, 2, 3]);
  });

  test("that get another name, or get their name late, are compared again", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.writeKeywords(["one", "two"]);
    inbox.deliver({ info: ":2,a" });
    inbox.deliver({ info: ":2,c" });
    bench.settle(inbox);
    inbox.writeKeywords(["uno", "two", "late"]);
    inbox.setInfo(inbox.deliver({ info: ":2," }), ":2,b");
    bench.settle(inbox);
    bench.settle(inbox);
    expectEqualToDisk(bench.model, bench.store);
    expect(bench.model.mailboxes.get(inbox.guid)?.states.map(({ keywords }) => keywords)).toEqual([
      ["uno"],
      ["late"],
      ["two"],
    ]);
  });
});

function clockAhead(ms: number) {
  return clockOf(() => Date.now() + ms);
}

/** No file that is made later is older than a tick by it, however long that takes. */
function standingClock() {
  const ms = Date.now();
  return clockOf(() => ms);
}

function clockOf(nowMs: () => number) {
  return {
    nowMs: () => nowMs() as never,
    monotonicMs: () => performance.now(),
    sleep: () => Promise.reject(new Error("nobody sleeps here")),
    setTimer: () => ({ cancel: () => undefined }),
  };
}
