/** Names at the limit of 255 bytes: what the source can have, the replica can have. */
import { mkdirSync, statSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Change, Structure } from "../../../src/txn/transaction.js";
import { CREATE, message, openReplica, type Replica, save, transaction } from "./replica-fixture.js";

let replica: Replica;
beforeEach(async () => {
  replica = await openReplica({ inMemory: true });
});
afterEach(() => replica.remove());

const base = (bytes: number): string => `${bytes}.`.padEnd(bytes, "x");
const LENGTHS = [251, 252, 253, 254, 255];
const placeOf = (bytes: number): string => (bytes <= 252 ? `cur/${base(bytes)}:2,` : `new/${base(bytes)}`);

function apply(changes: readonly Change[], structure?: Structure, uidNext = 100) {
  return replica.apply(transaction(changes, { structure, uidNext }));
}

function expunge(uid: number, name: string): Change {
  const { uid: parsed, base: parsedBase } = message(uid, name);
  return { kind: "expunge", uid: parsed, base: parsedBase };
}

function marks(uid: number, name: string, letters: { readonly before: string; readonly after: string }): Change {
  const [before, after] = [
    message(uid, name, { letters: letters.before }),
    message(uid, name, { letters: letters.after }),
  ];
  return { kind: "marks", uid: after.uid, base: after.base, before, after };
}

describe("a message whose base name leaves no room for its marks", () => {
  test("is placed like Dovecot has it, is found again, and goes when it is expunged", () => {
    apply([], CREATE);
    const saves = LENGTHS.map((bytes) => save(bytes, base(bytes)));
    expect(apply(saves, undefined, 300)).toMatchObject({ kind: "applied", notes: [] });
    expect(replica.names("box")).toEqual(LENGTHS.map(placeOf).sort());
    expect(replica.text("box/dovecot-uidlist").split("\n").slice(1, -1)).toEqual(
      LENGTHS.map((bytes) => `${bytes} :${base(bytes)}`),
    );
    const before = replica.picture();
    replica.open();
    expect(apply(saves, undefined, 300).kind).toBe("applied");
    expect(replica.picture()).toBe(before);
    expect(
      apply(
        LENGTHS.map((bytes) => expunge(bytes, base(bytes))),
        undefined,
        300,
      ).kind,
    ).toBe("applied");
    expect(replica.names("box")).toEqual([]);
  });

  test("is there with its mailbox, however that comes to be", () => {
    const saves = LENGTHS.map((bytes) => save(bytes, base(bytes)));
    expect(apply(saves, CREATE, 300).kind).toBe("applied");
    expect(replica.names("box")).toEqual(LENGTHS.map(placeOf).sort());
  });

  test("is there with its mailbox, where parts of a directory stood already", () => {
    mkdirSync(replica.path("box/new"), { recursive: true });
    const saves = LENGTHS.map((bytes) => save(bytes, base(bytes)));
    expect(apply(saves, CREATE, 300).kind).toBe("applied");
    expect(replica.names("box")).toEqual(LENGTHS.map(placeOf).sort());
  });

  test("gets a base name without such trouble later, and the other way round", () => {
    apply([save(1, base(255)), save(2, "short")], CREATE);
    const rebind = (uid: number, from: string, to: string): Change => ({
      kind: "rebind",
      fromUid: message(uid, from).uid,
      fromBase: message(uid, from).base,
      message: { ...message(uid, to), size: message(uid, from).size },
    });
    const inode = statSync(replica.path("box/cur/short:2,")).ino;
    expect(apply([rebind(1, base(255), "brief"), rebind(2, "short", base(254))]).kind).toBe("applied");
    expect(replica.names("box")).toEqual(["cur/brief:2,", `new/${base(254)}`]);
    expect(statSync(replica.path("box/new", base(254))).ino).toBe(inode);
  });

  test("keeps its name when marks come that do not fit beside those that it has here", () => {
    apply([save(1, base(251))], CREATE);
    expect(apply([marks(1, base(251), { before: "", after: "S" })]).kind).toBe("applied");
    const outcome = apply([marks(1, base(251), { before: "", after: "F" })]);
    expect(outcome).toMatchObject({ kind: "applied", notes: [{ kind: "marks-left-out" }] });
    expect(replica.names("box")).toEqual([`cur/${base(251)}:2,S`]);
    expect(apply([marks(1, base(251), { before: "S", after: "" })]).kind).toBe("applied");
    expect(replica.names("box")).toEqual([`cur/${base(251)}:2,`]);
  });

  test("comes without marks that it cannot have", () => {
    const outcome = apply([save(1, base(252), { letters: "S" }), save(2, base(253), { letters: "S" })], CREATE);
    expect(outcome).toMatchObject({ notes: [{ kind: "marks-left-out" }, { kind: "marks-left-out" }] });
    expect(replica.names("box")).toEqual([placeOf(252), placeOf(253)]);
  });
});
