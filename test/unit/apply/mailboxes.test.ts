/** Mailboxes that come, move and go, in all the places where they may stand. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import { parseMailboxGuid, parseUidValidity } from "../../../src/maildir/ids.js";
import type { Change, Structure, Transaction } from "../../../src/txn/transaction.js";
import { type DiskOperation, FaultDisk } from "../../contract/fault-disk.js";
import { eachReplica } from "./each-replica.js";
import {
  bodyOfBase,
  CREATE,
  GUID,
  OTHER_GUID,
  OWNER,
  type Replica,
  refuseBody,
  save,
  transaction,
  VALIDITY,
} from "./replica-fixture.js";

let replica: Replica;
eachReplica((opened) => {
  replica = opened;
});

function at(
  path: string,
  changes: readonly Change[],
  structure?: Structure,
  parts: Partial<Transaction> = {},
): Transaction {
  const { structure: _, ...rest } = parts;
  return transaction(changes, { path: path as RawPath, structure, ...rest });
}

/** As Dovecot makes one when a user logs in. */
function dovecotMailbox(path: string, uidlist = `3 V1234 N1 G${OTHER_GUID}\n`): void {
  for (const name of ["cur", "new", "tmp"]) mkdirSync(replica.path(path, name), { recursive: true });
  writeFileSync(replica.path(path, "dovecot-uidlist"), uidlist);
}

describe("create", () => {
  test("moves a complete mailbox in, with parents", () => {
    const structure: Structure = {
      ...(CREATE as Extract<Structure, { kind: "create" }>),
      parents: [{ ...OWNER, mode: 0o750 }],
    };
    const outcome = replica.apply(at("alice/.Work", [save(7, "seven", { letters: "S", keywords: ["k"] })], structure));
    expect(outcome).toMatchObject({ kind: "applied", lockedMs: 0 });
    expect(readdirSync(replica.path("alice/.Work")).sort()).toEqual([
      "cur",
      "dovecot-keywords",
      "dovecot-uidlist",
      "maildirfolder",
      "new",
      "tmp",
    ]);
    expect(replica.text("alice/.Work/dovecot-uidlist")).toBe(`3 V${VALIDITY} N8 G${GUID}\n7 :seven\n`);
    expect(replica.names("alice/.Work")).toEqual(["cur/seven:2,Sa"]);
    expect(statSync(replica.path("alice")).mode & 0o777).toBe(0o750);
    expect(statSync(replica.path("alice/.Work")).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(replica.scratchRoot, "build"))).toEqual([]);
    expect(readdirSync(join(replica.scratchRoot, "stage"))).toEqual([]);
  });

  test("moves into a directory that holds folders only", () => {
    dovecotMailbox("alice/.Sent");
    writeFileSync(replica.path("alice/subscriptions"), "V\t2\n\nSent\n");
    expect(replica.apply(at("alice", [save(1, "one")], CREATE)).kind).toBe("applied");
    expect(replica.names("alice")).toEqual(["cur/one:2,"]);
    expect(replica.text("alice/dovecot-uidlist")).toContain(`G${GUID}`);
    expect(replica.text("alice/subscriptions")).toContain("Sent");
    expect(readdirSync(replica.path("alice"))).not.toContain("dovecot-uidlist.lock");
  });

  test("takes an empty mailbox over that Dovecot made", () => {
    dovecotMailbox("box", `3 V1234 N5 G${OTHER_GUID}\n1 :expunged\n`);
    const outcome = replica.apply(at("box", [save(1, "one"), save(2, "two")], CREATE));
    expect(outcome).toMatchObject({ kind: "applied", notes: [{ kind: "empty-mailbox-taken-over" }] });
    expect(replica.text("box/dovecot-uidlist")).toBe(`3 V${VALIDITY} N3 G${GUID}\n1 :one\n2 :two\n`);
    expect(replica.apply(at("box", [save(3, "three")])).kind).toBe("applied");
  });

  test("takes an empty one over whose UIDVALIDITY is the same, and gives none of its UIDs again", () => {
    dovecotMailbox("box", `3 V${VALIDITY} N5 G${OTHER_GUID}\n1 :expunged\n`);
    expect(replica.apply(at("box", [save(4, "four")], CREATE))).toMatchObject({
      kind: "diverged",
      divergence: { kind: "uid-passed", firstUid: 4, replicaNext: 5 },
    });
    expect(replica.text("box/dovecot-uidlist")).toBe(`3 V${VALIDITY} N5 G${GUID}\n`);
    expect(replica.names("box")).toEqual([]);
    expect(replica.apply(at("box", [save(5, "five")], CREATE)).kind).toBe("applied");
    expect(replica.text("box/dovecot-uidlist")).toBe(`3 V${VALIDITY} N5 G${GUID}\n5 :five\n`);
  });

  test("never touches another mailbox that holds mail", () => {
    dovecotMailbox("box", `3 V1234 N2 G${OTHER_GUID}\n1 :theirs\n`);
    writeFileSync(replica.path("box/cur/theirs:2,S"), "their mail");
    const before = replica.picture();
    expect(replica.apply(at("box", [save(1, "one")], CREATE), refuseBody)).toMatchObject({
      kind: "diverged",
      divergence: { kind: "mailbox-occupied" },
    });
    expect(replica.picture()).toBe(before);
  });

  test("of a mailbox that is there already applies the changes to it", () => {
    dovecotMailbox("box", `3 V${VALIDITY} N2 G${GUID}\n1 :one\n`);
    writeFileSync(replica.path("box/cur/one:2,S"), "Subject: one\n\nbody of one\n");
    const outcome = replica.apply(at("box", [save(1, "one", { letters: "S" })], CREATE), refuseBody);
    expect(outcome.kind).toBe("applied");
    expect(replica.names("box")).toEqual(["cur/one:2,S"]);
    expect(replica.appliedStates()).toMatchObject([{ uid: 1, base: "one" }]);
  });

  test.each(["cur", "alice/new/x", "dovecot-uidlist", ".mailtwin-x", "..DOVECOT-TRASHED"])(
    "refuses the path %s",
    (path) => {
      expect(replica.apply(at(path, [], CREATE))).toMatchObject({
        kind: "diverged",
        divergence: { kind: "path-refused" },
      });
      expect(readdirSync(replica.storeRoot)).toEqual([]);
    },
  );

  test("prepared ahead: bodies of the next transaction follow the mailbox", () => {
    const [first, second] = [replica.nextKey(), replica.nextKey()];
    expect(replica.stage(first, at("box", [save(1, "one")], CREATE)).kind).toBe("staged");
    expect(replica.stage(second, at("box", [save(2, "two")])).kind).toBe("staged");
    expect(replica.execute(first).kind).toBe("applied");
    expect(replica.execute(second).kind).toBe("applied");
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,"]);
  });
});

