import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, rmdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openGlobFs } from "../../../src/base/glob-fs.js";
import { DEPTH_MAX, type Discovery, discoverMailboxes } from "../../../src/maildir/discover.js";
import { tempDir } from "./temp-mailbox.js";

function makeMailbox(...path: readonly string[]): string {
  const mailbox = path.join("/");
  for (const part of ["cur", "new", "tmp"]) mkdirSync(Buffer.from(`${mailbox}/${part}`, "latin1"), { recursive: true });
  return mailbox;
}

function pathsOf({ mailboxes }: Discovery): string[] {
  return mailboxes.map(({ path }) => path);
}

/** Root may read everything, so what root cannot read is shown to an ordinary user. `work` must be synchronous. */
function asOrdinaryUser<T>(work: () => T): T {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(65_534);
  try {
    return work();
  } finally {
    process.seteuid?.(0);
  }
}

describe("layouts", () => {
  test("one Maildir with Maildir++ folders", () => {
    const root = tempDir();
    makeMailbox(root);
    for (const folder of [".Work", ".Work.2024", ".&U,BTFw-", ".With space", ".a[b]*?{c}!(d)", ".\\back"])
      makeMailbox(root, folder);
    mkdirSync(join(root, "sieve/tmp.d"), { recursive: true });
    writeFileSync(join(root, "dovecot-uidlist"), "");
    const discovery = discoverMailboxes(root);
    expect(pathsOf(discovery)).toEqual([
      "",
      ".&U,BTFw-",
      ".With space",
      ".Work",
      ".Work.2024",
      ".\\back",
      ".a[b]*?{c}!(d)",
    ]);
    expect(discovery.problems).toEqual([]);
  });

  test("LAYOUT=fs, and a tree of many users; parents before children", () => {
    const root = tempDir();
    for (const path of ["ex.org/u2", "ex.org/u1", "ex.org/u1/A/B", "ex.org/u1/A", "ex.org/u1/A.B", "ex.org/u1/.Z"])
      makeMailbox(root, path);
    expect(pathsOf(discoverMailboxes(`${root}//`))).toEqual([
      "ex.org/u1",
      "ex.org/u1/.Z",
      "ex.org/u1/A",
      "ex.org/u1/A/B",
      "ex.org/u1/A.B",
      "ex.org/u2",
    ]);
  });

  test("a folder below a directory that is no mailbox is found", () => {
    const root = tempDir();
    makeMailbox(root, "a/b/c/d/e");
    expect(pathsOf(discoverMailboxes(root))).toEqual(["a/b/c/d/e"]);
  });

  test("names that are not UTF-8 survive, also on the way and in the root's own path", () => {
    const root = `${tempDir()}/r\xfc`;
    makeMailbox(root, ".\xff\xfe", ".\xe9");
    makeMailbox(root, ".\xff\xfe");
    makeMailbox(root, ".caf\xc3\xa9");
    expect(pathsOf(discoverMailboxes(root))).toEqual([".caf\xc3\xa9", ".\xff\xfe", ".\xff\xfe/.\xe9"]);
  });
});

test("message directories are never walked; ours and Dovecot's trash are passed over", () => {
  const root = tempDir();
  makeMailbox(root);
  for (const part of ["cur", "new", "tmp"]) makeMailbox(root, part, ".Inner");
  for (const folder of [".mailtwin", ".mailtwin-limbo", "..DOVECOT-TRASHED"]) makeMailbox(root, folder);
  const discovery = discoverMailboxes(root);
  expect(pathsOf(discovery)).toEqual([""]);
  expect(discovery.problems).toEqual([]);
});

test("patterns leave out users with all their folders, but never the root", () => {
  const root = tempDir();
  makeMailbox(root);
  for (const path of ["alice", "alice/.Work", "bob", "bob/.Spam", "bob/.Work", "caf\xe9"]) makeMailbox(root, path);
  expect(pathsOf(discoverMailboxes(root, { exclude: ["alice/**", "**/.Spam"] }))).toEqual([
    "",
    "bob",
    "bob/.Work",
    "caf\xe9",
  ]);
  expect(pathsOf(discoverMailboxes(root, { exclude: ["caf\xe9/**", "**/.*"] }))).toEqual(["", "alice", "bob"]);
  expect(pathsOf(discoverMailboxes(root, { exclude: ["**"] }))).toEqual([""]);
});

