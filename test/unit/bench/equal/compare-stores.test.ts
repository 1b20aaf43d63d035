/** The comparer finds each planted difference, and nothing where a live replica may differ. */
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { compareStores, DEFAULT_COMPARE } from "../../../../bench/equal/compare-stores.js";
import { makeSampleStore } from "../../../../bench/sample-store.js";
import { nodePath } from "../../../../src/base/raw-name.js";
import { tempDir } from "../temp-dir.js";

const ALL = { ...DEFAULT_COMPARE, sideFiles: true };

const template = mkdtempSync(join(tmpdir(), "bench-test-"));
makeSampleStore(join(template, "a"), { bigMailBytes: 50_000 });
afterAll(() => rmSync(template, { recursive: true }));

/** A is shared and must stay as it is; B is the test's own. */
function makePair(): { readonly a: string; readonly b: string } {
  return { a: join(template, "a"), b: copyOfTemplate() };
}

function copyOfTemplate(): string {
  const path = join(tempDir(), "copy");
  // Not cpSync: it takes names for UTF-8 and loses those that are not.
  execFileSync("cp", ["-a", "-T", join(template, "a"), path]);
  return path;
}

const SENT = "alice/Maildir/.Sent";

function uidlistOf(store: string, mailbox: string): string {
  return readFileSync(join(store, mailbox, "dovecot-uidlist"), "latin1");
}

function editUidlist(store: string, mailbox: string, edit: (text: string) => string): void {
  const before = uidlistOf(store, mailbox);
  const after = edit(before);
  expect(after).not.toBe(before);
  writeFileSync(join(store, mailbox, "dovecot-uidlist"), after, "latin1");
}

/** The first file in cur/ of the mailbox. */
function firstFile(store: string, mailbox: string): string {
  const name = readdirSync(join(store, mailbox, "cur")).sort()[0];
  if (name === undefined) throw new Error("an empty mailbox");
  return join(store, mailbox, "cur", name);
}

type Plant = (b: string) => void;