describe("rename", () => {
  const rename = (from: string): Structure => ({ kind: "rename", from: from as RawPath });

  test("moves the directory, and is done when it is done", () => {
    replica.apply(at("box", [save(1, "one")], CREATE));
    const txn = at("deep/er/box2", [save(2, "two")], rename("box"));
    expect(replica.apply(txn).kind).toBe("applied");
    expect(existsSync(replica.path("box"))).toBe(false);
    expect(replica.names("deep/er/box2")).toEqual(["cur/one:2,", "cur/two:2,"]);
    const before = replica.picture();
    expect(replica.apply(txn, refuseBody).kind).toBe("applied");
    expect(replica.picture()).toBe(before);
  });

  test("moves only the mailbox's own parts into a directory that is there", () => {
    replica.apply(at("box", [save(1, "one")], CREATE));
    mkdirSync(replica.path("target/.child/cur"), { recursive: true });
    expect(replica.apply(at("target", [], rename("box"), { uidNext: 2 })).kind).toBe("applied");
    expect(replica.names("target")).toEqual(["cur/one:2,"]);
    expect(existsSync(replica.path("target/.child/cur"))).toBe(true);
    expect(existsSync(replica.path("box/dovecot-uidlist"))).toBe(false);
  });

  test("continues a move of parts that broke off", () => {
    replica.apply(at("box", [save(1, "one")], CREATE));
    mkdirSync(replica.path("target"));
    for (const name of ["cur", "new"]) renameSync(replica.path("box", name), replica.path("target", name));
    expect(replica.apply(at("target", [], rename("box"), { uidNext: 2 })).kind).toBe("applied");
    expect(replica.names("target")).toEqual(["cur/one:2,"]);
    expect(replica.text("target/dovecot-uidlist")).toContain("1 :one");
  });

  test("does not go over a mailbox with mail", () => {
    replica.apply(at("box", [save(1, "one")], CREATE));
    dovecotMailbox("target");
    writeFileSync(replica.path("target/new/theirs"), "their mail");
    const before = replica.picture();
    expect(replica.apply(at("target", [], rename("box"), { uidNext: 2 }))).toMatchObject({
      kind: "diverged",
      divergence: { kind: "mailbox-occupied" },
    });
    expect(replica.picture()).toBe(before);
  });

  test("takes along what is inside, and knows then where that is", () => {
    const inside = { mailbox: OTHER_GUID };
    replica.apply(at("outer", [save(1, "one")], CREATE));
    replica.apply(at("outer/inner", [save(1, "two")], CREATE, inside));
    expect(replica.apply(at("moved", [], rename("outer"), { uidNext: 2 })).kind).toBe("applied");
    expect(replica.names("moved/inner")).toEqual(["cur/two:2,"]);
    replica.open();
    // Its own transaction was made before, and leads elsewhere.
    const txn = at("elsewhere/inner", [], rename("outer/inner"), { ...inside, uidNext: 2 });
    expect(replica.apply(txn).kind).toBe("applied");
    expect(replica.names("elsewhere/inner")).toEqual(["cur/two:2,"]);
    expect(existsSync(replica.path("moved/inner"))).toBe(false);
  });

  test("of what is not here diverges", () => {
    expect(replica.apply(at("box", [], rename("old")))).toMatchObject({ divergence: { kind: "mailbox-missing" } });
  });
});

