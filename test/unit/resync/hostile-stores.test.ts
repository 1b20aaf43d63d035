/**
 * What an owner of mail may make of his own mailbox: a comparison ends, follows no link, waits for no pipe, says so of that mailbox alone,
 * and takes for equal nothing that is not.
 */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type SideNames, wordsOfDifference } from "../../../src/daemon/verify/difference-words.js";
import type { SummedSide } from "../../../src/resync/sums-types.js";
import { type VerifyPorts, verifyStores } from "../../../src/resync/verify-stores.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { storeSide } from "./store-side.js";

const MALLORY = "mallory/Maildir";
const ALICE = "alice/Maildir";
const NAMES: SideNames = { a: "A", b: "B" };
const signal = new AbortController().signal;

let dir = "";
let a = "";
let b = "";

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mtl-hostile-"));
  [a, b] = [join(dir, "a"), join(dir, "b")];
  makeMailbox(a, ALICE, { messages: 3, seed: 1 });
  makeMailbox(a, MALLORY, { messages: 3, seed: 10 });
  cpSync(a, b, { recursive: true, preserveTimestamps: true });
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function compared(
  ports: Partial<VerifyPorts> = {},
  sides: VerifyPorts["sides"] = { a: storeSide(a), b: storeSide(b) },
) {
  const { differences } = await verifyStores({ settle: async () => undefined, sides, ...ports }, signal);
  return differences.flatMap((it) => wordsOfDifference(it, NAMES).map((words) => `${it.path}: ${words}`));
}

/** Of the first message of mallory in B. */
function fileOfFirst(): string {
  const cur = join(b, MALLORY, "cur");
  const [, record = ""] = readFileSync(join(b, MALLORY, "dovecot-uidlist"), "latin1").split("\n");
  const base = record.slice(record.indexOf(":") + 1);
  return join(cur, readdirSync(cur).find((name) => name.startsWith(base)) ?? "");
}

const uidlist = () => join(b, MALLORY, "dovecot-uidlist");
const keywords = () => join(b, MALLORY, "dovecot-keywords");

function withFirstRecord(change: (record: string) => string): void {
  const [header = "", first = "", ...rest] = readFileSync(uidlist(), "latin1").split("\n");
  writeFileSync(uidlist(), [header, change(first), ...rest].join("\n"), "latin1");
}

const LONG = "x".repeat(40_000);

