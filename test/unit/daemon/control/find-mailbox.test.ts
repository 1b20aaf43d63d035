/** Which mailbox is meant by a user and a name, in the layouts that there are. */
import { describe, expect, test } from "vitest";
import { rawFromText } from "../../../../src/base/raw-name.js";
import { findMailboxes, noSuchMailbox } from "../../../../src/daemon/control/find-mailbox.js";
import { rawPath } from "../../log/state-fixtures.js";

const rows = (...paths: readonly string[]) => paths.map((path) => ({ path: rawPath(path) }));

/** Maildir++ of several users, below their names, domains and homes. */
const TREE = rows(
  ...["alice", "alice/.Work", "alice/.Work.Projects", "alice/.Entw&APw-rfe", "alice/.INBOX.kid"],
  ...["example.org/bob", "example.org/bob/.Sent", "carol/Maildir", "carol/Maildir/.Sent", "example.net/bob"],
  ...[
    "dave",
    "dave/Work/Projects",
    "dave/Work",
    "dave/2024.01",
    rawFromText("dave/Entwürfe"),
    "dave/caf\xe9",
    "alicex",
  ],
);

const found = (user: string | undefined, mailbox: string | undefined, known = TREE): readonly string[] =>
  findMailboxes(known, { user, mailbox }).map(({ path }) => path);

describe("of a user", () => {
  test.each([
    ["alice", "INBOX", "alice"],
    ["alice", "inbox", "alice"],
    ["alice", "Work/Projects", "alice/.Work.Projects"],
    ["alice", "Work.Projects", "alice/.Work.Projects"],
    ["alice", ".Work.Projects", "alice/.Work.Projects"],
    ["alice", "INBOX/Work", "alice/.Work"],
    ["alice", "INBOX.Work", "alice/.Work"],
    ["alice", "INBOX/kid", "alice/.INBOX.kid"],
    ["alice", "Entwürfe", "alice/.Entw&APw-rfe"],
    ["alice", "Entw&APw-rfe", "alice/.Entw&APw-rfe"],
    ["alice", "alice/.Work", "alice/.Work"],
    ["alice/", "Work", "alice/.Work"],
    ["bob@example.org", "Sent", "example.org/bob/.Sent"],
    ["bob@example.net", "INBOX", "example.net/bob"],
    ["example.org/bob", "Sent", "example.org/bob/.Sent"],
    ["alice@example.org", "Work", "alice/.Work"],
    ["carol", "INBOX", "carol/Maildir"],
    ["carol", "Sent", "carol/Maildir/.Sent"],
    ["dave", "Work/Projects", "dave/Work/Projects"],
    ["dave", "2024.01", "dave/2024.01"],
    ["dave", "Entwürfe", rawFromText("dave/Entwürfe")],
    ["dave", "dave/caf\\xe9", "dave/caf\xe9"],
  ])("%s: %s", (user, mailbox, path) => expect(found(user, mailbox)).toEqual([path]));

  test.each([
    ["alice", "Projects"],
    ["alice", "alicex"],
    ["alice", "dave/Work"],
    ["ali", "INBOX"],
    ["bob", "INBOX"],
    ["dave", "caf"],
  ])("%s: %s is nobody's guess", (user, mailbox) => expect(found(user, mailbox)).toEqual([]));

  test("all of them", () => {
    expect(found("alice", undefined)).toEqual(TREE.slice(0, 5).map(({ path }) => path));
    expect(found("bob@example.org", undefined)).toEqual(["example.org/bob", "example.org/bob/.Sent"]);
    expect(found("ali", undefined)).toEqual([]);
  });
});

describe("of nobody in particular", () => {
  test("a mailbox is named by its path, or as clients do in a store of one user", () => {
    expect(found(undefined, "alice/.Work")).toEqual(["alice/.Work"]);
    expect(found(undefined, "Work")).toEqual([]);
    const own = rows("", ".Work", ".Work.Projects");
    expect(found(undefined, "INBOX", own)).toEqual([""]);
    expect(found(undefined, "Work/Projects", own)).toEqual([".Work.Projects"]);
    expect(found("whoever", "Work", own)).toEqual([".Work"]);
  });

  test("nothing said is all", () => expect(found(undefined, undefined)).toHaveLength(TREE.length));
});

test.each([
  ["INBOX", '"alice", "example.org/bob", "carol" and 3 more have one'],
  ["Sent", '"example.org/bob", "carol" have one'],
  ["Work/Projects", '"alice", "dave" have one'],
  ["2024.01", '"dave" has one'],
])("%s of nobody in particular: that a user is missing, and which would do", (mailbox, holders) => {
  const wish = { user: undefined, mailbox };
  expect(noSuchMailbox(TREE, wish).message).toBe(
    `looking for mailbox "${mailbox}": no -u USER says whose it is; ${holders}`,
  );
  for (const [, user = ""] of holders.matchAll(/"([^"]+)"/g)) expect(found(user, mailbox)).toHaveLength(1);
});

test("where nobody has one, or the store is one user's, none is missing", () => {
  for (const [mailbox, known] of [
    ["Projects", TREE], // that of dave is Work/Projects, and so for alice.
    ["Sent", rows("", ".Work", "x/.Sent")],
  ] as const)
    expect(noSuchMailbox(known, { user: undefined, mailbox }).message).toContain("the log knows none of that name");
});

test("what is not there is told with what may have been meant", () => {
  const words = (user: string | undefined, mailbox: string | undefined) =>
    noSuchMailbox(TREE, { user, mailbox }).message;
  expect(words("alice", "Wrok")).toBe(
    'looking for mailbox "Wrok" of "alice": the log knows none of that name (did you mean "Work"?)',
  );
  expect(words("alise", "Work")).toBe(
    'looking for user "alise": the log knows none of that name (did you mean "alice"?)',
  );
  expect(words(undefined, "alice/.Wrok")).toContain('did you mean "alice/.Work"?');
  expect(words("alice", "\x1b[2J")).toContain('"\\x1b[2J"');
});