describe("delete", () => {
  test("moves the whole directory to the limbo", () => {
    replica.apply(at("box", [save(1, "one")], CREATE));
    const txn = at("box", [], { kind: "delete" }, { uidNext: 2 });
    const outcome = replica.apply(txn);
    expect(existsSync(replica.path("box"))).toBe(false);
    const [row] = outcome.kind === "applied" ? outcome.effect.limbo : [];
    expect(row).toMatchObject({ uid: 0, cause: "delete" });
    expect(readdirSync(join(replica.scratchRoot, "limbo", row?.name ?? "", "cur"))).toEqual(["one:2,"]);
    expect(readdirSync(join(replica.scratchRoot, "limbo", row?.name ?? ""))).not.toContain("dovecot-uidlist.lock");
    expect(replica.state.mailboxes.size).toBe(0);
    expect(replica.apply(txn)).toMatchObject({ kind: "applied", effect: { limbo: [], removedMailboxIds: [] } });
    expect(replica.apply(at("box", [save(1, "again")], CREATE)).kind).toBe("applied");
  });

  test("leaves folders inside, and a user's other files, where they are", () => {
    replica.apply(at("alice", [save(1, "one")], CREATE));
    dovecotMailbox("alice/.Sent");
    writeFileSync(replica.path("alice/subscriptions"), "Sent\n");
    expect(replica.apply(at("alice", [], { kind: "delete" }, { uidNext: 2 })).kind).toBe("applied");
    expect(readdirSync(replica.path("alice")).sort()).toEqual([".Sent", "subscriptions"]);
  });

  test("stops at mail that the source never had, unless it may go", () => {
    replica.apply(at("box", [save(1, "one")], CREATE));
    writeFileSync(replica.path("box/new/theirs"), "their mail");
    const txn = at("box", [], { kind: "delete" }, { uidNext: 2 });
    expect(replica.apply(txn)).toMatchObject({ kind: "diverged", divergence: { kind: "foreign-mail", messages: 1 } });
    expect(existsSync(replica.path("box/new/theirs"))).toBe(true);
    replica.open({ foreign: "limbo" });
    expect(replica.apply(txn).kind).toBe("applied");
    expect(existsSync(replica.path("box"))).toBe(false);
  });
});