describe("one mailbox", () => {
  test.each<readonly [string, () => void, RegExp]>([
    [
      "a GUID of 40 kB in a record",
      () => withFirstRecord((record) => record.replace(" :", ` G${LONG} :`)),
      /^UID 1: GUID .* in A, [0-9a-f]{64} in B$/,
    ],
    [
      "a keyword of 40 kB",
      () => {
        writeFileSync(keywords(), `0 ${LONG}\n`);
        renameSync(fileOfFirst(), `${fileOfFirst()}a`);
      },
      /^UID 1: /,
    ],
    [
      "dovecot-keywords of 1 GB",
      () => {
        writeFileSync(keywords(), "");
        truncateSync(keywords(), 2 ** 30);
      },
      /^it could not be read in B: .*dovecot-keywords.* 1073741824 bytes$/,
    ],
    [
      "dovecot-uidlist of 4 GB",
      () => truncateSync(uidlist(), 2 ** 32),
      /^it could not be read in B: .*dovecot-uidlist.* 4294967296 bytes$/,
    ],
    ["a pipe as dovecot-uidlist", () => pipe(uidlist()), /^it could not be read in B: dovecot-uidlist is no regular f/],
    [
      "a pipe as dovecot-keywords",
      () => pipe(keywords()),
      /read in B: dovecot-keywords is no regular file, but a pipe/,
    ],
    [
      "a directory as dovecot-uidlist",
      () => directory(uidlist()),
      /B: dovecot-uidlist is a directory, where a file must/,
    ],
    [
      "a directory as dovecot-keywords",
      () => directory(keywords()),
      /B: dovecot-keywords is a directory, where a file/,
    ],
    ["a file as cur/", () => file(join(b, MALLORY, "cur")), /^it could not be read in B: .*: a file stands in the pl/],
    ["a pipe as cur/", () => pipe(join(b, MALLORY, "cur")), /^it could not be .*: something that is no directory sta/],
    ["a pipe as a message", () => pipe(fileOfFirst()), /^UID 1: only in A$/],
    ["a pipe as new/", () => pipe(join(b, MALLORY, "new")), /^it could not be read in B: .*new\/.*no directory$/],
    [
      "a link as dovecot-uidlist",
      () => linkTo(uidlist(), join(a, MALLORY, "dovecot-uidlist")),
      /B: dovecot-uidlist is a symb/,
    ],
    ["a link as dovecot-keywords", () => linkTo(keywords(), "/etc/passwd"), /B: dovecot-keywords is a symbolic link/],
    ["a link as a message", () => linkTo(fileOfFirst(), "/etc/passwd"), /^UID 1: only in A$/],
    ["a link as cur/", () => linkTo(join(b, MALLORY, "cur"), join(a, MALLORY, "cur")), /a symbolic link stands/],
    ["a link as the mailbox", () => linkTo(join(b, MALLORY), join(a, MALLORY)), /link to a directory is not followed/],
  ])("%s: is told of that mailbox alone", async (_, damage, words) => {
    damage();
    const told = await compared();
    expect(told.filter((line) => !line.startsWith("mallory/"))).toEqual([]);
    expect(told.map((line) => line.slice(line.indexOf(": ") + 2))).toEqual(
      expect.arrayContaining([expect.stringMatching(words)]),
    );
  });

  test("files without a UID are a difference, though both sides have as many", async () => {
    for (const store of [a, b]) writeFileSync(join(store, MALLORY, "new", `1700000001.M1P1.${store.length}`), "x\n");
    expect(await compared()).toEqual([
      "mallory/Maildir: 1 message without a UID in A",
      "mallory/Maildir: 1 message without a UID in B",
    ]);
  });

  test("what neither side can read is one difference, and not one that changes", async () => {
    for (const store of [a, b]) appendFileSync(join(store, MALLORY, "dovecot-uidlist"), "no record\n");
    const settled: number[] = [];
    const told = await compared({ settle: async () => void settled.push(1) });
    expect(told).toHaveLength(2);
    expect(settled).toHaveLength(1);
  });

  test("that is renamed while it is compared: the others are compared all the same", async () => {
    addMessage(join(b, ALICE), { seed: 50 });
    addMessage(join(b, MALLORY), { seed: 60 });
    let number = 0;
    const own = storeSide(b);
    const restless: SummedSide = disturbed(own, (path) => {
      if (!path.startsWith("mallory")) return;
      number += 1;
      renameSync(join(b, path), join(b, `mallory/Maildir${number}`));
    });
    const told = await compared({}, { a: storeSide(a), b: restless });
    expect(told).toEqual(
      expect.arrayContaining([
        "alice/Maildir: UID 4: only in B",
        expect.stringMatching(/^mallory.*not there any more/),
      ]),
    );
  });
});

/** As `side`, and somebody is faster than each question about a mailbox. */
function disturbed(side: SummedSide, before: (path: string) => void): SummedSide {
  return {
    store: () => side.store(signal),
    mailboxes: (after) => side.mailboxes(after, signal),
    ranges: (of) => side.ranges(of, signal),
    marks: (of) => {
      before(of.path);
      return side.marks(of, signal);
    },
    states: (of) => side.states(of, signal),
    hashes: (of) => side.hashes(of, signal),
  };
}

test("a thread that has ended since the look is no obstacle", async () => {
  addMessage(join(b, ALICE), { seed: 50 });
  const sides = { a: storeSide(a, { isForgetful: true }), b: storeSide(b) };
  expect(await compared({}, sides)).toEqual([
    "alice/Maildir: UIDNEXT 4 in A, 5 in B",
    "alice/Maildir: UID 4: only in B",
  ]);
});