const PLANTED: readonly (readonly [expected: string, what: string, plant: Plant])[] = [
  ["uidvalidity", "another UIDVALIDITY", (b) => editUidlist(b, SENT, (text) => text.replace(/ V[0-9]+/, " V5"))],
  ["next-uid", "a higher N", (b) => editUidlist(b, SENT, (text) => text.replace(/ N[0-9]+/, " N9999"))],
  [
    "guid",
    "another mailbox GUID",
    (b) => editUidlist(b, SENT, (text) => text.replace(/ G[0-9a-f]+/, ` G${"0".repeat(32)}`)),
  ],
  ["header-field", "another header field", (b) => editUidlist(b, SENT, (text) => text.replace("\n", " Px\n"))],
  [
    "uid",
    "another UID",
    (b) => editUidlist(b, "carol/Maildir/.Trash", (text) => text.replace("\n5 :", "\n6 :").replace(/ N[0-9]+/, " N1")),
  ],
  ["uid", "a record that is missing", (b) => editUidlist(b, SENT, (text) => text.replace(/\n1 :.*/, ""))],
  [
    "record-field",
    "another field of a record",
    (b) => editUidlist(b, SENT, (text) => text.replace("\n1 :", "\n1 P77 :")),
  ],
  ["damage", "a garbage line", (b) => editUidlist(b, SENT, (text) => `${text}garbage\n`)],
  ["damage", "a last line without its line feed", (b) => editUidlist(b, SENT, (text) => text.slice(0, -1))],
  [
    "damage",
    "records out of order",
    (b) => editUidlist(b, "carol/Maildir", (text) => text.replace(/(\n1 :.*)(\n2 :.*)/, "$2$1")),
  ],
  ["flags", "another flag", (b) => renameSync(firstFile(b, SENT), firstFile(b, SENT).replace(/:2,.*/, ":2,T"))],
  ["flags", "an unknown letter that is gone", (b) => renameEnding(b, ":2,RSXY,tail", ":2,RSX,tail")],
  ["flags", "a tail that is gone", (b) => renameEnding(b, ":2,RSXY,tail", ":2,RSXY")],
  ["keywords", "another keyword", (b) => renameEnding(b, ":2,Sab", ":2,Sac")],
  [
    "keywords",
    "the keyword file in another order under the same letters",
    (b) => writeFileSync(join(b, "alice/Maildir/dovecot-keywords"), "0 NonJunk\n1 $Forwarded\n2 $label1\n"),
  ],
  [
    "keywords",
    "a letter that lost its name",
    (b) => writeFileSync(join(b, "alice/Maildir/dovecot-keywords"), "0 $Forwarded\n"),
  ],
  ["size", "a byte more", (b) => withMtimeKept(firstFile(b, SENT), (path) => writeFileSync(path, "x", { flag: "a" }))],
  ["bytes", "another byte", (b) => withMtimeKept(firstFile(b, SENT), flipLastByte)],
  ["mtime", "a second later", (b) => utimesSync(firstFile(b, SENT), 1_800_000_000, 1_800_000_000)],
  ["message-missing", "a message that is gone", (b) => unlinkSync(firstFile(b, SENT))],
  ["message-extra", "a message too many", (b) => writeFileSync(join(b, SENT, "cur/1.foreign:2,"), "x")],
  [
    "duplicate",
    "two files of one base name",
    (b) => {
      const path = firstFile(b, SENT);
      writeFileSync(path.replace(/:2,.*/, ":2,DFT"), readFileSync(path));
    },
  ],
  ["damage", "a directory in cur/", (b) => mkdirSync(join(b, SENT, "cur/1.directory:2,"))],
  ["leftover", "a file left in tmp/", (b) => writeFileSync(join(b, SENT, "tmp/1.left"), "x")],
  ["leftover", "a lock left", (b) => writeFileSync(join(b, SENT, "dovecot-uidlist.lock"), "1:host")],
  ["mailbox-missing", "a folder that is gone", (b) => rmSync(join(b, SENT), { recursive: true })],
  ["mailbox-extra", "a folder too many", (b) => mkdirSync(join(b, "alice/Maildir/.More/cur"), { recursive: true })],
  ["side-file", "other subscriptions", (b) => writeFileSync(join(b, "bob/Maildir/subscriptions"), "V\t2\n\n")],
  ["side-file", "no maildirfolder", (b) => unlinkSync(join(b, SENT, "maildirfolder"))],
  ["side-file", "a file of nobody's", (b) => writeFileSync(join(b, "alice/Maildir/.stage"), "x")],
  ["side-file", "a directory of nobody's", (b) => mkdirSync(join(b, "alice/.stage"))],
  [
    "side-file",
    "a UIDVALIDITY counter that is behind",
    (b) => writeFileSync(join(b, "bob/Maildir/dovecot-uidvalidity"), "00000001"),
  ],
];

function renameEnding(store: string, ending: string, wanted: string): void {
  const cur = join(store, "alice/Maildir/cur");
  const name = readdirSync(cur, "latin1").find((each) => each.endsWith(ending));
  if (name === undefined) throw new Error(`no file ends in ${ending}`);
  renameSync(nodePath(`${cur}/${name}`), nodePath(`${cur}/${name.slice(0, -ending.length)}${wanted}`));
}

function withMtimeKept(path: string, change: (path: string) => void): void {
  const mtimeS = Number(execFileSync("stat", ["-c", "%Y", path], { encoding: "utf8" }));
  change(path);
  utimesSync(path, mtimeS, mtimeS);
}

