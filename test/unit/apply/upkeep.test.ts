/** What stands beside applying: foreign mail, surveys, and cleaning up after a crash. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ForeignOutcome, ForeignRequest } from "../../../src/apply/apply-types.js";
import { parseBaseName } from "../../../src/maildir/ids.js";
import { eachReplica } from "./each-replica.js";
import {
  CREATE,
  DEAD_PID,
  expunge,
  GUID,
  HOST,
  OTHER_GUID,
  type Replica,
  save,
  transaction,
  VALIDITY,
} from "./replica-fixture.js";

let replica: Replica;
const { path } = transaction([]);

eachReplica((opened) => {
  replica = opened;
  replica.apply(transaction([save(1, "one"), save(2, "two")], { structure: CREATE }));
});

/** As if the replica's Dovecot had delivered it. */
function deliver(uid: number, base: string, name = `new/${base}`): void {
  writeFileSync(replica.path("box", name), `Subject: ${base}\n\nforeign\n`);
  const list = replica.path("box/dovecot-uidlist");
  writeFileSync(list, `${readFileSync(list, "latin1")}${uid} :${base}\n`);
}

function records(): string[] {
  return replica.text("box/dovecot-uidlist").trimEnd().split("\n").slice(1);
}

describe("foreign mail", () => {
  const move = (action: ForeignRequest["action"], ...bases: readonly string[]): ForeignOutcome =>
    replica.store.foreign({ path, action, bases: bases.map(parseBaseName) });

  test("yields UIDs in its own order, above both next UIDs", () => {
    deliver(3, "theirs-b");
    deliver(4, "theirs-a");
    expect(replica.store.yieldUids({ mailbox: GUID, uids: [], from: 3, floor: 10 })).toMatchObject({
      kind: "yielded",
      uidNext: 12,
      moves: [
        { base: "theirs-b", fromUid: 3, toUid: 10 },
        { base: "theirs-a", fromUid: 4, toUid: 11 },
      ],
    });
    expect(records()).toEqual(["1 :one", "2 :two", "10 :theirs-b", "11 :theirs-a"]);
    expect(replica.apply(transaction([save(3, "three")])).kind).toBe("diverged");
    expect(replica.apply(transaction([save(12, "three")])).kind).toBe("applied");
  });

  test("yields only the UIDs that are named, and those from one on", () => {
    for (const uid of [3, 4, 5, 6, 7]) deliver(uid, `theirs-${uid}`);
    expect(replica.store.yieldUids({ mailbox: GUID, uids: [1, 4, 9], from: 7, floor: 5 })).toMatchObject({
      uidNext: 10,
      moves: [
        { fromUid: 4, toUid: 8 },
        { fromUid: 7, toUid: 9 },
      ],
    });
    const bound = ["3 :theirs-3", "5 :theirs-5", "6 :theirs-6", "8 :theirs-4", "9 :theirs-7"];
    expect(records()).toEqual(["1 :one", "2 :two", ...bound]);
  });

  test("does not include what was applied", () => {
    expect(replica.store.yieldUids({ mailbox: GUID, uids: [], from: 1, floor: 10 })).toMatchObject({
      moves: [],
      uidNext: 3,
    });
    expect(move("limbo", "one", "nothing")).toMatchObject({ kind: "applied", moved: 0, absent: 2 });
    expect(move("aside", "one")).toMatchObject({ kind: "applied", moved: 0 });
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,"]);
  });

  test("goes to the limbo when asked", () => {
    deliver(3, "theirs");
    const outcome = move("limbo", "theirs");
    expect(outcome).toMatchObject({ kind: "applied", moved: 1, effect: { limbo: [{ uid: 3, cause: "foreign" }] } });
    expect(existsSync(replica.path("box/new/theirs"))).toBe(false);
  });

  test("an emptied mailbox that was never applied to follows its mail to the limbo", () => {
    const theirs = "theirs" as typeof path;
    const remove = () => replica.store.foreign({ path: theirs, action: "limbo", bases: [] });
    for (const name of ["cur", "new", "tmp"]) mkdirSync(replica.path("theirs", name), { recursive: true });
    writeFileSync(replica.path("theirs/dovecot-uidlist"), `3 V12 N2 G${OTHER_GUID}\n1 :mail\n`);
    writeFileSync(replica.path("theirs/cur/mail:2,S"), "foreign");
    expect(remove()).toMatchObject({ kind: "applied", moved: 0, effect: { limbo: [] } });
    expect(existsSync(replica.path("theirs/cur/mail:2,S"))).toBe(true);
    replica.store.foreign({ path: theirs, action: "limbo", bases: [parseBaseName("mail")] });
    const outcome = remove();
    expect(outcome).toMatchObject({ kind: "applied", moved: 1, effect: { limbo: [{ uid: 0, cause: "delete" }] } });
    expect(existsSync(replica.path("theirs"))).toBe(false);
    const [row] = outcome.kind === "applied" ? outcome.effect.limbo : [];
    const kept = readdirSync(join(replica.scratchRoot, "limbo", row?.name ?? ""));
    expect(kept.sort()).toEqual(["cur", "dovecot-uidlist", "new", "tmp"]);
    expect(remove()).toMatchObject({ kind: "applied", moved: 0 });
  });

  test("a mailbox that was applied to stays, however empty", () => {
    replica.apply(transaction([expunge(1, "one"), expunge(2, "two")], { uidNext: 3 }));
    expect(move("limbo")).toMatchObject({ kind: "applied", moved: 0, effect: { limbo: [] } });
    expect(replica.names("box")).toEqual([]);
  });

  test("is set aside and put back as new mail", () => {
    deliver(3, "theirs");
    expect(move("aside", "theirs")).toMatchObject({ kind: "applied", moved: 1 });
    expect(records()).toEqual(["1 :one", "2 :two"]);
    expect(replica.apply(transaction([save(4, "four")])).kind).toBe("applied");
    expect(move("restore", "theirs")).toMatchObject({ kind: "applied", moved: 1 });
    expect(records()).toEqual(["1 :one", "2 :two", "4 :four", "5 :theirs"]);
    expect(replica.names("box")).toContain("cur/theirs:2,");
    expect(replica.text("box/cur/theirs:2,")).toContain("foreign");
  });

  test("set aside or put back, it takes no other file's place", () => {
    deliver(3, "theirs");
    move("aside", "theirs");
    deliver(3, "theirs");
    writeFileSync(replica.path("box/new/theirs"), "another");
    const taken = { kind: "path-refused", words: expect.stringMatching(/EEXIST/) };
    expect(move("aside", "theirs")).toMatchObject({ kind: "diverged", divergence: taken }); // that mailbox's matter.
    expect(replica.text("box/new/theirs")).toBe("another");
    rmSync(replica.path("box/new/theirs"));
    const list = replica.path("box/dovecot-uidlist");
    writeFileSync(list, readFileSync(list, "latin1").replace("3 :theirs\n", ""));
    writeFileSync(replica.path("box/cur/theirs:2,"), "another");
    expect(move("restore")).toMatchObject({ kind: "applied", moved: 0 });
    expect(replica.text("box/cur/theirs:2,")).toBe("another");
    rmSync(replica.path("box/cur/theirs:2,"));
    expect(move("restore")).toMatchObject({ kind: "applied", moved: 1 });
    expect(replica.text("box/cur/theirs:2,")).toContain("foreign");
  });

  test("waits for the lock as everybody", () => {
    writeFileSync(replica.path("box/dovecot-uidlist.lock"), `${process.pid}:${HOST}`);
    expect(move("limbo", "one").kind).toBe("busy");
    expect(replica.store.yieldUids({ mailbox: GUID, uids: [], from: 1, floor: 1 }).kind).toBe("busy");
  });
});

