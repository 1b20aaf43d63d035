/**
 * Bodies that come with their transaction, over a real store: those that are lacking are staged with it, checked and durable;
 * killed anywhere, it comes again and is there once.
 */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { BodyParts, PrepareOutcome, PrepareRequest } from "../../../src/apply/apply-types.js";
import type { Disk } from "../../../src/base/disk.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { sha256 } from "../../../src/base/hash.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { encodeTransaction } from "../../../src/txn/transaction-codec.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { eachReplica } from "./each-replica.js";
import { insist, isKilled } from "./killed-after.js";
import {
  bodyOfBase,
  CREATE,
  DEAD_PID,
  GUID,
  message,
  OTHER_GUID,
  type Replica,
  save,
  transaction,
} from "./replica-fixture.js";

const hashOf = (bytes: Uint8Array): string => sha256(bytes).toString("hex");
const EMPTY = transaction([], { structure: CREATE, uidNext: 1 });
const TWO = transaction([save(1, "one"), save(2, "two", { letters: "S" })]);

let replica: Replica;
eachReplica((opened) => {
  replica = opened;
  expect(replica.apply(EMPTY)).toMatchObject({ kind: "applied" });
});

/** A body of that change. */
function body(index: number, base: string, bytes = bodyOfBase(base)): BodyParts {
  return { index, bytes, sha256: hashOf(bytes) };
}

function prepare(key: number, txn: Transaction, request: Partial<PrepareRequest> = {}): PrepareOutcome {
  return replica.store.prepare({ key, bytes: encodeTransaction(txn), voidBelow: 0, ...request });
}

function ready(outcome: PrepareOutcome): Extract<PrepareOutcome, { kind: "ready" }> {
  if (outcome.kind !== "ready") throw new Error(`it is not ready: ${JSON.stringify(outcome)}`);
  return outcome;
}

/** As a session does, with its bodies along; nothing is staged in another way. */
function applyAlong(txn: Transaction, along: readonly BodyParts[]): void {
  const key = replica.nextKey();
  const { intent, wants } = ready(prepare(key, txn, { along }));
  expect(wants).toStrictEqual([]);
  replica.state.putIntent({ id: key, bytes: intent });
  expect(replica.execute(key)).toMatchObject({ kind: "applied" });
}

describe("bodies that come along", () => {
  test("are what the mailbox gets", () => {
    applyAlong(TWO, [body(0, "one"), body(1, "two")]);
    expect(replica.names("box")).toStrictEqual(["cur/one:2,", "cur/two:2,S"]);
    expect(replica.text("box/cur/one:2,")).toBe(bodyOfBase("one").toString());
    expect(replica.stagedNames()).toStrictEqual([]);
  });

  test("are staged where they are lacking; what is not wanted, or nobody's, is dropped", () => {
    const key = replica.nextKey();
    const along = [body(0, "one"), body(2, "two"), body(7, "one"), body(0xffff_ffff, "one")];
    const { wants, taken } = ready(prepare(key, TWO, { along }));
    expect([wants.map(({ index }) => index), taken]).toStrictEqual([[1], 1]);
    expect(replica.stagedNames()).toStrictEqual([`mailtwin.${key}.0`]);
    replica.store.stageMany({ key, bodies: [body(1, "two")] });
    expect(replica.execute(key)).toMatchObject({ kind: "applied" });
  });

  test("are dropped where a body is here already", () => {
    applyAlong(TWO, [body(0, "one"), body(1, "two")]);
    const origin = { mailbox: GUID, uid: parseUid(1), base: parseBaseName("one") };
    const copied = message(3, "copy", { size: bodyOfBase("one").length });
    const copy = transaction([{ kind: "save", message: copied, origin }]);
    const key = replica.nextKey();
    const other = Buffer.alloc(bodyOfBase("one").length, "x");
    expect(ready(prepare(key, copy, { along: [body(0, "copy", other)] }))).toMatchObject({ wants: [], taken: 0 });
    expect(replica.execute(key)).toMatchObject({ kind: "applied" });
    expect(replica.text("box/cur/copy:2,")).toBe(bodyOfBase("one").toString());
  });

  test("are staged for a mailbox that is not there yet, too", () => {
    const other = transaction([save(1, "one")], {
      structure: CREATE,
      path: "fresh" as RawPath,
      mailbox: OTHER_GUID,
    });
    applyAlong(other, [body(0, "one")]);
    expect(replica.names("fresh")).toStrictEqual(["cur/one:2,"]);
    expect(replica.stagedNames("fresh")).toStrictEqual([]);
  });

  test("of a change that comes twice are one, the last", () => {
    const key = replica.nextKey();
    const along = [body(0, "one", Buffer.from("nonsense")), body(0, "one"), body(1, "two")];
    expect(ready(prepare(key, TWO, { along }))).toMatchObject({ wants: [], taken: 2 });
    expect(replica.execute(key)).toMatchObject({ kind: "applied" });
    expect(replica.text("box/cur/one:2,")).toBe(bodyOfBase("one").toString());
  });
});

