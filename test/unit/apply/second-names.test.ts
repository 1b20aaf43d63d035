/** Files that another program puts beside ours under the same base name: one name is left for each message, nothing is lost. */
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { AppliedEffect, ExecuteOutcome } from "../../../src/apply/apply-types.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { FLAG_BITS } from "../../../src/maildir/message-name.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { eachReplica } from "./each-replica.js";
import { untilNextTick } from "./next-tick.js";
import { bodyOfBase, CREATE, expunge, marks, type Replica, refuseBody, save, transaction } from "./replica-fixture.js";

let replica: Replica;
eachReplica((opened) => {
  replica = opened;
});

let minute = 0;

beforeEach(() => {
  minute = 0;
  replica.apply(transaction([save(1, "one")], { structure: CREATE }));
  replica.apply(transaction([save(2, "two")]));
});

/** As another program would. Its time is set by hand: on older kernels several changes share one tick. */
function put(name: string, bytes: string | Uint8Array): void {
  writeFileSync(replica.path("box/cur", name), bytes);
  minute += 1;
  utimesSync(replica.path("box/cur"), new Date(), new Date(1_500_000_000_000 + minute * 60_000));
}

function applied(outcome: ExecuteOutcome): AppliedEffect {
  expect(outcome).toMatchObject({ kind: "applied" });
  if (outcome.kind !== "applied") throw new Error("unreachable");
  return outcome.effect;
}

function limboTexts(): string[] {
  const root = join(replica.scratchRoot, "limbo");
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1")).sort();
}

test("a message that is there before its save comes is bound, under whatever flags", () => {
  put("three:2,FT", bodyOfBase("three"));
  applied(replica.apply(transaction([save(3, "three", { letters: "S" })]), refuseBody));
  expect(replica.names("box")).toEqual(["cur/one:2,", "cur/three:2,S", "cur/two:2,"]);
});

test("one of another size gives way, into the limbo", () => {
  put("three:2,FT", "something else");
  const effect = applied(replica.apply(transaction([save(3, "three")])));
  expect(replica.names("box")).toEqual(["cur/one:2,", "cur/three:2,", "cur/two:2,"]);
  expect(replica.text("box/cur/three:2,")).toContain("body of three");
  expect(effect.limbo).toMatchObject([{ base: "three", cause: "foreign" }]);
  expect(limboTexts()).toEqual(["something else"]);
});

test.each([
  ["a link", (at: string) => symlinkSync("/etc/passwd", at)],
  ["a directory", (at: string) => mkdirSync(at)],
])("%s in its place gives way, into the limbo, and is not followed", (_what, make) => {
  make(replica.path("box/cur", "three:2,"));
  const effect = applied(replica.apply(transaction([save(3, "three")])));
  expect(replica.names("box")).toEqual(["cur/one:2,", "cur/three:2,", "cur/two:2,"]);
  expect(replica.text("box/cur/three:2,")).toContain("body of three");
  expect(lstatSync(replica.path("box/cur", "three:2,")).isFile()).toBe(true);
  const [row] = effect.limbo;
  expect(effect.limbo).toMatchObject([{ base: "three", cause: "foreign", uid: 0 }]);
  expect(lstatSync(join(replica.scratchRoot, "limbo", row?.name ?? "")).isFile()).toBe(false);
});

test("a letter that no keyword explains goes when it is named as Dovecot names it, and stays otherwise", () => {
  put("three:2,Fz", bodyOfBase("three"));
  applied(replica.apply(transaction([save(3, "three")]), refuseBody));
  expect(replica.names("box")).toContain("cur/three:2,z");
  const before = { flags: 0, keywords: ["unknown-25"], odd: "", tail: "" };
  const change = marks(3, "three", before, { ...before, keywords: [] });
  applied(replica.apply(transaction([change]), refuseBody));
  expect(replica.names("box")).toContain("cur/three:2,");
});