describe("surveys", () => {
  test("name every mailbox with its identity", () => {
    deliver(9, "theirs");
    expect(replica.store.mailboxes({ strangers: [] })).toEqual([
      { path: "box", guid: GUID, uidValidity: VALIDITY, uidNext: 10 },
    ]);
  });

  test("read a mailbox in pages", () => {
    deliver(9, "theirs");
    writeFileSync(replica.path("box/new/unseen"), "no uid yet");
    const first = replica.store.inventory({ path, afterUid: 0, messagesMax: 2 });
    expect(first).toMatchObject({
      kind: "read",
      guid: GUID,
      more: true,
      unnumbered: 1,
      uidNext: 10,
      messages: [{ uid: 1 }, { uid: 2 }],
    });
    const second = replica.store.inventory({ path, afterUid: 2, messagesMax: 2 });
    expect(second).toMatchObject({ kind: "read", more: false, messages: [{ uid: 9, base: "theirs", size: 25 }] });
  });

  test("say what is not there, and what cannot be read", () => {
    expect(replica.store.inventory({ path: `${path}x` as typeof path, afterUid: 0, messagesMax: 9 })).toEqual({
      kind: "absent",
    });
    writeFileSync(replica.path("box/dovecot-uidlist"), "rubbish\n");
    expect(replica.store.inventory({ path, afterUid: 0, messagesMax: 9 }).kind).toBe("diverged");
  });

  test.each(["dovecot-uidlist", "dovecot-keywords", "new"])(
    "one mailbox whose %s is a link, a pipe or a directory does not end the survey of the others",
    (name) => {
      const target = replica.path(`box/${name}`);
      const makers = [() => symlinkSync("/etc/hosts", target), () => execFileSync("mkfifo", [target])];
      if (name !== "new") makers.push(() => mkdirSync(target));
      for (const make of makers) {
        rmSync(target, { recursive: true, force: true });
        make();
        expect(() => replica.store.mailboxes({ strangers: [] })).not.toThrow();
        const outcome = replica.store.inventory({ path, afterUid: 0, messagesMax: 9 });
        expect(outcome.kind).toBe("diverged");
        const applied = replica.apply(transaction([save(3, "three")]));
        expect(applied.kind).toBe("diverged");
      }
    },
  );
});

