/**
 * A mailbox is made again in a directory that has lost its `cur/`: where that fails, all that stood there stands there again, and where
 * it is killed, its uidlist is missing at no moment.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { type DiskOperation, FaultDisk } from "../../contract/fault-disk.js";
import { eachReplica } from "./each-replica.js";
import { insist, isKilledAfter } from "./killed-after.js";
import { CREATE, GUID, type Replica, refuseBody, save, transaction, VALIDITY } from "./replica-fixture.js";

/** So long that no flags fit behind it: it stands in new/. */
const LONG = "n".repeat(254);
const MADE = transaction([save(1, "one", { letters: "S", keywords: ["k"] }), save(2, LONG)], { structure: CREATE });
/** Dovecot of the replica has given out more UIDs, and keywords of its own. */
const OLD_UIDLIST = `3 V${VALIDITY} N9 G${GUID}\n1 :one\n2 :${LONG}\n`;
const OLD_KEYWORDS = "0 theirs\n1 k\n";

let replica: Replica;

eachReplica((opened) => {
  replica = opened;
  expect(replica.apply(MADE).kind).toBe("applied");
  expect(replica.names("box")).toStrictEqual(["cur/one:2,Sa", `new/${LONG}`]);
  breakIt();
});

/** Its cur/ is elsewhere, and tmp/ is gone. */
function breakIt(): void {
  rmSync(replica.path("box/cur.bak"), { recursive: true, force: true });
  renameSync(replica.path("box/cur"), replica.path("box/cur.bak"));
  rmSync(replica.path("box/tmp"), { recursive: true });
  for (const [name, text] of [
    ["dovecot-uidlist", OLD_UIDLIST],
    ["dovecot-keywords", OLD_KEYWORDS],
  ] as const) {
    writeFileSync(replica.path("box", name), text);
    utimesSync(replica.path("box", name), 1_600_000_500, 1_600_000_500);
  }
}

function expectMade(): void {
  expect(replica.names("box")).toStrictEqual(["cur/one:2,Sa", `new/${LONG}`]);
  expect(replica.text("box/dovecot-uidlist")).toBe(`3 V${VALIDITY} N3 G${GUID}\n1 :one\n2 :${LONG}\n`);
  expect(replica.text("box/dovecot-keywords")).toBe("0 k\n");
  const builds = join(replica.scratchRoot, "build");
  expect(existsSync(builds) ? readdirSync(builds) : []).toStrictEqual([]);
}

describe("what is none of its kind stands in the place of a part of it", () => {
  function file(path: string): void {
    writeFileSync(path, "x\n");
  }
  function link(path: string): void {
    symlinkSync("dovecot-uidlist", path);
  }
  function directory(path: string): void {
    mkdirSync(path);
  }

  test.each<readonly [string, string, string, (path: string) => void]>([
    ["cur", "a file", "directory", file],
    ["cur", "a symbolic link", "directory", link],
    ["new", "a file", "directory", file],
    ["tmp", "a symbolic link", "directory", link],
    ["dovecot-keywords", "a directory", "file", directory],
    ["dovecot-keywords", "a symbolic link", "file", link],
  ])("%s is %s: that is said, and nothing was written", (name, kind, wanted, put) => {
    rmSync(replica.path("box", name), { recursive: true, force: true });
    put(replica.path("box", name));
    const before = replica.picture();
    const why = `${name} in it must be a ${wanted}, and is ${kind}: put back what stood there, or move that away`;
    const words = `mailbox box cannot stand here: ${why}`;
    expect(replica.apply(MADE, refuseBody)).toMatchObject({ divergence: { kind: "path-refused", words } });
    expect(replica.picture()).toBe(before);
    rmSync(replica.path("box", name), { recursive: true });
    expect(replica.apply(MADE).kind).toBe("applied");
    expectMade();
  });

  test("once its bodies are there: they stay staged, and it is made when that is gone", () => {
    const key = replica.nextKey();
    expect(replica.stage(key, MADE).kind).toBe("staged");
    file(replica.path("box/cur"));
    const before = replica.picture();
    expect(replica.execute(key)).toMatchObject({ divergence: { kind: "path-refused" } });
    expect(replica.picture()).toBe(before);
    rmSync(replica.path("box/cur"));
    expect(replica.execute(key).kind).toBe("applied");
    expectMade();
  });
});