describe("durable", () => {
  test("is each body when it is prepared; its name in cur/, before a record tells of it", () => {
    const disk = new FaultDisk(openNodeDisk());
    replica.open({ disk });
    const key = replica.nextKey();
    disk.calls.length = 0;
    ready(prepare(key, TWO, { along: [body(0, "one"), body(1, "two")] }));
    const tmp = replica.path("box", "tmp");
    const steps = disk.calls
      .filter(({ operation }) => ["createFile", "sync", "syncFile"].includes(operation))
      .map(({ operation, path, isSynced }) => [operation, path, isSynced]);
    expect(steps).toStrictEqual([
      ["createFile", `${tmp}/mailtwin.${key}.0`, true],
      ["createFile", `${tmp}/mailtwin.${key}.1`, true],
    ]);
    disk.calls.length = 0;
    expect(replica.execute(key)).toMatchObject({ kind: "applied" });
    const [cur, uidlist] = [replica.path("box", "cur"), replica.path("box", "dovecot-uidlist")];
    const later = disk.calls.map(({ operation, path }) => `${operation} ${path}`);
    const [renamed, synced] = [
      later.findLastIndex((step) => step.startsWith("rename") && step.includes("mailtwin.")),
      later.indexOf(`sync ${cur}`),
    ];
    const recorded = later.findIndex((step) => step.startsWith(`createFile ${uidlist}.mailtwin`)); // the uidlist is written anew.
    expect([renamed, synced, recorded].map((at) => at >= 0)).toStrictEqual([true, true, true]);
    expect([renamed, synced, recorded]).toStrictEqual([renamed, synced, recorded].sort((a, b) => a - b));
  });

  test("is nothing where none came: no directory is opened for it", () => {
    const disk = new FaultDisk(openNodeDisk());
    replica.open({ disk });
    disk.calls.length = 0;
    ready(prepare(replica.nextKey(), TWO));
    expect(disk.calls.filter(({ operation }) => operation === "sync")).toStrictEqual([]);
  });

  test.each([1, 2])("where the disk fails at body %i nothing is visible, and it can come again", (nth) => {
    const disk = new FaultDisk(openNodeDisk());
    replica.open({ disk });
    const before = replica.names("box");
    const key = replica.nextKey();
    const along = [body(0, "one"), body(1, "two")];
    const hasFailed = disk.inject({ operation: "createFile", error: "ENOSPC", name: /mailtwin/, nth });
    expect(() => prepare(key, TWO, { along })).toThrow(/ENOSPC/);
    expect(hasFailed()).toBe(true);
    disk.clearFaults();
    expect(replica.names("box")).toStrictEqual(before);
    replica.store.drop({ key });
    expect(replica.stagedNames()).toStrictEqual([]);
    applyAlong(TWO, along);
    expect(replica.names("box")).toStrictEqual(["cur/one:2,", "cur/two:2,S"]);
  });
});

describe("a body that is not what was announced", () => {
  const right = bodyOfBase("two");
  test.each([
    ["shorter", { index: 1, bytes: right.subarray(1), sha256: hashOf(right.subarray(1)) }],
    ["longer", { index: 1, bytes: Buffer.concat([right, right]), sha256: hashOf(right) }],
    ["of other bytes", { index: 1, bytes: Buffer.alloc(right.length, "x"), sha256: hashOf(right) }],
  ])(
    "(%s) is refused, and nothing is visible; what was staged stays for the next try, and goes with it",
    (_what, wrong) => {
      const before = replica.picture();
      const key = replica.nextKey();
      expect(prepare(key, TWO, { along: [body(0, "one"), wrong] })).toMatchObject({
        kind: "diverged",
        divergence: { kind: "body-mismatch", index: 1 },
      });
      expect(replica.names("box")).toStrictEqual([]);
      expect(replica.stagedNames()).toStrictEqual([`mailtwin.${key}.0`]);
      expect(ready(prepare(key, TWO))).toMatchObject({ wants: [{ index: 1 }], taken: 0 });
      replica.store.drop({ key });
      expect(replica.stagedNames()).toStrictEqual([]);
      expect(replica.picture()).toBe(before);
    },
  );
});

test("prepared again, what was staged stays, and what is void by then is left out", () => {
  const key = replica.nextKey();
  ready(prepare(key, TWO, { along: [body(0, "one"), body(1, "two")] }));
  expect(ready(prepare(key, TWO, { voidBelow: 2 }))).toMatchObject({ wants: [], taken: 0 });
  expect(replica.stagedNames()).toStrictEqual([`mailtwin.${key}.0`, `mailtwin.${key}.1`]);
  expect(replica.execute(key)).toMatchObject({ kind: "applied" });
  expect(replica.names("box")).toStrictEqual(["cur/two:2,S"]);
  expect(replica.stagedNames()).toStrictEqual([]);
});

test("killed before each single write, it comes again with its bodies, and all is there once", () => {
  const along = [body(0, "one"), body(1, "two")];
  let kills = 0;
  for (let writes = 0; ; writes++) {
    const txn = transaction([save(2 * writes + 1, `one${writes}`), save(2 * writes + 2, `two${writes}`)]);
    const bodies = along.map(({ index }) => body(index, `${index === 0 ? "one" : "two"}${writes}`));
    const run = (disk: Disk): void => {
      replica.open({ disk, pid: DEAD_PID });
      applyAlong(txn, bodies);
    };
    const isDead = isKilled(replica, writes, run);
    if (isDead) insist(replica, txn);
    for (const base of [`one${writes}`, `two${writes}`])
      expect(readFileSync(replica.path("box", "cur", `${base}:2,`)).equals(bodyOfBase(base))).toBe(true);
    expect(replica.names("box")).toHaveLength(2 * (writes + 1));
    expect(replica.stagedNames()).toStrictEqual([]);
    expect(existsSync(replica.path("box", "dovecot-uidlist.lock"))).toBe(false);
    if (!isDead) break;
    kills += 1;
  }
  expect(kills).toBeGreaterThan(5);
});