describe("problems", () => {
  test("a link where mail may hide is told; a link to a file is not", () => {
    const root = tempDir();
    makeMailbox(root);
    const elsewhere = makeMailbox(tempDir(), "m");
    symlinkSync(elsewhere, join(root, ".Linked"));
    symlinkSync("nowhere", join(root, ".dangling"));
    writeFileSync(join(root, "active"), "");
    symlinkSync("active", join(root, ".dovecot.sieve"));
    for (const part of ["cur", "new", "tmp"]) {
      makeMailbox(root, `.${part}Link`);
      rmdirSync(join(root, `.${part}Link`, part));
      symlinkSync(join(elsewhere, part), join(root, `.${part}Link`, part));
    }
    const discovery = discoverMailboxes(root);
    expect(pathsOf(discovery)).toEqual([""]);
    expect(discovery.problems.map(({ path, code }) => `${path} ${code}`)).toEqual([
      ".Linked mailbox-is-link",
      ".curLink/cur mailbox-is-link",
      ".newLink/new mailbox-is-link",
      ".tmpLink/tmp mailbox-is-link",
    ]);
  });

  test("a name that no mailbox can have is told and not entered", () => {
    const root = tempDir();
    makeMailbox(root, ".a\nb");
    makeMailbox(root, "new/alice");
    makeMailbox(root, ".ok");
    const discovery = discoverMailboxes(root);
    expect(pathsOf(discovery)).toEqual([".ok"]);
    expect(discovery.problems).toEqual([
      { path: ".a\nb", code: "mailbox-name-invalid", message: expect.stringContaining(".a\\x0ab") },
      { path: "new", code: "mailbox-name-invalid", message: expect.any(String) },
    ]);
  });

  test("a missing root is told", () => {
    const discovery = discoverMailboxes(join(tempDir(), "absent"));
    expect(discovery).toMatchObject({ mailboxes: [], problems: [{ path: "", code: "ENOENT" }] });
  });

  test("another twin's scratch directory is passed over; a folder of such a name is not", () => {
    const root = tempDir();
    makeMailbox(root, "A/bob");
    makeMailbox(root, ".B.mailtwin/limbo/2026-01-31/0123.mailbox");
    makeMailbox(root, ".B.mailtwin/aside/x");
    writeFileSync(join(root, ".B.mailtwin/lock.db"), "");
    makeMailbox(root, "A/bob/.foo.mailtwin");
    writeFileSync(join(root, "A/bob/.foo.mailtwin/lock.db"), "");
    makeMailbox(root, "A/bob/.foo.mailtwin.deeper");
    makeMailbox(root, "eve/.bar.mailtwin/sub"); // no cur/ of its own, and no lock.
    makeMailbox(root, "mailtwin/lock");
    writeFileSync(join(root, "mailtwin/lock.db"), "");
    const discovery = discoverMailboxes(root);
    const folders = [
      "A/bob",
      "A/bob/.foo.mailtwin",
      "A/bob/.foo.mailtwin.deeper",
      "eve/.bar.mailtwin/sub",
      "mailtwin/lock",
    ];
    expect([pathsOf(discovery), discovery.problems]).toEqual([folders, []]);
  });

  test("a root that is no directory is told", () => {
    const file = join(tempDir(), "file");
    writeFileSync(file, "");
    expect(discoverMailboxes(file)).toMatchObject({ mailboxes: [], problems: [{ path: "", code: "ENOTDIR" }] });
  });

  test("a directory that cannot be read is told, the others are found", () => {
    const root = tempDir();
    makeMailbox(root, ".closed");
    makeMailbox(root, ".open");
    chmodSync(join(root, ".closed"), 0);
    chmodSync(root, 0o755);
    const discovery = asOrdinaryUser(() => discoverMailboxes(root));
    chmodSync(join(root, ".closed"), 0o700);
    expect(pathsOf(discovery)).toEqual([".open"]);
    expect(discovery.problems).toEqual([
      {
        path: ".closed",
        code: "EACCES",
        message: "looking for mailboxes in .closed: EACCES: permission denied",
      },
    ]);
  });

  test("a directory whose path is too long is told, not passed over", () => {
    const root = tempDir();
    makeMailbox(root);
    const deep = Array.from({ length: 20 }, () => "d".repeat(250));
    // A path this long can be neither made nor removed in one call.
    const before = process.cwd();
    onTestFinished(() => void execFileSync("rm", ["-rf", join(root, deep[0] ?? "")]));
    try {
      process.chdir(root);
      for (const name of deep) {
        mkdirSync(name);
        process.chdir(name);
      }
    } finally {
      process.chdir(before);
    }
    const discovery = discoverMailboxes(root);
    expect(pathsOf(discovery)).toEqual([""]);
    expect(discovery.problems).toMatchObject([{ code: "ENAMETOOLONG" }]);
  });
});

