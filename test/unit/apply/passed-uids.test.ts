/**
 * UIDs below the replica's next UID whose message is not here: its Dovecot may have told a client that they name nothing, and
 * would give a message that came back under one of them another UID (R6). A record without a file says no more than none.
 */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import type { Change, Transaction } from "../../../src/txn/transaction.js";
import { eachReplica } from "./each-replica.js";
import {
  CREATE,
  expunge,
  GUID,
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

const THREE = [save(1, "one"), save(2, "two"), save(3, "three")] as const;

function created(): void {
  expect(replica.apply(transaction([...THREE], { structure: CREATE })).kind).toBe("applied");
}

/** As a client of the replica does it: Dovecot leaves the record. */
function expungeHere(base: string): void {
  rmSync(replica.path("box", "cur", `${base}:2,`));
}

/** Its state was moved away: nothing is known of what was applied. */
function startOver(): void {
  replica.state.mailboxes.clear();
  replica.state.chunks.clear();
  replica.store = replica.open();
}

/** As the source has it tried again once it has given those messages other UIDs. */
function applyVoid(txn: Transaction, voidBelow: number) {
  replica.voidBelow = voidBelow;
  const outcome = replica.apply(txn, refuseBody);
  replica.voidBelow = 0;
  return outcome;
}

function records(): string[] {
  return replica.text("box", "dovecot-uidlist").trimEnd().split("\n").slice(1);
}

function rebind(fromUid: number, toUid: number, base: string): Change {
  return { kind: "rebind", fromUid: parseUid(fromUid), fromBase: parseBaseName(base), message: message(toUid, base) };
}

describe("a UID whose message was expunged here", () => {
  test.each([true, false])("is passed, known before or not (starting over: %s)", (isOver) => {
    created();
    expungeHere("two");
    if (isOver) startOver();
    const before = replica.picture();
    expect(replica.apply(transaction([...THREE], { structure: CREATE }), refuseBody)).toMatchObject({
      kind: "diverged",
      divergence: { kind: "uid-passed", uids: [2], replicaNext: 4 },
    });
    expect(replica.picture()).toBe(before);
  });

  test("is passed too when the record is gone", () => {
    created();
    expungeHere("two");
    writeFileSync(replica.path("box/dovecot-uidlist"), `3 V${VALIDITY} N4 G${GUID}\n1 :one\n3 :three\n`);
    expect(replica.apply(transaction([...THREE], { structure: CREATE }), refuseBody)).toMatchObject({
      divergence: { kind: "uid-passed" },
    });
  });

  test.each([
    [
      "and its file is gone: passed, for nobody has it who could make room",
      false,
      { kind: "uid-passed", replicaNext: 5 },
    ],
    ["and its file is there: taken", true, { kind: "uid-bound-otherwise", found: "foreign" }],
  ])("is another message's %s", (_what, hasFile, divergence) => {
    created();
    writeFileSync(replica.path("box/dovecot-uidlist"), "4 :foreign\n", { flag: "a" });
    if (hasFile) writeFileSync(replica.path("box/new/foreign"), "foreign mail");
    expect(replica.apply(transaction([save(4, "four")]), refuseBody)).toMatchObject({ divergence });
  });

  test("is told together with all others of the transaction, and with no UID that has its message", () => {
    created();
    expungeHere("two");
    startOver();
    writeFileSync(replica.path("box/dovecot-uidlist"), "5 :foreign\n7 :six\n", { flag: "a" });
    writeFileSync(replica.path("box/new/foreign"), "foreign mail");
    renameSync(replica.path("box/cur/three:2,"), replica.path("box/new/six"));
    const txn = transaction([...THREE, save(4, "four"), save(5, "five"), save(6, "six"), save(8, "eight")]);
    expect(replica.apply({ ...txn, structure: CREATE }, refuseBody)).toMatchObject({
      divergence: { kind: "uid-passed", uids: [2, 3, 4, 5, 6], replicaNext: 8 },
    });
  });

  test("is left out when it is void, and the message comes under its new one, in place of the record", () => {
    created();
    expungeHere("two");
    startOver();
    const outcome = applyVoid(transaction([...THREE], { structure: CREATE }), 4);
    expect(outcome).toMatchObject({ kind: "applied", notes: [{ kind: "uid-burned", uid: 2 }] });
    expect(replica.apply(transaction([rebind(2, 4, "two")])).kind).toBe("applied");
    expect(records()).toEqual(["1 :one", "3 :three", "4 :two"]);
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/three:2,", "cur/two:2,"]);
  });

  test("is no hindrance for flags of the message that was to have it, once that is void", () => {
    created();
    writeFileSync(replica.path("box/dovecot-uidlist"), "4 :foreign\n", { flag: "a" });
    const flags = marks(4, "four", {}, { flags: 8 });
    expect(applyVoid(transaction([save(4, "four"), flags]), 5)).toMatchObject({
      kind: "applied",
      notes: [
        { kind: "uid-burned", uid: 4 },
        { kind: "message-absent", uid: 4 },
      ],
    });
    expect(replica.apply(transaction([flags], { uidNext: 5 }))).toMatchObject({
      kind: "applied",
      notes: [{ kind: "message-absent", uid: 4 }],
    });
    expect(records()).toContain("4 :foreign");
  });

  test("is no hindrance where its message goes within the transaction", () => {
    created();
    expungeHere("two");
    const outcome = replica.apply(transaction([save(2, "two"), expunge(2, "two")], { uidNext: 4 }), refuseBody);
    expect(outcome).toMatchObject({ kind: "applied", notes: [] });
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/three:2,"]);
  });
});

describe("a message that gets a UID which was passed", () => {
  test("is passed; once that is void it stays under its old one until the next word", () => {
    created();
    writeFileSync(replica.path("box/dovecot-uidlist"), "4 :foreign\n", { flag: "a" });
    const first = transaction([rebind(2, 4, "two")]);
    expect(replica.apply(first, refuseBody)).toMatchObject({ divergence: { kind: "uid-passed", replicaNext: 5 } });
    expect(applyVoid(first, 6)).toMatchObject({
      kind: "applied",
      notes: [{ kind: "uid-burned", uid: 4 }],
    });
    expect(records()).toContain("2 :two");
    expect(replica.apply(transaction([rebind(4, 6, "two")], { uidNext: 7 }), refuseBody).kind).toBe("applied");
    expect(records()).toEqual(["1 :one", "3 :three", "4 :foreign", "6 :two"]);
    expect([...replica.state.mailboxes.values()]).toMatchObject([{ messages: 3 }]);
  });
});
