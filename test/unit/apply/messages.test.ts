/** Changes of messages in an existing mailbox, on a real directory. */
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FLAG_BITS } from "../../../src/maildir/message-name.js";
import type { Change } from "../../../src/txn/transaction.js";
import { eachReplica } from "./each-replica.js";
import {
  CREATE,
  expunge,
  GUID,
  HOST,
  marks,
  message,
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

function created(...changes: readonly Change[]): void {
  expect(replica.apply(transaction(changes, { structure: CREATE })).kind).toBe("applied");
}

describe("saves", () => {
  test("stand in cur/ with flags, letters, INTERNALDATE, bytes and record", () => {
    created();
    const outcome = replica.apply(
      transaction([save(3, "a", { letters: "FS", keywords: ["$Junk", "work"], fields: "S9 W10" })]),
    );
    expect(outcome).toMatchObject({ kind: "applied", notes: [] });
    expect(replica.names("box")).toEqual(["cur/a:2,FSab"]);
    expect(replica.text("box", "cur", "a:2,FSab")).toContain("body of a");
    expect(statSync(replica.path("box", "cur", "a:2,FSab")).mtimeMs).toBe(1_600_000_003_000);
    expect(replica.text("box", "dovecot-keywords")).toBe("0 $Junk\n1 work\n");
    expect(replica.text("box", "dovecot-uidlist")).toBe(`3 V${VALIDITY} N1 G${GUID}\n3 S9 W10 :a\n`);
    expect(readdirSync(replica.path("box", "tmp"))).toEqual([]);
    expect(readdirSync(replica.path("box"))).not.toContain("dovecot-uidlist.lock");
  });

  test("are appended to a uidlist that is large beside them", () => {
    created(...Array.from({ length: 40 }, (_, i) => save(i + 1, `m${i + 1}`)));
    const before = statSync(replica.path("box", "dovecot-uidlist"));
    replica.apply(transaction([save(41, "next")]));
    const after = statSync(replica.path("box", "dovecot-uidlist"));
    expect(after.ino).toBe(before.ino);
    expect(replica.text("box", "dovecot-uidlist").endsWith("\n41 :next\n")).toBe(true);
  });

  test("below the replica's next UID diverge, before any body is asked for", () => {
    created(save(5, "five"));
    const before = replica.picture();
    expect(replica.apply(transaction([save(4, "late")], { uidNext: 6 }))).toMatchObject({
      kind: "diverged",
      divergence: { kind: "uid-passed", firstUid: 4, uids: [4], replicaNext: 6 },
    });
    expect(replica.picture()).toBe(before);
  });

  test("of a UID that names another message diverge", () => {
    created(save(5, "five"));
    expect(replica.apply(transaction([save(5, "other")]))).toMatchObject({
      kind: "diverged",
      divergence: { kind: "uid-bound-otherwise", uid: 5, found: "five" },
    });
  });

  test("whose body is gone burn their UID", () => {
    created(save(1, "one"));
    const outcome = replica.apply(transaction([save(2, "two"), save(3, "three")]), (base) =>
      base === "three" ? undefined : Buffer.from("Subject: two\n\nbody of two\n"),
    );
    expect(outcome).toMatchObject({ kind: "applied", notes: [{ kind: "uid-burned", uid: 3 }] });
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,"]);
    expect(replica.text("box", "dovecot-uidlist").split("\n")[0]).toContain(" N4 ");
  });

  test("of a body that is not what was announced diverge", () => {
    created();
    const outcome = replica.apply(transaction([save(1, "one")]), () => Buffer.from("something else"));
    expect(outcome).toMatchObject({ kind: "diverged", divergence: { kind: "body-mismatch", index: 0 } });
    expect(replica.names("box")).toEqual([]);
  });

  test("that are there already need no body, and get the source's marks", () => {
    created(save(1, "one", { letters: "S" }));
    renameSync(replica.path("box", "cur", "one:2,S"), replica.path("box", "cur", "one:2,DFT"));
    const outcome = replica.apply(transaction([save(1, "one", { letters: "R" })]), refuseBody);
    expect(outcome.kind).toBe("applied");
    expect(replica.names("box")).toEqual(["cur/one:2,R"]);
  });

  test("bind a file that a crash left without a record", () => {
    created(save(1, "one"));
    replica.store.forget({ mailbox: GUID });
    writeFileSync(replica.path("box", "cur", "two:2,"), "Subject: two\n\nbody of two\n");
    const outcome = replica.apply(transaction([save(2, "two")]), refuseBody);
    expect(outcome.kind).toBe("applied");
    expect(replica.text("box", "dovecot-uidlist")).toContain("\n2 :two\n");
    expect(statSync(replica.path("box", "cur", "two:2,")).mtimeMs).toBe(1_600_000_002_000);
  });

  test("replace a truncated file of the same name; the old one is in the limbo", () => {
    created(save(1, "one"));
    writeFileSync(replica.path("box", "cur", "one:2,"), "Subj");
    const outcome = replica.apply(transaction([save(1, "one")]));
    expect(outcome).toMatchObject({ kind: "applied", effect: { limbo: [{ uid: 1, cause: "foreign", size: 4 }] } });
    expect(replica.text("box", "cur", "one:2,")).toContain("body of one");
  });
});

describe("marks", () => {
  test("change only what the source changed", () => {
    created(save(1, "one", { letters: "F" }));
    renameSync(replica.path("box", "cur", "one:2,F"), replica.path("box", "cur", "one:2,DF"));
    const change = marks(1, "one", { flags: FLAG_BITS.F }, { flags: FLAG_BITS.S, keywords: ["k"] });
    expect(replica.apply(transaction([change], { uidNext: 2 })).kind).toBe("applied");
    expect(replica.names("box")).toEqual(["cur/one:2,DSa"]);
    expect(replica.text("box", "dovecot-keywords")).toBe("0 k\n");
  });

  test("move a message from new/ to cur/", () => {
    created(save(1, "one"));
    renameSync(replica.path("box", "cur", "one:2,"), replica.path("box", "new", "one"));
    replica.apply(transaction([marks(1, "one", {}, { flags: FLAG_BITS.S })], { uidNext: 2 }));
    expect(replica.names("box")).toEqual(["cur/one:2,S"]);
  });

  test("of a message whose name nobody could guess are found by listing", () => {
    created(save(1, "one"));
    renameSync(replica.path("box", "cur", "one:2,"), replica.path("box", "cur", "one:2,DPTX,extra"));
    replica.apply(transaction([marks(1, "one", {}, { flags: FLAG_BITS.S })], { uidNext: 2 }));
    expect(replica.names("box")).toEqual(["cur/one:2,DPSTX,extra"]);
  });

  test("use this mailbox's letters and leave out a 27th keyword", () => {
    created(save(1, "one"));
    const lines = Array.from({ length: 25 }, (_, i) => `${i} other${i}\n`).join("");
    writeFileSync(replica.path("box", "dovecot-keywords"), lines);
    const outcome = replica.apply(
      transaction([marks(1, "one", {}, { keywords: ["first", "second"] })], { uidNext: 2 }),
    );
    expect(outcome).toMatchObject({ kind: "applied", notes: [{ kind: "keywords-full" }] });
    expect(replica.names("box")).toEqual(["cur/one:2,z"]);
  });

  test("of a message that is not here are noted", () => {
    created(save(1, "one"));
    rmSync(replica.path("box", "cur", "one:2,"));
    const outcome = replica.apply(transaction([marks(1, "one", {}, { flags: FLAG_BITS.S })], { uidNext: 2 }));
    expect(outcome).toMatchObject({ kind: "applied", notes: [{ kind: "message-absent", uid: 1 }] });
  });
});

describe("expunges", () => {
  test("of what was never sent here, or is another file by now, leave it in the limbo as foreign mail", () => {
    created(save(1, "one"), save(2, "two"));
    writeFileSync(replica.path("box", "cur", "own:2,"), "mail of the replica's user");
    appendFileSync(replica.path("box", "dovecot-uidlist"), "3 :own\n");
    writeFileSync(replica.path("box", "cur", "two:2,"), "written over by that user");
    const gone = [expunge(1, "one"), expunge(2, "two"), expunge(3, "own")];
    const outcome = replica.apply(transaction(gone, { uidNext: 4 }));
    expect(replica.names("box")).toEqual([]);
    const rows = outcome.kind === "applied" ? outcome.effect.limbo : [];
    expect(rows.map(({ uid, base, cause }) => [uid, base, cause])).toEqual([
      [1, "one", "expunge"],
      [2, "two", "foreign"],
      [3, "own", "foreign"],
    ]);
  });

  test("move the body to the limbo, and a repetition changes nothing", () => {
    created(save(1, "one"), save(2, "two"), save(3, "three"));
    const txn = transaction([expunge(2, "two")], { uidNext: 4 });
    const outcome = replica.apply(txn);
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/three:2,"]);
    const [row] = outcome.kind === "applied" ? outcome.effect.limbo : [];
    expect(row).toMatchObject({ uid: 2, base: "two", cause: "expunge" });
    expect(readFileSync(join(replica.scratchRoot, "limbo", row?.name ?? ""), "latin1")).toContain("body of two");
    const before = replica.picture();
    expect(replica.apply(txn)).toMatchObject({ kind: "applied", effect: { limbo: [] } });
    expect(replica.picture()).toBe(before);
  });

  test("of another message than the UID names here remove nothing", () => {
    created(save(1, "one"), save(2, "two"));
    replica.apply(transaction([expunge(1, "two")], { uidNext: 3 }));
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,"]);
  });

  test("of the last message keep the next UID", () => {
    created(save(1, "one"), save(2, "two"));
    replica.apply(transaction([expunge(2, "two")], { uidNext: 3 }));
    const [header, ...records] = replica.text("box", "dovecot-uidlist").split("\n");
    const last = records.filter((line) => line !== "").at(-1) ?? "";
    const next = Math.max(Number(/ N(\d+)/.exec(header ?? "")?.[1]), Number(/^\d+/.exec(last)?.[0] ?? 0) + 1);
    expect(next).toBe(3);
  });
});

test("records of expunged messages go with a rewrite once they are many, and UIDs are not given again", () => {
  created();
  const all = Array.from({ length: 512 }, (_, i) => i + 1);
  replica.apply(transaction(all.map((uid) => save(uid, `m${uid}`))));
  for (const part of [0, 100, 200, 300]) {
    const gone = all.slice(112 + part, 212 + part).map((uid) => expunge(uid, `m${uid}`));
    expect(replica.apply(transaction(gone, { uidNext: 513 })).kind).toBe("applied");
  }
  expect(replica.apply(transaction([save(513, "last")])).kind).toBe("applied");
  const lines = replica.text("box", "dovecot-uidlist").trimEnd().split("\n");
  expect(lines.length - 1).toBeLessThan(300);
  expect(lines.at(-1)).toBe("513 :last");
  for (const uid of [1, 50, 112]) expect(lines).toContain(`${uid} :m${uid}`);
  expect(replica.names("box")).toHaveLength(113);
});

test("no directory stays open", () => {
  const open = (): number => readdirSync("/proc/self/fd").length;
  created(save(1, "one"));
  const before = open();
  for (let uid = 2; uid < 12; uid++) {
    replica.apply(
      transaction([save(uid, `m${uid}`, { keywords: ["k"] }), expunge(uid - 1, uid === 2 ? "one" : `m${uid - 1}`)]),
    );
    expect(replica.apply(transaction([save(1, "void")], { uidNext: uid + 1 })).kind).toBe("diverged");
  }
  replica.store.yieldUids({ mailbox: GUID, uids: [], from: 1, floor: 1 });
  replica.store.mailboxes({ strangers: [] });
  replica.apply(transaction([], { structure: { kind: "delete" }, uidNext: 12 }));
  expect(open()).toBe(before);
});

describe("rebinds", () => {
  test("give the same file another UID", () => {
    created(save(1, "one", { letters: "F" }), save(2, "two"));
    const to = message(3, "one", { letters: "F" });
    const from = message(1, "one");
    const rebind: Change = { kind: "rebind", fromUid: from.uid, fromBase: from.base, message: to };
    const txn = transaction([rebind], { uidNext: 4 });
    expect(replica.apply(txn, refuseBody).kind).toBe("applied");
    expect(replica.text("box", "dovecot-uidlist")).toBe(`3 V${VALIDITY} N4 G${GUID}\n2 :two\n3 :one\n`);
    const before = replica.picture();
    expect(replica.apply(txn, refuseBody).kind).toBe("applied");
    expect(replica.picture()).toBe(before);
  });

  test("give the same UID another base name in place", () => {
    created(save(1, "one,S=9", { letters: "S" }), save(2, "two"));
    const from = message(1, "one,S=9");
    const size = from.size;
    const to = message(1, "one", { letters: "S", fields: "Gone,S=9", size });
    const rebind: Change = { kind: "rebind", fromUid: from.uid, fromBase: from.base, message: to };
    expect(replica.apply(transaction([rebind], { uidNext: 3 })).kind).toBe("applied");
    expect(replica.text("box", "dovecot-uidlist")).toBe(`3 V${VALIDITY} N3 G${GUID}\n1 Gone,S=9 :one\n2 :two\n`);
    expect(replica.names("box")).toEqual(["cur/one:2,S", "cur/two:2,"]);
  });

  test("an expunge and a save of one file in one transaction keep the file", () => {
    created(save(1, "one"));
    const txn = transaction([expunge(1, "one"), save(2, "one", { mtimeS: 1_600_000_001 })]);
    const outcome = replica.apply(txn, refuseBody);
    expect(outcome).toMatchObject({ kind: "applied", effect: { limbo: [] } });
    expect(replica.text("box", "dovecot-uidlist")).toContain("\n2 :one\n");
  });
});

describe("the lock", () => {
  test("in other hands means busy, and nothing is done", () => {
    created(save(1, "one"));
    writeFileSync(replica.path("box", "dovecot-uidlist.lock"), `${process.pid}:elsewhere`);
    const key = replica.nextKey();
    replica.stage(key, transaction([save(2, "two")]));
    expect(replica.execute(key)).toMatchObject({ kind: "busy", by: `${process.pid}:elsewhere` });
    expect(replica.names("box")).toEqual(["cur/one:2,"]);
    rmSync(replica.path("box", "dovecot-uidlist.lock"));
    expect(replica.execute(key).kind).toBe("applied");
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,"]);
  });

  test("of a dead process is overridden after a pause", () => {
    created(save(1, "one"));
    writeFileSync(replica.path("box", "dovecot-uidlist.lock"), `4999999:${HOST}`);
    replica.open({ laterMs: 10_000 });
    const key = replica.nextKey();
    replica.stage(key, transaction([save(2, "two")]));
    expect(replica.execute(key).kind).toBe("busy");
    expect(readdirSync(replica.path("box"))).not.toContain("dovecot-uidlist.lock");
    expect(replica.execute(key)).toMatchObject({ kind: "busy", by: "" });
  });
});

describe("what is damaged", () => {
  test("a uidlist that Dovecot would delete is left alone", () => {
    created(save(1, "one"));
    writeFileSync(replica.path("box", "dovecot-uidlist"), `3 V${VALIDITY} N3 G${GUID}\n2 :two\n1 :one\n`);
    expect(replica.apply(transaction([save(3, "three")]))).toMatchObject({
      kind: "diverged",
      divergence: { kind: "uidlist-damaged", line: 3 },
    });
  });

  test("an unfinished last line is not appended to", () => {
    created(...Array.from({ length: 40 }, (_, i) => save(i + 1, `m${i + 1}`)));
    const path = replica.path("box", "dovecot-uidlist");
    writeFileSync(path, `${readFileSync(path, "latin1")}41 :torn`);
    expect(replica.apply(transaction([save(41, "next")])).kind).toBe("applied");
    expect(readFileSync(path, "latin1").endsWith("\n40 :m40\n41 :next\n")).toBe(true);
  });

  test("another UIDVALIDITY diverges", () => {
    created(save(1, "one"));
    const path = replica.path("box", "dovecot-uidlist");
    writeFileSync(path, readFileSync(path, "latin1").replace(`V${VALIDITY}`, "V17"));
    expect(replica.apply(transaction([save(2, "two")]))).toMatchObject({
      kind: "diverged",
      divergence: { kind: "uidvalidity-differs", replica: 17 },
    });
  });

  test("a link on the way is refused", () => {
    mkdirSync(join(replica.root, "outside"));
    symlinkSync(join(replica.root, "outside"), replica.path("box"));
    expect(replica.apply(transaction([save(1, "one")], { structure: CREATE }))).toMatchObject({
      kind: "diverged",
      divergence: { kind: "path-refused" },
    });
    expect(readdirSync(join(replica.root, "outside"))).toEqual([]);
  });
});