test("nothing deeper than a mailbox can be is walked, and it is told that there is more", () => {
  const root = tempDir();
  const deepest = Array.from({ length: DEPTH_MAX }, () => "d").join("/");
  makeMailbox(root, deepest);
  expect(discoverMailboxes(root)).toMatchObject({ mailboxes: [{ path: deepest }], problems: [] });
  makeMailbox(root, `${deepest}/d`);
  makeMailbox(root, "a");
  const discovery = discoverMailboxes(root);
  expect(pathsOf(discovery)).toEqual(["a", deepest]);
  expect(discovery.problems).toMatchObject([{ path: deepest, code: "mailbox-too-deep" }]);
  expect(discovery.directories).toHaveLength(DEPTH_MAX + 2);
});

test("the directories that were walked are told with their inodes; those of messages and of scratch are none", () => {
  const root = tempDir();
  makeMailbox(root, "u");
  mkdirSync(join(root, "u/.F.mailtwin"));
  writeFileSync(join(root, "u/.F.mailtwin/lock.db"), "");
  mkdirSync(join(root, "v"));
  const inodes = ["", "u", "v"].map((path) => ({ path, ino: statSync(join(root, path)).ino }));
  expect([...discoverMailboxes(root).directories].sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual(inodes);
});

test.each([
  ["that has lost its cur/", () => undefined],
  ["with a file in the place of cur/", (cur: string) => writeFileSync(cur, "")],
])("a directory with a dovecot-uidlist %s is a problem, and nothing else is said of it", (_, put) => {
  const root = tempDir();
  makeMailbox(root, "u");
  makeMailbox(root, "u/.Sent");
  writeFileSync(join(root, "u/dovecot-uidlist"), "");
  rmdirSync(join(root, "u/cur"));
  put(join(root, "u/cur"));
  const discovery = discoverMailboxes(root);
  expect(pathsOf(discovery)).toEqual(["u/.Sent"]);
  expect(discovery.problems).toMatchObject([{ path: "u", code: "mailbox-without-cur" }]);
});

test.each([
  ["a file", (cur: string) => writeFileSync(cur, "x\n")],
  ["something that is no directory", (cur: string) => void execFileSync("mkfifo", [cur])],
])("%s in the place of cur/ is named where there is no dovecot-uidlist, too", (what, put) => {
  const root = tempDir();
  makeMailbox(root, "u");
  rmdirSync(join(root, "u/cur"));
  put(join(root, "u/cur"));
  const discovery = discoverMailboxes(root);
  expect(pathsOf(discovery)).toEqual([]);
  const message = `looking for mailboxes at u: ${what} stands in the place of its directory cur/`;
  expect(discovery.problems).toEqual([{ path: "u", code: "mailbox-without-cur", message }]);
});

describe("a directory that is exchanged for a link while the store is walked", () => {
  const exchangedBy = (root: string, exchange: () => void) => {
    let isDone = false;
    const fs = openGlobFs({
      root,
      onDirectory: (path, entries) => {
        seen.push(path.slice(root.length));
        if (!isDone) exchange();
        isDone = true;
        return entries;
      },
      onError: (path) => seen.push(`not ${path.slice(root.length)}`),
    });
    const seen: string[] = [];
    return { fs, seen };
  };

  test("is not listed, nor what seems to lie in it", () => {
    const [root, elsewhere] = [tempDir(), tempDir()];
    for (const top of [root, elsewhere]) makeMailbox(top, "a", "b");
    const { fs, seen } = exchangedBy(root, () => {
      renameSync(join(root, "a"), join(root, "away"));
      symlinkSync(join(elsewhere, "a"), join(root, "a"));
    });
    const list = (path: string) => fs.readdirSync(path, { withFileTypes: true }).map(({ name }) => name);
    expect(list(root)).toEqual(["a"]);
    expect([list(join(root, "a")), list(join(root, "a/b"))]).toEqual([[], []]);
    expect(seen).toEqual(["", "not /a", "not /a/b"]);
    expect(list(join(root, "away/b"))).toHaveLength(3);
  });

  test("a link in the path of the store itself is followed", () => {
    const [root, other] = [tempDir(), tempDir()];
    makeMailbox(root, "a", "b");
    symlinkSync(root, join(other, "link"));
    expect(pathsOf(discoverMailboxes(join(other, "link")))).toEqual(["a/b"]);
  });
});
