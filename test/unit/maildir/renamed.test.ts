/** Is a mailbox that stands elsewhere the one that was written? */
import { describe, expect, test } from "vitest";
import { isRenamed } from "../../../src/maildir/renamed.js";
import {
  type DirectoryMark,
  encodeMark,
  isSameDirectory,
  parseMark,
  treesOf,
} from "../../../src/maildir/whose-tree.js";
import { rawPath } from "../log/state-fixtures.js";

const ZEDS: DirectoryMark = { ino: 5, uid: 3003, birthtimeMs: 7.25 };
const OTHER: DirectoryMark = { ino: 6, uid: 3003, birthtimeMs: 8 };
const INBOXES = ["d/zed/Maildir", "d/mallory/Maildir"];
const treeOf = treesOf((path) => INBOXES.includes(path));

interface How {
  readonly noted?: DirectoryMark | undefined;
  readonly holds?: boolean;
  readonly inboxUid?: number;
}

function judged(
  path: string,
  directory: DirectoryMark,
  { noted = ZEDS, holds = true, inboxUid = 3003 }: How = {},
): boolean {
  const written = { path: rawPath("d/zed/Maildir/.F"), directory: noted, messages: () => [] };
  const ports = { treeOf, ownerOf: () => inboxUid, holds: () => holds };
  return isRenamed(written, { path: rawPath(path), directory }, ports);
}

describe("it is", () => {
  test("wherever it stands, if it is the same directory", () => {
    for (const path of ["d/zed/Maildir/.G", "d/mallory/Maildir/.y", "elsewhere"])
      expect(judged(path, ZEDS, { holds: false })).toBe(true);
  });

  test("in its user's tree, if its owner is the same and all its messages are there", () => {
    expect(judged("d/zed/Maildir/.G", OTHER)).toBe(true);
    expect(judged("d/zed/Maildir/.G", OTHER, { holds: false })).toBe(false);
    expect(judged("d/zed/Maildir/.G", { ...OTHER, uid: 3002 })).toBe(false);
  });
});

test("it is not in another user's tree, though number, owner or messages are the same", () => {
  const there = "d/mallory/Maildir/.y";
  for (const directory of [OTHER, { ...ZEDS, birthtimeMs: 9 }, { ...ZEDS, uid: 3002 }])
    expect(judged(there, directory)).toBe(false);
});

test("where its directory was never noted, its INBOX tells the owner", () => {
  const written = { path: rawPath("d/zed/Maildir/.F"), directory: undefined, messages: () => [] };
  const judge = (uid: number, path = "d/zed/Maildir/.G") =>
    isRenamed(
      written,
      { path: rawPath(path), directory: { ...OTHER, uid } },
      { treeOf, ownerOf: () => 3003, holds: () => true },
    );
  expect([judge(3003), judge(3002), judge(3003, "d/mallory/Maildir/.y")]).toEqual([true, false, false]);
});

test("a tree is the outermost mailbox; a store that is a mailbox is one tree", () => {
  expect(treeOf(rawPath("d/zed/Maildir/a/b"))).toBe("d/zed/Maildir");
  expect(treeOf(rawPath("d/zed/Maildir"))).toBe("d/zed/Maildir");
  expect(treeOf(rawPath("d/other"))).toBe("d/other");
  const nested = treesOf((path) => ["a", "a/b"].includes(path));
  expect(nested(rawPath("a/b/c"))).toBe("a");
  expect(treesOf((path) => path === "")(rawPath("a/b"))).toBe("");
});

test("a mark is read as it was written, and an older text is none", () => {
  expect(parseMark(encodeMark(ZEDS).split(" "))).toStrictEqual(ZEDS);
  for (const text of ["", "5", "5 6", "5 x 7"]) expect(parseMark(text.split(" "))).toBeUndefined();
  expect(isSameDirectory(ZEDS, { ...ZEDS })).toBe(true);
  expect(isSameDirectory({ ...ZEDS, birthtimeMs: 0 }, { ...ZEDS, birthtimeMs: 0 })).toBe(false);
});