test("mail of others under the name of a message: refused, and nothing was written", () => {
  writeFileSync(replica.path("box/new", LONG), "theirs");
  const before = replica.picture();
  expect(replica.apply(MADE)).toMatchObject({ kind: "diverged", divergence: { kind: "path-refused" } });
  expect(replica.picture()).toBe(before);
  rmSync(replica.path("box/new", LONG));
  expect(replica.apply(MADE).kind).toBe("applied");
  expectMade();
});

describe("a write that fails", () => {
  interface Failing {
    readonly operation: DiskOperation;
    readonly when: "before" | "after";
    readonly hasLinks: boolean;
  }

  /** Whether that write was reached, and whether the mailbox was made all the same: what has had its effect may count as done. */
  function tryWith({ operation, when, hasLinks }: Failing, nth: number) {
    const disk = new FaultDisk(openNodeDisk());
    replica.open({ disk });
    if (!hasLinks) disk.inject({ operation: "link", name: /^(?:dovecot-\w+|n+)$/, error: "EPERM", lasting: true });
    const hasFailed = disk.inject({ operation, nth, error: "ENOSPC", when });
    let isMade = false;
    try {
      isMade = replica.apply(MADE).kind === "applied";
    } catch (error) {
      if (!hasFailed()) throw error;
    }
    return { isReached: hasFailed(), isMade };
  }

  test.each<Failing>([
    { operation: "rename", when: "before", hasLinks: true },
    { operation: "rename", when: "after", hasLinks: true },
    { operation: "rename", when: "after", hasLinks: false },
    { operation: "link", when: "before", hasLinks: true },
    { operation: "createFile", when: "before", hasLinks: false },
  ])("each $operation, and $when it has its effect; hard links: $hasLinks", (failing) => {
    let takenBack = 0;
    for (let nth = 1; ; nth++) {
      const before = replica.picture();
      const { isReached, isMade } = tryWith(failing, nth);
      if (isMade) expectMade();
      else expect(replica.picture(), `${failing.operation} ${nth}`).toBe(before);
      if (!isReached) break;
      if (isMade) breakIt();
      else takenBack += 1;
    }
    expect(takenBack).toBeGreaterThan(3);
  });
});

test("what somebody makes in the place of cur/ meanwhile stays, and so does what stood there", () => {
  replica.open({
    crashPoint: (name) => {
      if (name !== "apply.parts-moved-in") return;
      mkdirSync(replica.path("box/cur"));
      writeFileSync(replica.path("box/cur/theirs:2,"), "their mail");
    },
  });
  const before = replica.picture().split("\n");
  // Of a mailbox that is empty: its cur/ would be replaced by any directory.
  expect(replica.apply(transaction([], { structure: CREATE })).kind).toBe("diverged");
  expect(readFileSync(replica.path("box/cur/theirs:2,"), "latin1")).toBe("their mail");
  expect(replica.picture().split("\n")).toStrictEqual(expect.arrayContaining(before));
});

test.each([false, true])(
  "killed before each write (in the middle of it: %j), its uidlist is missing at no moment",
  (torn) => {
    let kills = 0;
    for (; isKilledAfter(replica, kills, MADE, { torn }); kills++) {
      const when = `killed after ${kills} writes`;
      const uidlist = replica.text("box/dovecot-uidlist");
      expect([OLD_UIDLIST, `3 V${VALIDITY} N3 G${GUID}\n1 :one\n2 :${LONG}\n`], when).toContain(uidlist);
      expect([OLD_KEYWORDS, "0 k\n"], when).toContain(replica.text("box/dovecot-keywords"));
      expect(existsSync(replica.path("box/new", LONG)), when).toBe(true);
      insist(replica, MADE);
      expectMade();
      breakIt();
    }
    expect(kills).toBeGreaterThan(10);
  },
);
