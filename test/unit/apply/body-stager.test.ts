/** Staging beside the store: what the place of the bodies may turn into between `prepare` and the last of them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { PrepareOutcome, StageTicket, WantedBody } from "../../../src/apply/apply-types.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { sha256 } from "../../../src/base/hash.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { encodeTransaction } from "../../../src/txn/transaction-codec.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { eachReplica } from "./each-replica.js";
import { bodyOfBase, CREATE, GUID, type Replica, save, transaction } from "./replica-fixture.js";

let replica: Replica;
eachReplica((opened) => {
  replica = opened;
});

const TWO = [save(2, "two"), save(3, "three")];

interface Begun {
  readonly key: number;
  readonly wants: readonly WantedBody[];
  readonly ticket: StageTicket;
}

function begin(txn: Transaction): Begun {
  const key = replica.nextKey();
  const bytes = encodeTransaction(txn);
  const prepared: PrepareOutcome = replica.store.prepare({ key, bytes, voidBelow: 0, apartAbove: 0 });
  if (prepared.kind !== "ready" || prepared.ticket === undefined) throw new Error(JSON.stringify(prepared));
  replica.stager.begin({ key, ticket: prepared.ticket });
  return { key, wants: prepared.wants, ticket: prepared.ticket };
}

function stage({ key, wants }: Begun, from = 0, to = wants.length) {
  return replica.stageWanted({ key, isApart: true }, wants.slice(from, to));
}

function seal({ key }: Begun): void {
  replica.store.adoptStaged({ key, bodies: replica.stager.handOver({ key }) });
  replica.store.syncStaged({ key });
}

function drop({ key }: Begun): void {
  replica.stager.drop({ key });
  replica.store.drop({ key });
}

function created(): void {
  expect(replica.apply(transaction([save(1, "one")], { structure: CREATE })).kind).toBe("applied");
}

function scratch(): string {
  return join(replica.scratchRoot, "stage", GUID);
}

const OPEN = (): number => readdirSync("/proc/self/fd").length;

describe("bodies", () => {
  test("go into the mailbox's tmp/, dated, and become mail with the inode that was written", () => {
    created();
    const open = OPEN();
    const begun = begin(transaction(TWO));
    expect(begun.ticket.mailbox).toMatchObject({ path: "box", ino: statSync(replica.path("box")).ino });
    expect(stage(begun)).toEqual({ kind: "staged" });
    const names = readdirSync(replica.path("box", "tmp")).sort();
    expect(names).toEqual([`mailtwin.${begun.key}.0`, `mailtwin.${begun.key}.1`]);
    const { ino, mtimeMs } = statSync(replica.path("box", "tmp", names[0] ?? ""));
    expect(mtimeMs).toBe(1_600_000_002_000);
    seal(begun);
    expect(replica.execute(begun.key).kind).toBe("applied");
    expect(statSync(replica.path("box", "cur", "two:2,")).ino).toBe(ino);
    expect(OPEN()).toBe(open);
  });

  test("of a mailbox that is to be made go into the scratch directory", () => {
    const begun = begin(transaction(TWO, { structure: CREATE }));
    expect(begun.ticket.mailbox).toBeUndefined();
    stage(begun);
    expect(readdirSync(scratch())).toHaveLength(2);
    seal(begun);
    expect(replica.execute(begun.key).kind).toBe("applied");
    expect(replica.names("box")).toEqual(["cur/three:2,", "cur/two:2,"]);
  });

  test("that are not what was announced diverge; those before stay for the next attempt", () => {
    created();
    const begun = begin(transaction(TWO));
    stage(begun, 0, 1);
    const wrong = { index: 1, bytes: bodyOfBase("thre!"), sha256: "00" };
    expect(replica.stager.stageMany({ key: begun.key, bodies: [wrong] })).toMatchObject({
      kind: "diverged",
      divergence: { kind: "body-mismatch", index: 1 },
    });
    seal(begun);
    const again = replica.store.prepare({ key: begun.key, bytes: encodeTransaction(transaction(TWO)), voidBelow: 0 });
    expect(again).toMatchObject({ kind: "ready", wants: [{ index: 1 }] });
  });

  test("that come in parts", () => {
    created();
    const begun = begin(transaction(TWO));
    stage(begun, 0, 1);
    const bytes = bodyOfBase("three");
    const part = (offset: number, end: number, hash?: string) => ({
      ...{ key: begun.key, index: 1, offset, bytes: bytes.slice(offset, end) },
      ...{ last: end === bytes.length, sha256: hash },
    });
    expect(replica.stager.stagePart(part(0, 5))).toEqual({ kind: "staged" });
    const hash = sha256(bytes).toString("hex");
    expect(replica.stager.stagePart(part(5, bytes.length, hash))).toEqual({ kind: "staged" });
    seal(begun);
    expect(replica.execute(begun.key).kind).toBe("applied");
    expect(readFileSync(replica.path("box/cur/three:2,"))).toEqual(bytes);
  });
});

describe("between two bodies", () => {
  test("the mailbox is renamed: all of them move along", () => {
    created();
    const begun = begin(transaction(TWO, { path: "moved" as RawPath, uidNext: 4 }));
    stage(begun, 0, 1);
    const structure = { kind: "rename", from: "box" as RawPath } as const;
    expect(replica.apply(transaction([], { path: "moved" as RawPath, uidNext: 2, structure })).kind).toBe("applied");
    stage(begun, 1);
    expect(readdirSync(replica.path("moved", "tmp"))).toHaveLength(2);
    seal(begun);
    expect(replica.execute(begun.key).kind).toBe("applied");
    expect(replica.names("moved")).toEqual(["cur/one:2,", "cur/three:2,", "cur/two:2,"]);
  });

  test("another directory has taken the mailbox's place: nothing is written there", () => {
    created();
    const begun = begin(transaction(TWO));
    renameSync(replica.path("box"), replica.path("away"));
    mkdirSync(replica.path("box", "tmp"), { recursive: true });
    stage(begun);
    expect(readdirSync(replica.path("box", "tmp"))).toEqual([]);
    expect(readdirSync(scratch())).toHaveLength(2);
    drop(begun);
    expect(readdirSync(scratch())).toEqual([]);
  });

  test("a link has taken the mailbox's place: it is not followed", () => {
    created();
    const begun = begin(transaction(TWO));
    renameSync(replica.path("box"), replica.path("away"));
    symlinkSync("away", replica.path("box"));
    expect(stage(begun)).toEqual({ kind: "staged" });
    expect(readdirSync(replica.path("away", "tmp"))).toEqual([]);
    drop(begun);
    expect(replica.stagedNames()).toEqual([]);
  });

  test("a link has taken the place of tmp/: refused", () => {
    created();
    const begun = begin(transaction(TWO));
    rmSync(replica.path("box", "tmp"), { recursive: true });
    symlinkSync("cur", replica.path("box", "tmp"));
    expect(stage(begun)).toMatchObject({ kind: "diverged", divergence: { kind: "path-refused" } });
    drop(begun);
    expect(replica.names("box")).toEqual(["cur/one:2,"]);
  });

  test.each(["tmp", "scratch"])("%s vanishes with what was in it: that is lacking, the rest is staged", (place) => {
    if (place === "tmp") created();
    const begun = begin(transaction(TWO, place === "tmp" ? {} : { structure: CREATE }));
    stage(begun, 0, 1);
    rmSync(place === "tmp" ? replica.path("box", "tmp") : scratch(), { recursive: true });
    expect(stage(begun, 1)).toEqual({ kind: "staged" });
    seal(begun);
    const outcome = replica.execute(begun.key);
    expect(outcome).toMatchObject({ kind: "lacking", wants: [{ index: 0 }] });
    if (outcome.kind !== "lacking") return;
    replica.stageWanted({ key: begun.key, isApart: false }, outcome.wants);
    expect(replica.execute(begun.key).kind).toBe("applied");
    expect(replica.stagedNames()).toEqual([]);
  });

  test("its directory vanishes with half of a large body: the body is not taken", () => {
    created();
    const begun = begin(transaction([save(2, "large", { size: 6 * 1024 * 1024 })]));
    const part = { key: begun.key, index: 0, offset: 0, bytes: Buffer.alloc(5 * 1024 * 1024), last: false };
    expect(replica.stager.stagePart(part)).toEqual({ kind: "staged" });
    rmSync(replica.path("box", "tmp"), { recursive: true });
    const rest = { ...part, offset: part.bytes.length, bytes: Buffer.alloc(1024 * 1024), last: true };
    expect(replica.stager.stagePart(rest)).toMatchObject({ divergence: { kind: "body-mismatch" } });
    drop(begun);
    expect(replica.stagedNames()).toEqual([]);
  });

  test("the other thread makes or removes the scratch directory at the same moment", () => {
    const stagerDisk = new FaultDisk(openNodeDisk());
    replica.open({ stagerDisk });
    const begun = begin(transaction(TWO, { structure: CREATE }));
    const raced = stagerDisk.inject({ operation: "mkdir", error: "EEXIST", nth: 2, when: "after" });
    expect(stage(begun, 0, 1)).toEqual({ kind: "staged" });
    expect(raced()).toBe(true);
    replica.stager.drop(begun);
    rmSync(scratch(), { recursive: true });
    replica.stager.begin(begun);
    const gone = stagerDisk.inject({ operation: "sync", error: "ENOENT", when: "after" });
    expect(stage(begun)).toEqual({ kind: "staged" });
    expect(gone()).toBe(true);
    drop(begun);
    expect(replica.stagedNames()).toEqual([]);
  });
});

describe("a disk that fails", () => {
  test.each(["ENOSPC", "EDQUOT", "EIO"] as const)("by %s ends the attempt, and nothing of it stays", (error) => {
    created();
    const stagerDisk = new FaultDisk(openNodeDisk());
    replica.open({ stagerDisk });
    const open = OPEN();
    const begun = begin(transaction(TWO));
    stagerDisk.inject({ operation: "createFile", error, nth: 2 });
    expect(() => stage(begun)).toThrow(error);
    expect(replica.stagedNames()).toHaveLength(1);
    drop(begun);
    expect(replica.stagedNames()).toEqual([]);
    expect(OPEN()).toBe(open);
  });

  test("by EACCES is the mailbox's matter", () => {
    created();
    const stagerDisk = new FaultDisk(openNodeDisk());
    replica.open({ stagerDisk });
    const begun = begin(transaction(TWO));
    stagerDisk.inject({ operation: "createFile", error: "EACCES", nth: 2 });
    expect(stage(begun)).toMatchObject({ kind: "diverged", divergence: { kind: "mailbox-denied", path: "box" } });
    seal(begun);
    replica.store.drop(begun);
    expect(replica.stagedNames()).toEqual([]);
  });

  test("by a store that is not there any more ends the attempt", () => {
    created();
    const begun = begin(transaction(TWO));
    renameSync(replica.storeRoot, `${replica.storeRoot}-away`);
    expect(() => stage(begun)).toThrow(expect.objectContaining({ code: "destination-missing" }));
    expect(existsSync(replica.storeRoot)).toBe(false);
    renameSync(`${replica.storeRoot}-away`, replica.storeRoot);
    drop(begun);
  });
});

test("few bodies have no ticket, nor has a transaction whose caller never asks for one", () => {
  const bytes = encodeTransaction(transaction(TWO, { structure: CREATE }));
  for (const how of [{ apartAbove: 2 }, {}]) {
    const prepared = replica.store.prepare({ key: replica.nextKey(), bytes, voidBelow: 0, ...how });
    expect(prepared).not.toHaveProperty("ticket");
  }
});
