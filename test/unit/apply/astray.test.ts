/** Mailboxes that somebody renamed in the replica's store: known by their GUID, and put back by what comes to them next. */
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { RawPath } from "../../../src/base/raw-name.js";
import { FLAG_BITS } from "../../../src/maildir/message-name.js";
import type { Change, Structure } from "../../../src/txn/transaction.js";
import { eachReplica } from "./each-replica.js";
import { CREATE, expunge, GUID, marks, OTHER_GUID, type Replica, save, transaction } from "./replica-fixture.js";

let replica: Replica;
eachReplica((opened) => {
  replica = opened;
});

const other = (changes: readonly Change[], parts: Parameters<typeof transaction>[1] = {}) =>
  transaction(changes, { mailbox: OTHER_GUID, path: "box/child" as RawPath, ...parts });

beforeEach(() => {
  replica.apply(transaction([save(1, "one")], { structure: CREATE }));
  replica.apply(transaction([save(2, "two")]));
});

const move = (from: string, to: string): void => renameSync(replica.path(from), replica.path(to));
const inodeOf = (name: string): number => statSync(replica.path(name)).ino;
const PUT_BACK = { kind: "mailbox-found-elsewhere", words: "it was renamed to theirs here, and is box now" };

describe("a mailbox that stands elsewhere", () => {
  test.each<[string, readonly Change[], readonly string[]]>([
    ["mail", [save(3, "three")], ["cur/one:2,", "cur/three:2,", "cur/two:2,"]],
    ["flags", [marks(1, "one", {}, { flags: FLAG_BITS.S })], ["cur/one:2,S", "cur/two:2,"]],
    ["an expunge", [expunge(1, "one")], ["cur/two:2,"]],
    ["nothing but a next UID", [], ["cur/one:2,", "cur/two:2,"]],
  ])("gets its name back with %s", (_, changes, names) => {
    const inode = inodeOf("box/cur/two:2,");
    move("box", "theirs");
    const outcome = replica.apply(transaction(changes, { uidNext: 4 }));
    expect(outcome).toMatchObject({ kind: "applied", notes: [PUT_BACK], effect: { mailboxes: [{ path: "box" }] } });
    expect(replica.names("box")).toEqual(names);
    expect(inodeOf("box/cur/two:2,")).toBe(inode);
    expect(readdirSync(replica.storeRoot)).toEqual(["box"]);
    expect(replica.apply(transaction([save(4, "more")]))).toMatchObject({ kind: "applied", notes: [] });
  });

  test("also in another process, and by a transaction that was prepared before", () => {
    const key = replica.nextKey();
    replica.stage(key, transaction([save(3, "three")]));
    move("box", "theirs");
    expect(replica.execute(key)).toMatchObject({ kind: "applied", notes: [PUT_BACK] });
    move("box", "theirs");
    replica.open();
    expect(replica.apply(transaction([save(4, "four")]))).toMatchObject({ kind: "applied", notes: [PUT_BACK] });
    expect(replica.names("box")).toHaveLength(4);
  });

  test("without the mailboxes inside it, which come back with their own mail, and nothing of the other name is left", () => {
    replica.apply(other([save(1, "inner")], { structure: CREATE }));
    mkdirSync(replica.path("up"));
    move("box", "up/theirs");
    expect(replica.apply(other([save(2, "inner-2")])).kind).toBe("applied");
    expect([replica.names("box/child"), existsSync(replica.path("box/cur"))]).toEqual([
      ["cur/inner-2:2,", "cur/inner:2,"],
      false,
    ]);
    expect(replica.apply(transaction([save(3, "three")])).kind).toBe("applied");
    expect(replica.names("box")).toHaveLength(3);
    expect(readdirSync(replica.path("up"))).toEqual([]);
  });

  test("goes to where the source renames it, or to the limbo when it is deleted there", () => {
    move("box", "theirs");
    const structure: Structure = { kind: "rename", from: "box" as RawPath };
    const renamed = transaction([], { path: "new-name" as RawPath, structure, uidNext: 3 });
    expect(replica.apply(renamed).kind).toBe("applied");
    expect(readdirSync(replica.storeRoot)).toEqual(["new-name"]);
    move("new-name", "theirs");
    const gone = transaction([], { path: "new-name" as RawPath, structure: { kind: "delete" }, uidNext: 3 });
    expect(replica.apply(gone)).toMatchObject({ kind: "applied", effect: { limbo: [{ cause: "delete" }] } });
    expect(readdirSync(replica.storeRoot)).toEqual([]);
  });

  test("whose way back broke off between cur/ and the uidlist", () => {
    mkdirSync(replica.path("up"));
    move("box", "up/theirs");
    mkdirSync(replica.path("box"));
    for (const part of ["cur", "new", "tmp"]) move(`up/theirs/${part}`, `box/${part}`);
    expect(replica.apply(transaction([save(3, "three")]))).toMatchObject({ kind: "applied" });
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/three:2,", "cur/two:2,"]);
    expect(readdirSync(replica.path("up"))).toEqual([]);
  });

  test("yields UIDs where it stands", () => {
    writeFileSync(replica.path("box/cur/theirs:2,"), "Subject: theirs\n\nforeign\n");
    const list = replica.path("box/dovecot-uidlist");
    writeFileSync(list, `${replica.text("box/dovecot-uidlist")}3 :theirs\n`);
    move("box", "theirs");
    expect(replica.apply(transaction([save(3, "three")]))).toMatchObject({
      divergence: { kind: "uid-bound-otherwise" },
    });
    const yielded = replica.store.yieldUids({ mailbox: GUID, uids: [], from: 3, floor: 10 });
    expect(yielded).toMatchObject({ kind: "yielded", uidNext: 11, moves: [{ base: "theirs", toUid: 10 }] });
    expect(replica.apply(transaction([save(11, "three")])).kind).toBe("applied");
    expect(replica.names("box")).toHaveLength(4);
  });
});