describe("recovery", () => {
  test("removes staged files, the dead lock and a torn line, and nothing else", () => {
    const key = replica.nextKey();
    replica.stage(key, transaction([save(3, "three")]));
    writeFileSync(replica.path("box/tmp/17000.dovecot"), "a delivery on its way");
    expect(readdirSync(replica.path("box/tmp")).sort()).toEqual(["17000.dovecot", `mailtwin.${key}.0`]);
    const list = replica.path("box/dovecot-uidlist");
    writeFileSync(list, `${readFileSync(list, "latin1")}3 :thr`);
    replica.open();
    expect(replica.store.recover()).toMatchObject({ intentIds: [], notes: [{ kind: "torn-line-removed" }] });
    expect(readdirSync(replica.path("box/tmp"))).toEqual(["17000.dovecot"]);
    expect(records()).toEqual(["1 :one", "2 :two"]);
  });

  test("overrides the lock of the process that died", () => {
    const key = replica.nextKey();
    replica.stage(key, transaction([save(3, "three")]));
    writeFileSync(replica.path("box/dovecot-uidlist.lock"), `${DEAD_PID}:${HOST}`);
    replica.open({ laterMs: 10_000 });
    expect(replica.store.recover().notes).toMatchObject([{ kind: "lock-overridden" }]);
    expect(existsSync(replica.path("box/dovecot-uidlist.lock"))).toBe(false);
  });

  test("overrides it where no intent tells of it: killed before it, or after it was dropped", () => {
    writeFileSync(replica.path("box/dovecot-uidlist.lock"), `${DEAD_PID}:${HOST}`);
    replica.open({ laterMs: 10_000 });
    expect(replica.store.recover().notes).toMatchObject([{ kind: "lock-overridden" }]);
    expect(existsSync(replica.path("box/dovecot-uidlist.lock"))).toBe(false);
  });

  test("such a lock that was too young then goes when mail comes", () => {
    writeFileSync(replica.path("box/dovecot-uidlist.lock"), `${DEAD_PID}:${HOST}`);
    replica.open();
    expect(replica.store.recover().notes).toEqual([]);
    expect(replica.apply(transaction([save(3, "three")])).kind).toBe("busy"); // and stays so for 2 s.
    replica.open({ laterMs: 10_000 });
    expect(replica.apply(transaction([save(3, "three")]))).toMatchObject({ kind: "busy", by: `${DEAD_PID}:${HOST}` });
    replica.open({ laterMs: 11_000 }); // as if the pause after an override were over.
    expect(replica.apply(transaction([save(3, "three")])).kind).toBe("applied");
    expect(existsSync(replica.path("box/dovecot-uidlist.lock"))).toBe(false);
  });

  const LEFTOVERS = [
    "dovecot-uidlist.mailtwin",
    "dovecot-keywords.tmp",
    `dovecot-uidlist.stale-${DEAD_PID}.lock`,
    "dovecot-uidlist.new-0123456789abcdef.lock",
  ] as const;

  test("removes temporary files that are ours alone", () => {
    for (const name of LEFTOVERS) writeFileSync(replica.path("box", name), "0 half");
    writeFileSync(replica.path("box/cur/.mailtwin-nudge"), "");
    for (const name of ["dovecot-uidlist.tmp", "dovecot-keywords.lock"]) writeFileSync(replica.path("box", name), "");
    replica.open();
    expect(replica.store.recover().notes).toEqual([]);
    expect(
      readdirSync(replica.path("box"))
        .filter((name) => name.startsWith("dovecot-"))
        .sort(),
    ).toEqual(["dovecot-keywords.lock", "dovecot-uidlist", "dovecot-uidlist.tmp"]);
    expect(readdirSync(replica.path("box/cur"))).not.toContain(".mailtwin-nudge");
  });

  test("leaves them while another holds the lock; they go when we first do", () => {
    for (const name of LEFTOVERS) writeFileSync(replica.path("box", name), "0 half");
    writeFileSync(replica.path("box/dovecot-uidlist.lock"), `${process.ppid}:${HOST}`);
    replica.open({ laterMs: 10_000 });
    expect(replica.store.recover().notes).toEqual([]);
    expect(readdirSync(replica.path("box"))).toEqual(expect.arrayContaining([...LEFTOVERS]));
    rmSync(replica.path("box/dovecot-uidlist.lock"));
    expect(replica.apply(transaction([save(3, "three")])).kind).toBe("applied");
    expect(readdirSync(replica.path("box")).filter((name) => LEFTOVERS.some((left) => left === name))).toEqual([]);
  });

  test("leaves the lock of a living process alone", () => {
    const key = replica.nextKey();
    replica.stage(key, transaction([save(3, "three")]));
    writeFileSync(replica.path("box/dovecot-uidlist.lock"), `${process.ppid}:${HOST}`);
    replica.open({ laterMs: 10_000 });
    expect(replica.store.recover().notes).toEqual([]);
    expect(existsSync(replica.path("box/dovecot-uidlist.lock"))).toBe(true);
  });
});