describe("reset", () => {
  test("binds the same files under other UIDs, over several transactions", () => {
    replica.apply(at("box", [save(1, "one"), save(2, "two"), save(3, "three")], CREATE));
    const validity = parseUidValidity(1_800_000_000);
    const reset: Structure = { kind: "reset", before: VALIDITY };
    const now = { uidValidity: validity };
    const dated = (uid: number, base: string): Change => save(uid, base, { mtimeS: 1_600_000_000 + uid });
    const outcome = replica.apply(
      at("box", [save(1, "two", { mtimeS: 1_600_000_002 })], reset, { ...now, uidNext: 2 }),
      refuseBody,
    );
    expect(outcome).toMatchObject({ kind: "applied", effect: { limbo: [{ cause: "reset" }, { cause: "reset" }] } });
    expect(replica.names("box")).toEqual(["cur/two:2,"]);
    expect(replica.apply(at("box", [dated(2, "three"), dated(3, "one")], undefined, now), refuseBody).kind).toBe(
      "applied",
    );
    expect(replica.text("box/dovecot-uidlist").split("\n").slice(1)).toEqual(["1 :two", "2 :three", "3 :one", ""]);
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/three:2,", "cur/two:2,"]);
    expect(replica.appliedStates()).toMatchObject([{ base: "two" }, { base: "three" }, { base: "one" }]);
  });
});

