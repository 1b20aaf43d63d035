import { cpSync, mkdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { CaptureBench, rawPath } from "./capture-bench.js";
import { openFakeStore } from "./fake-dovecot.js";
import { expectEqualToDisk } from "./log-model.js";

describe("mailboxes as a whole", () => {
  test("a rename is a rename", async () => {
    const bench = await CaptureBench.open();
    const folder = bench.store.create("alice/.Work");
    folder.deliver();
    bench.settle(folder);
    folder.rename("alice/.Done");
    folder.deliver();
    bench.settle(folder);
    expect(bench.model.log.at(-1)).toMatchObject({
      path: "alice/.Done",
      structure: { kind: "rename", from: "alice/.Work" },
    });
    expectEqualToDisk(bench.model, bench.store);
  });

  test("a mailbox in place of one that moved, or that is gone, comes after what became of that one", async () => {
    const bench = await CaptureBench.open();
    const a = bench.store.create("a");
    const b = bench.store.create("b");
    a.deliver();
    b.deliver();
    bench.sweep();
    bench.store.remove(b);
    a.rename("b");
    const c = bench.store.create("a");
    c.deliver();
    bench.settle(c);
    expectEqualToDisk(bench.model, bench.store);
    expect(bench.model.log.slice(-3).map(({ path, structure }) => [path, structure?.kind])).toEqual([
      ["b", "delete"],
      ["b", "rename"],
      ["a", "create"],
    ]);
  });

  test("so it is of a new mailbox that no listing has covered yet, while nobody looks", async () => {
    const bench = await CaptureBench.open();
    const [a] = ["u/a", "u/b"].map((path) => bench.store.create(path));
    const folder = bench.store.create("u/c");
    expect(bench.look(folder)).toMatchObject({ kind: "sealed", saves: 0 }); // no file tells that it is the same.
    if (a !== undefined) bench.store.remove(a);
    await bench.restart();
    folder.rename("u/r");
    bench.sweep();
    expect(bench.model.log.at(-1)).toMatchObject({ path: "u/r", structure: { kind: "rename", from: "u/c" } });
    expectEqualToDisk(bench.model, bench.store);
  });

  test("two that changed places are renamed, and nothing else", async () => {
    const bench = await CaptureBench.open();
    const [a, b] = [bench.store.create("a"), bench.store.create("b")];
    a.deliver();
    b.deliver();
    bench.sweep();
    const before = bench.model.log.length;
    a.rename("t");
    b.rename("a");
    a.rename("b");
    a.deliver();
    bench.sweep();
    expectEqualToDisk(bench.model, bench.store);
    const logged = bench.model.log.slice(before);
    expect(logged.map(({ mailbox, path, structure, changes }) => [mailbox, path, structure, changes.length])).toEqual([
      [b.guid, "a", { kind: "rename", from: "b", displaces: a.guid }, 0],
      [a.guid, "b", { kind: "rename", from: "a" }, 1],
    ]);
  });

  test.each(["found first", "found in between", "found last"])("three in a circle, the first %s", async (when) => {
    const bench = await CaptureBench.open();
    const names = ["a", "b", "c"];
    const boxes = names.map((name) => bench.store.create(name));
    for (const box of boxes) box.deliver();
    bench.sweep();
    const before = bench.model.log.length;
    for (const box of boxes) box.rename(`${box.path}2`);
    for (const [index, box] of boxes.entries()) box.rename(names[(index + 1) % 3] ?? "");
    const turn = ["found first", "found in between", "found last"].indexOf(when);
    for (const index of [0, 1, 2]) bench.settle(boxes[(index + turn) % 3] ?? expect.fail());
    expectEqualToDisk(bench.model, bench.store);
    const kinds = bench.model.log.slice(before).map(({ structure, changes }) => [structure?.kind, changes.length]);
    expect(kinds).toEqual(names.map(() => ["rename", 0]));
  });

  test("of two that look as if they did, one that moves on meanwhile is looked for again", async () => {
    const bench = await CaptureBench.open();
    const [a, b] = [bench.store.create("a"), bench.store.create("b")];
    bench.sweep();
    const [log, paths] = [bench.model.log.length, bench.source.discover().mailboxes.length];
    b.rename("t");
    a.rename("b");
    b.rename("a");
    b.rename("c");
    bench.sweep();
    expectEqualToDisk(bench.model, bench.store);
    expect([bench.model.log.length - log, paths]).toEqual([2, 2]);
  });

  test("one inside of another that moved, and one that did not move along", async () => {
    const bench = await CaptureBench.open();
    const [outer, along, staying] = ["p", "p/along", "p/staying"].map((path) => bench.store.create(path));
    if (outer === undefined || along === undefined || staying === undefined) throw new Error("unreachable");
    for (const mailbox of bench.store.mailboxes) mailbox.deliver();
    bench.sweep();
    const before = bench.model.log.length;
    outer.rename("q");
    along.path = "q/along";
    mkdirSync(join(bench.store.root, "p"));
    renameSync(join(outer.dir, "staying"), join(bench.store.root, "p/staying"));
    bench.sweep();
    expectEqualToDisk(bench.model, bench.store);
    expect(bench.model.log.slice(before).map(({ path, structure }) => [path, structure])).toMatchObject([
      ["q", { kind: "rename", from: "p" }],
      ["q/along", { kind: "rename", from: "p/along", parents: [{ mode: expect.any(Number) }] }],
      ["p/staying", { kind: "rename", from: "q/staying", parents: [{ mode: expect.any(Number) }] }],
    ]);
  });

  test("one that was carried along and has moved on is displaced where a replica has it", async () => {
    const bench = await CaptureBench.open();
    const [outer, inner, leaf, other] = ["p", "p/in", "p/in/leaf", "z"].map((path) => bench.store.create(path));
    if (outer === undefined || inner === undefined || leaf === undefined || other === undefined)
      throw new Error("unreachable");
    for (const mailbox of bench.store.mailboxes) mailbox.deliver();
    bench.sweep();
    const before = bench.model.log.length;
    outer.rename("q");
    bench.settle(outer); // the only one that is looked at before the others move on.
    expect(bench.model.log.slice(before).map(({ path }) => path)).toEqual(["q", "q/in", "q/in/leaf"]);
    const carried = bench.model.log.length;
    inner.path = "q/in";
    other.rename("t");
    inner.rename("z");
    mkdirSync(join(bench.store.root, "q"), { recursive: true });
    other.rename("q/in");
    leaf.path = "z/leaf";
    bench.settle(other);
    bench.sweep();
    expectEqualToDisk(bench.model, bench.store);
    const logged = bench.model.log.slice(carried);
    expect(logged.map(({ mailbox, path, structure }) => [mailbox, path, structure])).toMatchObject([
      [inner.guid, "z", { kind: "rename", from: "q/in", displaces: other.guid }],
      [other.guid, "q/in", { kind: "rename", from: "z" }],
      [leaf.guid, "z/leaf", { kind: "rename", from: "q/in/leaf" }],
    ]);
  });

  test("one inside of another that changed places with a third, and stays", async () => {
    const bench = await CaptureBench.open();
    const [outer, other, inside] = ["p", "r", "p/inside"].map((path) => bench.store.create(path));
    if (outer === undefined || other === undefined || inside === undefined) throw new Error("unreachable");
    for (const mailbox of bench.store.mailboxes) mailbox.deliver();
    bench.sweep();
    const before = bench.model.log.length;
    outer.rename("t");
    other.rename("p");
    outer.rename("r");
    renameSync(join(outer.dir, "inside"), join(other.dir, "inside"));
    bench.sweep();
    expectEqualToDisk(bench.model, bench.store);
    expect(bench.model.log.slice(before).map(({ path }) => path)).toEqual(["p", "r"]);
  });

  test("one that vanished is deleted, and one that did not is not", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    bench.settle(inbox);
    const [row] = bench.model.reader.mailboxes();
    if (row === undefined) throw new Error("no row");
    expect(bench.source.vanished({ guid: row.guid, nowMs: 1 })).toEqual({ kind: "present" });
    bench.store.remove(inbox);
    expect(bench.examine(inbox)).toEqual({ kind: "absent" });
    bench.sweep();
    expect(bench.model.mailboxes.size).toBe(0);
    expect(bench.source.vanished({ guid: row.guid, nowMs: 1 })).toEqual({ kind: "unknown" });
  });

  test("one that only the first of two walks found is not certain to be gone", async () => {
    let looks = 0;
    const store = openFakeStore();
    let looked = (): void => undefined;
    const nowMs = (): ReturnType<typeof systemClock.nowMs> => {
      looked();
      return systemClock.nowMs();
    };
    const clock = { ...systemClock, nowMs };
    const bench = await CaptureBench.open({}, { clock }, store);
    const [a] = [store.create("a"), store.create("b")];
    bench.sweep();
    const [row] = bench.model.reader.mailboxes().filter(({ path }) => path === "a");
    expect(bench.source.discover({ twice: true }).uncertain).toEqual([]);
    // Each look asks for the time once for each mailbox: it goes between the two walks.
    looked = () => {
      looks += 1;
      if (looks === 2) rmSync(a.dir, { recursive: true });
    };
    const { mailboxes, uncertain } = bench.source.discover({ twice: true });
    expect([mailboxes.map(({ path }) => path), uncertain]).toEqual([["b"], [row?.guid]]);
    expect(bench.source.discover({ twice: true }).uncertain).toEqual([]);
  });

  test("one that is overwritten by a copy of another one is not deleted", async () => {
    const bench = await CaptureBench.open();
    const [alice, bob] = [bench.store.create("alice"), bench.store.create("bob")];
    alice.deliver();
    bench.sweep();
    const [row] = bench.model.reader.mailboxes().filter(({ path }) => path === "alice");
    if (row === undefined) throw new Error("no row");
    rmSync(alice.dir, { recursive: true });
    cpSync(bob.dir, alice.dir, { recursive: true });
    expect(bench.examine(alice)).toMatchObject({ kind: "problem", problem: { code: "mailbox-guid-twice" } });
    expect(bench.source.vanished({ guid: row.guid, nowMs: 1 })).toEqual({ kind: "present" });
    expect(bench.model.mailboxes.size).toBe(2);
  });

  test("others in place of all that were known are no deletion, whichever is looked at first", async () => {
    const bench = await CaptureBench.open();
    const [alice, bob] = [bench.store.create("alice"), bench.store.create("bob")];
    alice.deliver();
    bench.sweep();
    const before = bench.model.log.length;
    const away = `${bench.store.root}-away`;
    bench.store.remove(alice);
    renameSync(bob.dir, away);
    const [alice2, bob2] = [bench.store.create("alice"), bench.store.create("bob")];
    expect(bench.examine(alice2)).toEqual({ kind: "absent" });
    expect(bench.examine(bob2, { full: true })).toEqual({ kind: "absent" });
    expect(bench.model.log.length).toBe(before);
    bench.store.remove(bob2);
    renameSync(away, bob.dir);
    expect(bench.settle(alice2)).toBe(0); // bob is back: then alice's was deleted, and made anew.
    expect(bench.model.log.slice(before).map(({ structure }) => structure?.kind)).toEqual(["delete", "create"]);
  });

  test("one that another user gives the GUID of a mailbox is not that mailbox, wherever that one is", async () => {
    const bench = await CaptureBench.open();
    const [fake, arch] = [bench.store.create("alice/.Fake"), bench.store.create("bob/.Arch")];
    for (const mailbox of [fake, arch, bench.store.create("carol")]) mailbox.deliver();
    bench.sweep();
    const before = bench.model.log.length;
    fake.guid = arch.guid;
    fake.writeUidlist(fake.records(), 2);
    arch.rename("bob/.Arch2");
    const refused = { kind: "problem", problem: { code: "mailbox-guid-twice", path: "alice/.Fake" } };
    for (const _when of ["in the same run", "in a later one"]) {
      expect(bench.examine(fake, { full: true })).toMatchObject(refused);
      await bench.restart();
    }
    bench.settle(arch);
    expect(bench.model.log.slice(before).map(({ path, structure }) => [path, structure])).toMatchObject([
      ["bob/.Arch2", { kind: "rename", from: "bob/.Arch" }],
    ]);
    bench.store.remove(arch);
    expect(bench.examine(fake, { full: true })).toMatchObject(refused);
    const fresh = bench.store.create("bob/.Arch2"); // what another user claims does not keep its place.
    bench.settle(fresh);
    expect(bench.model.log.slice(before + 1).map(({ path, structure }) => [path, structure?.kind])).toEqual([
      ["bob/.Arch2", "delete"],
      ["bob/.Arch2", "create"],
    ]);
  });

  test.each(["while it runs", "while nobody looks"])("a user's directory gets another name %s", async (when) => {
    const bench = await CaptureBench.open();
    const [inbox, empty, full] = ["u1", "u1/.Empty", "u1/.Full"].map((path) => bench.store.create(path));
    if (inbox === undefined || empty === undefined || full === undefined) throw new Error("unreachable");
    for (const mailbox of [inbox, full]) mailbox.deliver();
    bench.sweep();
    const before = bench.model.log.length;
    inbox.rename("u9");
    for (const mailbox of [empty, full]) mailbox.path = mailbox.path.replace("u1", "u9");
    if (when === "while nobody looks") await bench.restart();
    for (const mailbox of [full, empty, inbox]) bench.settle(mailbox);
    expectEqualToDisk(bench.model, bench.store);
    const kinds = bench.model.log.slice(before).map(({ structure }) => structure?.kind);
    expect([...new Set(kinds)]).toEqual(["rename"]);
  });

  test("a store that is not there is no empty store", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    bench.settle(inbox);
    rmSync(bench.store.root, { recursive: true });
    const [row] = bench.model.reader.mailboxes();
    if (row === undefined) throw new Error("no row");
    expect(() => bench.source.discover()).toThrow(/no such directory/);
    expect(() => bench.source.vanished({ guid: row.guid, nowMs: 1 })).toThrow(/no such directory/);
    expect(() => bench.examine(inbox)).toThrow(/no such directory/);
    mkdirSync(bench.store.root);
  });

  test("the same GUID at two paths is a problem, and so is a damaged or a lost uidlist", async () => {
    const bench = await CaptureBench.open();
    const [a, b] = [bench.store.create("a"), bench.store.create("b")];
    a.deliver();
    bench.settle(a);
    b.guid = a.guid;
    b.writeUidlist([], 1);
    expect(bench.examine(b, { full: true })).toMatchObject({
      kind: "problem",
      problem: { code: "mailbox-guid-twice" },
    });
    writeFileSync(join(a.dir, "dovecot-uidlist"), "3 V1 N2\n5 :x\n\n");
    expect(bench.examine(a, { full: true })).toMatchObject({
      kind: "problem",
      problem: { code: "uidlist-damaged", path: "a" },
    });
    unlinkSync(join(a.dir, "dovecot-uidlist"));
    expect(bench.examine(a, { full: true })).toMatchObject({ kind: "problem", problem: { code: "uidlist-lost" } });
    expect(bench.source.number({ path: rawPath("a") })).toMatchObject({
      kind: "problem",
      problem: { code: "uidlist-lost" },
    });
  });
});

describe("after a failed commit", () => {
  test("the same is sealed again", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.deliver();
    const request = { path: rawPath("alice"), hints: { names: [], uidlist: true }, full: true, nowMs: bench.nowMs };
    const lost = bench.source.examine(request);
    expect(lost).toMatchObject({ kind: "sealed", saves: 1 });
    bench.source.forgetSealed();
    expect(bench.look(inbox, { full: true })).toMatchObject({ kind: "sealed", saves: 1 });
    expectEqualToDisk(bench.model, bench.store);
  });
});