describe("large bodies in parts", () => {
  const size = 9 * 1024 * 1024;
  const body = Buffer.alloc(size, "large ");
  const part = 1024 * 1024;

  function stageParts(key: number, sha256: string | undefined): string {
    for (let offset = 0; offset < size; offset += part) {
      const bytes = body.subarray(offset, offset + part);
      const last = offset + bytes.length === size;
      const outcome = replica.store.stagePart({
        key,
        index: 0,
        offset,
        bytes,
        last,
        sha256: last ? sha256 : undefined,
      });
      if (outcome.kind === "diverged") return outcome.divergence.kind;
    }
    return "staged";
  }

  test("arrive whole, dated, and checked", async () => {
    const { sha256 } = await import("../../../src/base/hash.js");
    const key = replica.nextKey();
    const txn = transaction([save(3, "large", { size })]);
    const { encodeTransaction } = await import("../../../src/txn/transaction-codec.js");
    expect(replica.store.prepare({ key, bytes: encodeTransaction(txn), voidBelow: 0 })).toMatchObject({
      wants: [{ index: 0, size }],
    });
    expect(stageParts(key, "00")).toBe("body-mismatch");
    expect(readdirSync(replica.path("box/tmp"))).toEqual([]);
    expect(replica.execute(key)).toMatchObject({ kind: "lacking", wants: [{ index: 0 }] });
    expect(stageParts(key, sha256(body).toString("hex"))).toBe("staged");
    replica.store.syncStaged({ key });
    expect(replica.execute(key).kind).toBe("applied");
    expect(readFileSync(replica.path("box/cur/large:2,")).equals(body)).toBe(true);
  });
});

test("a dropped transaction leaves no staged file", () => {
  const key = replica.nextKey();
  replica.stage(key, transaction([save(3, "three")]));
  replica.store.drop({ key });
  expect(readdirSync(replica.path("box/tmp"))).toEqual([]);
  expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,"]);
});

test("a store that is not mounted is an error, not an empty store", () => {
  renameSync(replica.storeRoot, `${replica.storeRoot}-away`);
  expect(() => replica.apply(transaction([save(3, "three")]))).toThrow(/is not there/);
  expect(existsSync(replica.storeRoot)).toBe(false);
  renameSync(`${replica.storeRoot}-away`, replica.storeRoot);
});

test("limbo files are where their rows say", () => {
  const gone = transaction([save(2, "two")]).changes[0];
  if (gone?.kind !== "save") throw new Error("unreachable");
  replica.apply(transaction([{ kind: "expunge", uid: gone.message.uid, base: gone.message.base }], { uidNext: 3 }));
  for (const { name } of replica.state.limbo) expect(existsSync(join(replica.scratchRoot, "limbo", name))).toBe(true);
  rmSync(join(replica.scratchRoot, "limbo"), { recursive: true });
});