test("names that are as they were say nothing of another directory in the same place", async () => {
  const cachePath = join(dir, "sums.db");
  const sides = () => ({ a: storeSide(a), b: storeSide(b, { cachePath }) });
  expect(await compared({}, sides())).toEqual([]);
  rmSync(b, { recursive: true });
  cpSync(a, b, { recursive: true, preserveTimestamps: true });
  truncateSync(fileOfFirst(), 10);
  expect(await compared({}, sides())).toEqual([
    expect.stringMatching(/^mallory.*: UID 1: size 6\d\d bytes in A, 10 bytes in B/),
  ]);
});

describe("all bytes", () => {
  const deep = (): Partial<VerifyPorts> => ({ deep: { isChosen: () => true, onProgress: () => undefined } });

  test("of messages that differ in what is read, in whatever order they are found", async () => {
    const own = join(makeMailbox(a, "carol/Maildir", { messages: 300, seed: 100 }), "dovecot-uidlist");
    writeFileSync(own, readFileSync(own, "latin1").replace(/ N301 /, " N40000 ")); // so that all are in one span.
    cpSync(join(a, "carol"), join(b, "carol"), { recursive: true, preserveTimestamps: true });
    const cachePath = join(dir, "sums.db");
    const sides = () => ({ a: storeSide(a), b: storeSide(b, { cachePath }) });
    expect(await compared(deep(), sides())).toEqual([]);
    const [, ...records] = readFileSync(join(b, "carol/Maildir/dovecot-uidlist"), "latin1").trimEnd().split("\n");
    const fileOf = (uid: number) => {
      const base = records[uid - 1]?.split(":")[1] ?? "";
      const cur = join(b, "carol/Maildir/cur");
      return join(cur, readdirSync(cur).find((name) => name.startsWith(base)) ?? "");
    };
    execFileSync("sh", [
      "-c",
      'touch -r "$0" "$1"; printf X | dd of="$0" conv=notrunc 2>&1; touch -r "$1" "$0"',
      fileOf(2),
      join(dir, "ref"),
    ]);
    truncateSync(fileOf(290), 10);
    expect(await compared({}, sides())).toEqual([]); // who believes the names.
    expect(await compared(deep(), sides())).toEqual([
      expect.stringMatching(/^carol.*: UID 290: size 6\d\d bytes in A, 10 bytes in B/),
      "carol/Maildir: UID 2: its bytes differ",
    ]);
  });

  test("of a mailbox that is renamed meanwhile: they are read where it is then, and the rest is read", async () => {
    let isRenamed = false;
    const restless = disturbed(storeSide(b), (path) => {
      if (isRenamed || !path.startsWith("alice")) return;
      isRenamed = true;
      for (const store of [a, b]) renameSync(join(store, ALICE), join(store, "alice/Mail"));
    });
    const sides = { a: storeSide(a), b: restless };
    const { differences, read } = await verifyStores({ settle: async () => undefined, sides, ...deep() }, signal);
    expect({ differences, read }).toEqual({ differences: [], read: 6 });
  });

  test("of a message that is a hard link to another's mail are that message's", async () => {
    const file = fileOfFirst();
    rmSync(file);
    linkSync(join(a, ALICE, "cur", readdirSync(join(a, ALICE, "cur"))[0] ?? ""), file);
    expect(await compared(deep())).toEqual([expect.stringMatching(/^mallory.*: UID 1: /)]);
  });
});

function pipe(path: string): void {
  rmSync(path, { recursive: true, force: true });
  execFileSync("mkfifo", [path]);
}

function directory(path: string): void {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path);
}

function file(path: string): void {
  rmSync(path, { recursive: true, force: true });
  writeFileSync(path, "x\n");
}

function linkTo(path: string, target: string): void {
  rmSync(path, { recursive: true, force: true });
  symlinkSync(target, path);
}