describe("what is no rename", () => {
  test("a copy beside the mailbox is left alone", () => {
    cpSync(replica.path("box"), replica.path("a-copy"), { recursive: true });
    expect(replica.apply(transaction([save(3, "three")]))).toMatchObject({ kind: "applied", notes: [] });
    expect(replica.names("a-copy")).toHaveLength(2);
  });

  test("another mailbox of ours in its place: that one makes room, and gets its own name back in its turn", () => {
    const path = "second" as RawPath;
    replica.apply(other([save(1, "inner")], { structure: CREATE, path }));
    move("box", "theirs");
    move("second", "box");
    expect(replica.apply(transaction([save(3, "three")]))).toMatchObject({ kind: "applied", notes: [PUT_BACK] });
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/three:2,", "cur/two:2,"]);
    expect(replica.names("theirs")).toEqual(["cur/inner:2,"]);
    replica.open();
    expect(replica.apply(other([save(2, "more")], { path }))).toMatchObject({ kind: "applied" });
    expect(replica.names("second")).toEqual(["cur/inner:2,", "cur/more:2,"]);
    expect(readdirSync(replica.storeRoot).sort()).toEqual(["box", "second"]);
    expect(replica.state.limbo).toEqual([]);
  });

  test("a mailbox with mail that is not ours in its place: refused, and both are as they were", () => {
    move("box", "theirs");
    for (const dir of ["cur", "new", "tmp"]) mkdirSync(replica.path("box", dir), { recursive: true });
    writeFileSync(replica.path("box/dovecot-uidlist"), `3 V1 N2 G${OTHER_GUID}\n1 :inner\n`);
    writeFileSync(replica.path("box/cur/inner:2,"), "their mail");
    const before = replica.picture();
    expect(replica.apply(transaction([save(3, "three")]))).toMatchObject({ divergence: { kind: "mailbox-occupied" } });
    rmSync(join(replica.storeRoot, "theirs/tmp"), { recursive: true });
    mkdirSync(replica.path("theirs/tmp"));
    expect(replica.picture()).toBe(before);
  });

  test("a mailbox that is gone is missing", () => {
    rmSync(replica.path("box"), { recursive: true });
    expect(replica.apply(transaction([save(3, "three")]))).toMatchObject({ divergence: { kind: "mailbox-missing" } });
    expect(readdirSync(replica.storeRoot)).toEqual([]);
  });
});