function flipLastByte(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

describe("a planted difference is found", () => {
  test.each(PLANTED)("%s: %s", (expected, _what, plant) => {
    const { a, b } = makePair();
    plant(b);
    const result = compareStores(a, b, ALL);
    expect(result.equal).toBe(false);
    expect(Object.keys(result.countByKind)).toContain(expected);
    expect(result.total).toBe(Object.values(result.countByKind).reduce((sum, count) => sum + count, 0));
  });
});

describe("a live replica may differ in this", () => {
  const allowed: readonly (readonly [string, (b: string) => void])[] = [
    [
      "a file in cur/ that is in new/ on the other side",
      (b) => {
        const name = readdirSync(join(b, "alice/Maildir/new"), "latin1")[0] ?? "";
        renameSync(nodePath(join(b, "alice/Maildir/new", name)), nodePath(join(b, "alice/Maildir/cur", `${name}:2,`)));
      },
    ],
    ["the order of letters", (b) => renameEnding(b, ":2,Sab", ":2,baS")],
    [
      "letters that mean the same by another index",
      (b) => {
        writeFileSync(join(b, 'alice/Maildir/.With space and "quotes"/dovecot-keywords'), "0 other\n1 todo\n");
        const cur = join(b, 'alice/Maildir/.With space and "quotes"/cur');
        for (const name of readdirSync(cur)) renameSync(join(cur, name), join(cur, name.replace(/a$/, "b")));
      },
    ],
    [
      "a stale N where the last record says the same",
      (b) => editUidlist(b, "carol/Maildir", (text) => text.replace(/ N[0-9]+/, " N2")),
    ],
    [
      "records of files that are gone",
      (b) => editUidlist(b, "alice/Maildir", (text) => text.replace(/\n[0-9]+ :[^\n]*gone[^\n]*/, "")),
    ],
    [
      "sizes that only one side's records have",
      (b) => editUidlist(b, SENT, (text) => text.replace("\n1 :", "\n1 S77 W78 :")),
    ],
    ["the host's own indexes", (b) => writeFileSync(join(b, SENT, "dovecot.index.log"), "x")],
    [
      "a UIDVALIDITY counter that is ahead",
      (b) => writeFileSync(join(b, "bob/Maildir/dovecot-uidvalidity"), "7fffffff"),
    ],
  ];
  test.each(allowed)("%s", (_what, change) => {
    const { a, b } = makePair();
    change(b);
    expect(compareStores(a, b, ALL).differences).toEqual([]);
  });
});

test("sizes count where both records have them, and never hide another field", () => {
  const a = copyOfTemplate();
  const b = copyOfTemplate();
  const record = (store: string, fields: string) =>
    editUidlist(store, SENT, (text) => text.replace(/\n1( [^:\n]+)? :/, `\n1 ${fields} :`));
  record(a, "S77 W78");
  record(b, "W78");
  expect(compareStores(a, b, ALL).differences).toEqual([]);
  record(b, "S76 W78");
  expect(compareStores(a, b, ALL).countByKind).toEqual({ "record-field": 1 });
  record(b, "P1 S77");
  expect(compareStores(a, b, ALL).countByKind).toEqual({ "record-field": 1 });
});

test("an exact comparison refuses what a live replica may have", () => {
  const { a, b } = makePair();
  expect(compareStores(a, b, { ...ALL, exact: true }).equal).toBe(true);
  renameEnding(b, ":2,Sab", ":2,baS");
  expect(compareStores(a, b, { ...ALL, exact: true }).countByKind).toEqual({ name: 1 });
});

test("links are compared by where they lead", () => {
  const a = copyOfTemplate();
  const b = copyOfTemplate();
  symlinkSync("x.sieve", join(a, "alice/.dovecot.sieve"));
  symlinkSync("x.sieve", join(b, "alice/.dovecot.sieve"));
  expect(compareStores(a, b, ALL).equal).toBe(true);
  unlinkSync(join(b, "alice/.dovecot.sieve"));
  symlinkSync("y.sieve", join(b, "alice/.dovecot.sieve"));
  expect(compareStores(a, b, ALL).countByKind).toEqual({ "side-file": 1 });
});

test("without bodies another byte goes unseen, and only that", () => {
  const { a, b } = makePair();
  withMtimeKept(firstFile(b, SENT), flipLastByte);
  expect(compareStores(a, b, { ...ALL, bodies: false }).equal).toBe(true);
});

test("all differences are counted though few are told, and what is told is printable", () => {
  const { a, b } = makePair();
  rmSync(join(b, "alice/Maildir/cur"), { recursive: true });
  mkdirSync(join(b, "alice/Maildir/cur"));
  const result = compareStores(a, b, { ...ALL, keptMax: 3 });
  expect(result.differences).toHaveLength(3);
  expect(result.total).toBeGreaterThan(40);
  const all = compareStores(a, b, ALL).differences.map(({ words }) => words);
  expect(all.some((words) => words.includes("caf\\xe9"))).toBe(true);
});
