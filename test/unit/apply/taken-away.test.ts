/** What the owner of a mailbox takes away, or puts in its place, while a transaction is applied: that mailbox alone has to wait. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { eachReplica } from "./each-replica.js";
import { CREATE, marks, OTHER_GUID, type Replica, save, transaction } from "./replica-fixture.js";

let replica: Replica;

eachReplica((opened) => {
  replica = opened;
  replica.apply(transaction([save(1, "one"), save(2, "two")], { structure: CREATE }));
});

/** Runs `act` each time that the point is reached, as long as it says so. */
function at(point: string, act: () => boolean): void {
  let isActive = true;
  replica.open({
    crashPoint: (name) => {
      if (name === point && isActive) isActive = act();
    },
  });
}

function staged(txn: Transaction): number {
  const key = replica.nextKey();
  expect(replica.stage(key, txn).kind).toBe("staged");
  return key;
}

describe("the lock", () => {
  const removeLock = (): boolean => {
    unlinkSync(replica.path("box/dovecot-uidlist.lock"));
    return false;
  };

  test.each(["apply.locked", "apply.bodies-renamed", "apply.uidlist-written"])(
    "removed at %s: it is tried again, and nothing is lost or twice",
    (point) => {
      at(point, removeLock);
      const key = staged(transaction([save(3, "three")]));
      expect(replica.execute(key)).toMatchObject({ kind: "busy", by: "somebody who removes ours" });
      const again = replica.execute(key);
      const outcome = again.kind === "lacking" ? replica.apply(transaction([save(3, "three")])) : again;
      expect(outcome.kind).toBe("applied");
      expect(replica.names("box").filter((name) => name.includes("three"))).toHaveLength(1);
      expect(replica.text("box/dovecot-uidlist").match(/^3 .*three$/gm)).toHaveLength(1);
      expect(existsSync(replica.path("box/dovecot-uidlist.lock"))).toBe(false);
    },
  );

  test("replaced by a directory: named, and nothing was done", () => {
    mkdirSync(replica.path("box/dovecot-uidlist.lock/x"), { recursive: true });
    const outcome = replica.apply(transaction([save(3, "three")]));
    expect(outcome).toMatchObject({ kind: "diverged", divergence: { kind: "path-refused" } });
    expect(JSON.stringify(outcome)).toMatch(/a directory stands in the lock's place/);
    rmSync(replica.path("box/dovecot-uidlist.lock"), { recursive: true });
    expect(replica.apply(transaction([save(3, "three")])).kind).toBe("applied");
  });
});

describe("cur/", () => {
  test("moved away under the lock: it is tried again, and what was begun is set right", () => {
    at("apply.locked", () => {
      renameSync(replica.path("box/cur"), replica.path("box/c2"));
      return false;
    });
    const key = staged(transaction([marks(1, "one", {}, { flags: 8 })]));
    expect(replica.execute(key).kind).toBe("busy");
    renameSync(replica.path("box/c2"), replica.path("box/cur"));
    expect(replica.execute(key).kind).toBe("applied");
  });

  test("moved away between two renames: what cannot be taken back is the mailbox's matter, too", () => {
    at("apply.body-renamed", () => {
      renameSync(replica.path("box/cur"), replica.path("box/c2"));
      return false;
    });
    const txn = transaction([save(3, "three"), save(4, "four")]);
    const outcome = replica.execute(staged(txn));
    expect(["busy", "diverged", "applied"]).toContain(outcome.kind);
    renameSync(replica.path("box/c2"), replica.path("box/cur"));
    expect(replica.apply(txn).kind).toBe("applied");
    expect(replica.names("box").filter((name) => /three|four/.test(name))).toHaveLength(2);
  });
});

describe("staged bodies", () => {
  test.each([
    ["links", (path: string) => symlinkSync("/etc/passwd", path)],
    ["directories", (path: string) => mkdirSync(path)],
    ["nothing", () => undefined],
  ])("replaced by %s before they are durable: they are found lacking", (_, put) => {
    const key = replica.nextKey();
    const sync = replica.store.syncStaged.bind(replica.store);
    replica.store.syncStaged = (request) => {
      for (const name of replica.stagedNames()) {
        unlinkSync(replica.path("box/tmp", name));
        put(replica.path("box/tmp", name));
      }
      sync(request);
    };
    expect(replica.stage(key, transaction([save(3, "three")])).kind).toBe("staged");
    const outcomes = [replica.execute(key), replica.execute(key)];
    expect(outcomes.at(-1)).toMatchObject({ kind: "lacking", wants: [{ index: 0 }] });
    expect(replica.names("box").some((name) => name.includes("three"))).toBe(false);
  });

  test("taken away when they are durable: that one is found lacking, and comes again", () => {
    const key = staged(transaction([save(3, "three"), save(4, "four")]));
    const [, second = expect.fail()] = replica.stagedNames();
    unlinkSync(replica.path("box/tmp", second));
    expect(replica.execute(key).kind).toBe("busy");
    const outcome = replica.execute(key);
    expect(outcome).toMatchObject({ kind: "lacking", wants: [{ index: 1 }] });
    replica.stageWanted({ key, isApart: false }, outcome.kind === "lacking" ? outcome.wants : []);
    expect(replica.execute(key).kind).toBe("applied");
    expect(replica.names("box").filter((name) => /three|four/.test(name))).toHaveLength(2);
  });
});

describe("what the system refuses in a mailbox", () => {
  const UIDLIST = /dovecot-uidlist$/;
  const third = () => transaction([save(3, "three")]);

  test("for a while (a lease on its uidlist): it is tried again", () => {
    const disk = new FaultDisk(openNodeDisk());
    replica.open({ disk });
    const key = staged(third());
    disk.inject({ operation: "appendFile", name: UIDLIST, error: "EAGAIN" });
    expect(replica.execute(key)).toMatchObject({ kind: "busy", by: "a program with a lease on one of its files" });
    expect(replica.names("box").some((name) => name.includes("three"))).toBe(false);
    const again = replica.execute(key);
    expect((again.kind === "lacking" ? replica.apply(third()) : again).kind).toBe("applied");
  });

  test.each(["EAGAIN", "EXDEV", "EBUSY"] as const)("with %s: that mailbox is refused, and the run goes on", (error) => {
    const disk = new FaultDisk(openNodeDisk());
    replica.open({ disk });
    for (const operation of ["openFile", "readFile"] as const)
      disk.inject({ operation, name: UIDLIST, error, lasting: true });
    const outcome = replica.apply(third());
    expect(outcome).toMatchObject({ kind: "diverged", divergence: { kind: "path-refused" } });
    expect(JSON.stringify(outcome)).toContain(error);
    disk.clearFaults();
    expect(replica.apply(third()).kind).toBe("applied");
  });

  test.each(["ENOSPC", "EIO", "ESTALE", "EMFILE", "ENOMEM", "EBADF"] as const)("with %s: thrown", (error) => {
    const disk = new FaultDisk(openNodeDisk());
    replica.open({ disk });
    for (const operation of ["openFile", "readFile"] as const)
      disk.inject({ operation, name: UIDLIST, error, lasting: true });
    expect(() => replica.apply(third())).toThrow(expect.objectContaining({ code: error }));
  });
});

describe("recovery", () => {
  test.each([
    "dovecot-uidlist.lock",
    "dovecot-keywords.tmp",
    "dovecot-uidlist.stale-12.lock",
    "dovecot-uidlist.new-0123456789abcdef.lock",
    "tmp/mailtwin.1.0",
    "cur/.mailtwin-nudge",
  ])("a directory at %s stops nothing, with an intent and without one", (name) => {
    mkdirSync(replica.path("box", name, "x"), { recursive: true });
    replica.open();
    expect(() => replica.recover()).not.toThrow();
    staged(transaction([save(3, "three")]));
    replica.open();
    expect(() => replica.recover()).not.toThrow();
    expect(readdirSync(replica.path("box", name))).toEqual(["x"]);
  });
});

test("the directory above a mailbox that is renamed by its owner as the mailbox is to move: it is not made anew", () => {
  replica.apply(
    transaction([], {
      structure: { kind: "rename", from: "box" as RawPath },
      path: "u/above/box" as RawPath,
      uidNext: 3,
    }),
  );
  const txn = transaction([], {
    structure: { kind: "rename", from: "u/above/box" as RawPath },
    path: "u/to" as RawPath,
    uidNext: 3,
  });
  at("apply.parents-made", () => {
    renameSync(replica.path("u/above"), replica.path("u/elsewhere"));
    return false;
  });
  expect(replica.execute(staged(txn))).toMatchObject({ kind: "busy" });
  expect(readdirSync(replica.path("u"))).toEqual(["elsewhere"]);
  expect(replica.apply(txn).kind).toBe("applied");
  expect(replica.names("u/to")).toHaveLength(2);
});

test("a mailbox that is renamed by its owner as it is to change places: it is tried again", () => {
  const other = { mailbox: OTHER_GUID, path: "to" as RawPath, structure: CREATE };
  expect(replica.apply(transaction([save(1, "other")], other)).kind).toBe("applied");
  at("apply.locked", () => {
    renameSync(replica.path("box"), replica.path("elsewhere"));
    return false;
  });
  const structure = { kind: "rename", from: "box" as RawPath, displaces: OTHER_GUID } as const;
  const key = staged(transaction([], { path: "to" as RawPath, uidNext: 3, structure }));
  expect(replica.execute(key)).toMatchObject({ kind: "busy" });
  renameSync(replica.path("elsewhere"), replica.path("box"));
  expect(replica.execute(key).kind).toBe("applied");
  expect(replica.names("box")).toEqual(["cur/other:2,"]);
});