describe("bodies that are here already", () => {
  const other = (changes: readonly Change[], structure?: Structure): Transaction =>
    at("other", changes, structure, { mailbox: OTHER_GUID });

  function copied(uid: number, base: string, fromUid: number): Change {
    const change = save(uid, base, { mtimeS: 1_600_000_000 + fromUid });
    if (change.kind !== "save") throw new Error("unreachable");
    const from = save(fromUid, base);
    if (from.kind !== "save") throw new Error("unreachable");
    return { ...change, origin: { mailbox: GUID, uid: from.message.uid, base: from.message.base } };
  }

  test("are linked from the mailbox that they were copied from", () => {
    replica.apply(at("box", [save(1, "one", { letters: "S" })], CREATE));
    expect(replica.apply(other([copied(5, "one", 1)], CREATE), refuseBody).kind).toBe("applied");
    expect(statSync(replica.path("other/cur/one:2,")).ino).toBe(statSync(replica.path("box/cur/one:2,S")).ino);
  });

  test("are copied where the date differs", () => {
    replica.apply(at("box", [save(1, "one")], CREATE));
    const change = copied(5, "one", 9);
    if (change.kind !== "save" || change.origin === undefined) throw new Error("unreachable");
    const origin = { ...change.origin, uid: (save(1, "one") as Extract<Change, { kind: "save" }>).message.uid };
    expect(replica.apply(other([{ ...change, origin }], CREATE), refuseBody).kind).toBe("applied");
    expect(statSync(replica.path("other/cur/one:2,")).ino).not.toBe(statSync(replica.path("box/cur/one:2,")).ino);
    expect(statSync(replica.path("other/cur/one:2,")).mtimeMs).toBe(1_600_000_009_000);
    expect(readFileSync(replica.path("other/cur/one:2,"), "latin1")).toContain("body of one");
  });

  test("share no date: one that gets another gets a file of its own", () => {
    replica.apply(at("box", [save(1, "one")], CREATE));
    const copy = copied(5, "one", 1);
    replica.apply(other([copy], CREATE), refuseBody);
    const [original, linked] = [replica.path("box/cur/one:2,"), replica.path("other/cur/one:2,")];
    expect(statSync(linked).ino).toBe(statSync(original).ino);
    const dated = save(5, "one", { mtimeS: 1_700_000_000, letters: "S" });
    expect(replica.apply(other([dated]), refuseBody).kind).toBe("applied");
    expect(statSync(original).mtimeMs).toBe(1_600_000_001_000);
    const seen = replica.path("other/cur/one:2,S");
    expect(statSync(seen)).toMatchObject({ mtimeMs: 1_700_000_000_000, nlink: 1 });
    expect(statSync(seen).ino).not.toBe(statSync(original).ino);
    expect(statSync(seen).mode).toBe(statSync(original).mode);
    expect(readFileSync(seen, "latin1")).toContain("body of one");
    expect(readdirSync(replica.path("other/tmp"))).toEqual([]);
  });

  test.each<[DiskOperation, number]>([
    ["syncFile", 1],
    ["link", 1],
    ["rename", 2],
    ["sync", 1],
  ])("keep their link and their date when the disk fails in %s", (operation, nth) => {
    replica.apply(at("box", [save(1, "one")], CREATE));
    replica.apply(other([copied(5, "one", 1)], CREATE), refuseBody);
    const disk = new FaultDisk(openNodeDisk());
    replica.open({ disk });
    const key = replica.nextKey();
    replica.stage(key, other([save(5, "one", { mtimeS: 1_700_000_000, letters: "S" })], undefined));
    const before = replica.picture();
    const linked = statSync(replica.path("other/cur/one:2,")).ino;
    const hasFailed = disk.inject({ operation, nth, error: "ENOSPC" });
    expect(() => replica.execute(key)).toThrow(/ENOSPC/);
    expect(hasFailed()).toBe(true);
    disk.clearFaults();
    expect(replica.picture()).toBe(before);
    expect(statSync(replica.path("other/cur/one:2,")).ino).toBe(linked);
    expect(readdirSync(replica.path("other/tmp"))).toEqual([]);
  });

  test("come back from the limbo when the expunge was first", () => {
    const gone = (save(1, "one") as Extract<Change, { kind: "save" }>).message;
    replica.apply(at("box", [save(1, "one")], CREATE));
    replica.apply(at("box", [{ kind: "expunge", uid: gone.uid, base: gone.base }], undefined, { uidNext: 2 }));
    expect(replica.apply(other([copied(5, "one", 1)], CREATE), refuseBody).kind).toBe("applied");
    expect(replica.text("other/cur/one:2,")).toContain("body of one");
  });

  describe("in the limbo, of a mailbox that is gone since", () => {
    const THIRD = parseMailboxGuid("3".repeat(32));
    const asked: string[] = [];
    const ask = (base: string): Buffer => {
      asked.push(base);
      return Buffer.from(bodyOfBase(base));
    };

    beforeEach(() => {
      asked.length = 0;
      for (const [user, letter] of ["alice", "bob"].map((name, index) => [name, `${index + 1}`] as const))
        replica.apply(at(user, [], CREATE, { mailbox: parseMailboxGuid(letter.repeat(32)) }));
      const { message } = save(1, "one") as Extract<Change, { kind: "save" }>;
      const { uid, base } = message;
      replica.apply(at("alice/.Old", [save(1, "one")], CREATE));
      replica.apply(at("alice/.Old", [{ kind: "expunge", uid, base }], undefined, { uidNext: 2 }));
      replica.apply(at("alice/.Old", [], { kind: "delete" }, { uidNext: 2 }));
    });

    test("serve the user whose they were", () => {
      replica.apply(at("alice/.New", [copied(5, "one", 1)], CREATE, { mailbox: THIRD }), ask);
      expect([asked, replica.text("alice/.New/cur/one:2,")]).toEqual([[], Buffer.from(bodyOfBase("one")).toString()]);
    });

    test("serve no other user, who knows what they are called", () => {
      replica.apply(at("bob/.New", [copied(5, "one", 1)], CREATE, { mailbox: THIRD }), ask);
      expect(asked).toEqual(["one"]);
    });

    test.each([
      ["his own mail", () => save(5, "one")],
      ["what he copied from there", () => copied(5, "one", 1)],
    ])("serve no other user, who gives a mailbox that GUID and says that it is %s", (_what, change) => {
      replica.apply(at("bob/.New", [], CREATE));
      replica.apply(at("bob/.New", [change()]), ask);
      expect(asked).toEqual(["one"]);
    });
  });

  test("are asked for when the file is not what it was", () => {
    replica.apply(at("box", [save(1, "one")], CREATE));
    writeFileSync(replica.path("box/cur/one:2,"), "tampered");
    let asked = 0;
    const outcome = replica.apply(other([copied(5, "one", 1)], CREATE), (base) => {
      asked += 1;
      return Buffer.from(`Subject: ${base}\n\nbody of ${base}\n`);
    });
    expect(outcome.kind).toBe("applied");
    expect(asked).toBe(1);
  });
});

test("the store's root can be a mailbox", () => {
  expect(replica.apply(at("", [save(1, "one")], CREATE)).kind).toBe("applied");
  expect(readdirSync(replica.storeRoot)).toContain("cur");
  expect(replica.apply(at("", [], { kind: "delete" }, { uidNext: 2 })).kind).toBe("applied");
  expect(readdirSync(replica.storeRoot)).toEqual([]);
  expect(existsSync(dirname(replica.storeRoot))).toBe(true);
});
