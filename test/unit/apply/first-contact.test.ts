/** What a store does for a first contact: files that nobody has numbered, copies that give way and serve again. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ForeignRequest } from "../../../src/apply/apply-types.js";
import { sha256 } from "../../../src/base/hash.js";
import { parseBaseName, parseUidValidity } from "../../../src/maildir/ids.js";
import { encodeTransaction } from "../../../src/txn/transaction-codec.js";
import { bodyOfBase, CREATE, openReplica, type Replica, save, transaction, VALIDITY } from "./replica-fixture.js";

let replica: Replica;
const { path } = transaction([]);
const LIST = "box/dovecot-uidlist";

/** As a copy stands there at first contact: nothing was ever applied, as far as the state knows. */
beforeEach(async () => {
  const other = await openReplica();
  other.apply(transaction([save(1, "one"), save(2, "two")], { structure: CREATE }));
  replica = await openReplica();
  rmSync(replica.storeRoot, { recursive: true });
  cpSync(other.storeRoot, replica.storeRoot, { recursive: true, preserveTimestamps: true });
  other.remove();
});
afterEach(() => replica.remove());

function giveWay(bases: readonly string[], more: Partial<ForeignRequest> = {}) {
  const request = { path, action: "limbo", bases: bases.map(parseBaseName), ...more } as const;
  const outcome = replica.store.foreign(request);
  if (outcome.kind !== "applied") throw new Error(outcome.kind);
  replica.state.record(outcome.effect);
  return outcome;
}

function hashes(...bases: readonly string[]): Uint8Array[] {
  return bases.map((base) => sha256(bodyOfBase(base)));
}

/** Bodies that would have to come for the first transaction of the mailbox. */
function wanted(): string[] {
  const txn = transaction([save(1, "one"), save(2, "two")], { structure: CREATE });
  const prepared = replica.store.prepare({ key: 99, bytes: encodeTransaction(txn), voidBelow: 0 });
  replica.store.drop({ key: 99 });
  if (prepared.kind === "ready") return prepared.wants.map(({ base }) => base);
  return [prepared.kind === "diverged" ? prepared.divergence.kind : prepared.kind];
}

describe("files that nobody has numbered", () => {
  test("follow the messages, page by page, by name", () => {
    for (const base of ["c", "a", "b"]) writeFileSync(replica.path("box/new", base), base);
    writeFileSync(replica.path("box/cur/bad\rname:2,"), "no mail");
    const read = (afterUid: number, afterBase?: string) =>
      replica.store.inventory({ path, afterUid, messagesMax: 2, ...(afterBase === undefined ? {} : { afterBase }) });
    expect(read(0)).toMatchObject({
      messages: [{ base: "one" }, { base: "two" }],
      files: [],
      more: true,
      unnumbered: 3,
    });
    expect(read(2)).toMatchObject({ messages: [], files: [{ base: "a", size: 1 }, { base: "b" }], more: true });
    expect(read(2, "b")).toMatchObject({ messages: [], files: [{ base: "c" }], more: false });
  });

  test("are all there is where no uidlist is, and can be moved out of the way", () => {
    rmSync(replica.path(LIST));
    const before = replica.store.inventory({ path, afterUid: 0, messagesMax: 9 });
    expect(before).toMatchObject({ kind: "read", messages: [], files: [{ base: "one" }, { base: "two" }], uidNext: 1 });
    expect(wanted()).toStrictEqual(["mailbox-occupied"]);
    expect(giveWay(["one"], { action: "aside" })).toMatchObject({ moved: 1 });
    expect(giveWay(["two", "none"])).toMatchObject({
      moved: 1,
      absent: 1,
      effect: { limbo: [{ uid: 0, base: "two" }] },
    });
    expect(existsSync(replica.path(LIST))).toBe(false);
    expect(replica.apply(transaction([save(2, "two")], { structure: CREATE })).kind).toBe("applied");
    expect(giveWay([], { action: "restore" })).toMatchObject({ moved: 1 });
    expect(replica.text(LIST).split("\n").slice(1)).toStrictEqual(["2 :two", "3 :one", ""]);
    expect(readdirSync(join(replica.scratchRoot, "aside"))).toStrictEqual([]);
    expect(giveWay([], { action: "restore" })).toMatchObject({ moved: 0 });
  });
});

describe("a copy that gives way", () => {
  beforeEach(() => writeFileSync(replica.path(LIST), `3 V77 N9 G${"d".repeat(32)}\n7 :one\n8 :two\n`));

  test("serves again, as the same file, if its bytes are the source's", () => {
    const inode = statSync(replica.path("box/cur/one:2,")).ino;
    const { effect } = giveWay(["one", "two"], { hashes: hashes("one", "two") });
    expect(effect.limbo).toMatchObject([
      { uid: 7, base: "one", cause: "copy" },
      { uid: 8, base: "two", cause: "copy" },
    ]);
    replica.open(); // a restart knows it from the rows.
    expect(wanted()).toStrictEqual([]);
    const txn = transaction([save(1, "one"), save(2, "two")], { structure: CREATE });
    expect(replica.apply(txn, () => undefined).kind).toBe("applied");
    expect(replica.text(LIST)).toMatch(new RegExp(`^3 V${VALIDITY} N3 .*\\n1 :one\\n2 :two\\n$`));
    expect(statSync(replica.path("box/cur/one:2,")).ino).toBe(inode);
  });

  test("does not if a byte differs, or if nobody has compared it", () => {
    const { effect } = giveWay(["one", "two"], { hashes: hashes("one", "other") });
    expect(effect.limbo.map(({ cause }) => cause)).toStrictEqual(["copy", "foreign"]);
    expect(wanted()).toStrictEqual(["two"]);
    const file = join(replica.scratchRoot, "limbo", effect.limbo[1]?.name ?? "");
    expect(readFileSync(file)).toStrictEqual(Buffer.from(bodyOfBase("two")));
  });

  test("is no body for another mailbox", () => {
    const { effect } = giveWay(["one", "two"], { hashes: hashes("one", "two") });
    const elsewhere = effect.limbo.map((row) => ({ ...row, path: "elsewhere" as typeof row.path }));
    replica.state.limbo.splice(0, elsewhere.length, ...elsewhere);
    replica.open();
    expect(wanted()).toStrictEqual(["one", "two"]);
  });
});

test("an emptied mailbox of the same GUID takes the source's UIDVALIDITY when it is created, and no other time", () => {
  writeFileSync(replica.path(LIST), replica.text(LIST).replace(`V${VALIDITY}`, "V77"));
  const txn = transaction([save(1, "one")], { structure: CREATE });
  expect(replica.apply(txn)).toMatchObject({ kind: "diverged", divergence: { kind: "uidvalidity-differs" } });
  giveWay(["one", "two"]);
  expect(replica.apply(transaction([save(1, "one")]))).toMatchObject({ divergence: { kind: "uidvalidity-differs" } });
  expect(replica.apply(txn)).toMatchObject({ kind: "applied" });
  expect(replica.text(LIST)).toContain(`V${parseUidValidity(VALIDITY)} `);
});