describe("a second file of a message that we placed", () => {
  test.each([
    ["with its bytes", bodyOfBase("two")],
    ["with other bytes", Buffer.from("another program's")],
  ])("%s goes to the limbo when flags are set", (_, bytes) => {
    put("two:2,FT", bytes);
    const outcome = replica.apply(transaction([marks(2, "two", {}, { flags: FLAG_BITS.S })], { uidNext: 3 }));
    expect(outcome).toMatchObject({ notes: [{ kind: "second-file", words: expect.stringMatching(/cur\/two:2,FT/) }] });
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,S"]);
    expect(replica.text("box/cur/two:2,S")).toContain("body of two");
    expect(applied(outcome).limbo).toMatchObject([{ uid: 0, base: "two", cause: "foreign" }]);
    expect(limboTexts()).toEqual([Buffer.from(bytes).toString("latin1")]);
  });

  test("goes there also where the directory's mtime was put back", () => {
    const cur = replica.path("box/cur");
    const putBack = (): void => utimesSync(cur, 1_500_000_000, 1_500_000_000);
    putBack();
    applied(replica.apply(transaction([marks(1, "one", {}, {})], { uidNext: 3 }))); // reads what is there, writes nothing.
    untilNextTick(cur);
    writeFileSync(replica.path("box/cur/two:2,FT"), bodyOfBase("two"));
    putBack();
    const outcome = replica.apply(transaction([marks(2, "two", {}, { flags: FLAG_BITS.S })], { uidNext: 3 }));
    expect(outcome).toMatchObject({ notes: [{ kind: "second-file", words: expect.stringMatching(/cur\/two:2,FT/) }] });
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,S"]);
  });

  test("does not bring it back when it is expunged", () => {
    put("two:2,FT", bodyOfBase("two"));
    const effect = applied(replica.apply(transaction([expunge(2, "two")], { uidNext: 3 })));
    expect(replica.names("box")).toEqual(["cur/one:2,"]);
    expect(effect.limbo.map(({ cause }) => cause).sort()).toEqual(["expunge", "foreign"]);
    expect(limboTexts()).toHaveLength(2);
  });

  test("under the very name that it is to have is not replaced", () => {
    put("two:2,S", "another program's");
    applied(replica.apply(transaction([marks(2, "two", {}, { flags: FLAG_BITS.S })], { uidNext: 3 })));
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,S"]);
    expect(replica.text("box/cur/two:2,S")).toContain("body of two");
    expect(limboTexts()).toEqual(["another program's"]);
  });

  test("that is a link to it goes, and the message stays", () => {
    linkSync(replica.path("box/cur/two:2,"), replica.path("box/cur/two:2,T"));
    utimesSync(replica.path("box/cur"), new Date(), new Date(1_400_000_000_000));
    applied(replica.apply(transaction([marks(2, "two", {}, { flags: FLAG_BITS.S })], { uidNext: 3 })));
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,S"]);
  });

  test("in new/ counts as well", () => {
    writeFileSync(replica.path("box/new/two"), "another program's");
    applied(replica.apply(transaction([marks(2, "two", {}, { flags: FLAG_BITS.S })], { uidNext: 3 })));
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,S"]);
  });

  test("of a message that the transaction does not name stays where it is", () => {
    put("one:2,FT", bodyOfBase("one"));
    applied(replica.apply(transaction([save(3, "three")])));
    expect(replica.names("box")).toContain("cur/one:2,FT");
  });
});

test("what appears between the look and the rename is not replaced: the transaction does not fit", () => {
  const crashPoint = (name: string): void => {
    if (name === "apply.keywords-written") put("two:2,Sa", "another program's");
  };
  replica.open({ crashPoint });
  const change = marks(2, "two", {}, { flags: FLAG_BITS.S, keywords: ["k"] });
  expect(replica.apply(transaction([change], { uidNext: 3 }))).toMatchObject({
    kind: "diverged",
    divergence: { kind: "path-refused", words: expect.stringMatching(/two:2,Sa/) },
  });
  expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,", "cur/two:2,Sa"]);
  replica.open();
  applied(replica.apply(transaction([change], { uidNext: 3 })));
  expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,Sa"]);
  expect(limboTexts()).toEqual(["another program's"]);
});

test("a stream of deliveries lists the mailbox once, not for each", () => {
  const disk = new FaultDisk(openNodeDisk());
  replica.open({ disk });
  for (let uid = 3; uid < 23; uid++) applied(replica.apply(transaction([save(uid, `m${uid}`)])));
  const listed = disk.calls.filter(({ operation, path }) => operation === "walk" && path.endsWith("/cur"));
  expect(listed.length).toBeGreaterThan(0);
  expect(listed.length).toBeLessThan(10); // a young listing is made again, at most twenty times a second.
});
