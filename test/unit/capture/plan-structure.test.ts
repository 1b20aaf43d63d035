/** Mailboxes on disk against those of the baseline. */
import { describe, expect, test } from "vitest";
import type { FoundMailbox } from "../../../src/capture/capture-types.js";
import { MissingMailboxes } from "../../../src/capture/missing-mailboxes.js";
import { type KnownMailbox, planStructure, VANISH_MS } from "../../../src/capture/plan-structure.js";
import { guid, rawPath } from "../log/state-fixtures.js";

const found = (path: string, id: number | undefined, fingerprint = "same"): FoundMailbox => {
  return { path: rawPath(path), guid: id === undefined ? undefined : guid(id), fingerprint };
};
const known = (path: string, id: number, fingerprint = "same"): KnownMailbox => {
  return { path: rawPath(path), guid: guid(id), fingerprint };
};
const paths = (mailboxes: readonly { readonly path: string }[]) => mailboxes.map(({ path }) => path);

describe("planStructure", () => {
  test("what is as it was needs nothing", () => {
    expect(planStructure([found("a", 1), found("b", 2)], [known("b", 2), known("a", 1)], [])).toStrictEqual({
      examine: [],
      missing: [],
      duplicates: [],
      emptied: false,
    });
  });

  test("new, changed, renamed and nameless mailboxes are examined, in their order", () => {
    const standing = [found("a", 1, "other"), found("b", 2), found("c2", 3), found("d", undefined), found("e", 5)];
    const plan = planStructure(standing, [known("a", 1), known("c", 3), known("e", 5)], []);
    expect(paths(plan.examine)).toStrictEqual(["a", "b", "c2", "d"]);
    expect(plan.missing).toStrictEqual([]);
  });

  test("a fingerprint that is not trusted equals nothing", () => {
    expect(paths(planStructure([found("a", 1, "")], [known("a", 1, "")], []).examine)).toStrictEqual(["a"]);
  });

  test("two mailboxes that changed places are two renames", () => {
    const plan = planStructure([found("a", 2), found("b", 1)], [known("a", 1), known("b", 2)], []);
    expect([paths(plan.examine), plan.missing, plan.duplicates]).toStrictEqual([["a", "b"], [], []]);
  });

  test("of a GUID at two paths the known one counts, else the first", () => {
    const twice = [found("a", 1), found("b", 1), found("c", 9), found("d", 9)];
    const plan = planStructure(twice, [known("b", 1)], []);
    expect(plan.duplicates).toStrictEqual([
      { path: "a", of: "b" },
      { path: "d", of: "c" },
    ]);
    expect(paths(plan.examine)).toStrictEqual(["c"]);
    const moved = planStructure([found("x", 1), found("y", 1)], [known("gone", 1)], []);
    expect([paths(moved.examine), moved.duplicates]).toStrictEqual([["x"], [{ path: "y", of: "x" }]]);
  });

  test("what is nowhere on disk is missing; all of it at once is an emptied store, also if others stand there", () => {
    expect(paths(planStructure([found("a", 1)], [known("a", 1), known("b", 2)], []).missing)).toStrictEqual(["b"]);
    expect(planStructure([found("a", 1)], [known("a", 1), known("b", 2)], []).emptied).toBe(false);
    expect(planStructure([found("z", 1)], [known("a", 1), known("b", 2)], []).emptied).toBe(false);
    expect(planStructure([found("a", 1)], [known("b", 2)], []).emptied).toBe(true);
    expect(planStructure([found("", 9)], [known("", 1), known(".Sent", 2)], []).emptied).toBe(true);
    expect(planStructure([found("", undefined)], [known("", 1), known(".Sent", 2)], []).emptied).toBe(true);
    expect(planStructure([found("", undefined)], [known("", 1)], []).emptied).toBe(false);
    expect(planStructure([found("a", 1)], [], []).emptied).toBe(false);
    expect(planStructure([], [known("a", 1)], []).emptied).toBe(true);
    expect(planStructure([], [], []).emptied).toBe(false);
  });

  test("another mailbox in its place makes it missing", () => {
    expect(paths(planStructure([found("a", 2)], [known("a", 1)], []).missing)).toStrictEqual(["a"]);
  });

  test("a copy of another mailbox in its place does not: a person has to say whose mail that is", () => {
    const all = [known("alice", 1), known("bob", 2), known("carol", 3)];
    const plan = planStructure([found("alice", 2), found("bob", 2), found("carol", 3)], all, []);
    expect(plan).toMatchObject({ missing: [], examine: [], duplicates: [{ path: "alice", of: "bob" }] });
    // The original moved as well, or went: then it is no copy that stands there.
    expect(paths(planStructure([found("alice", 2), found("carol", 3)], all, []).missing)).toStrictEqual(["alice"]);
  });

  test("nor does one that only claims to be the mailbox: that one is neither renamed nor missing", () => {
    const all = [known("alice/.Fake", 1), known("bob/.Arch", 2), known("bob", 3)];
    const claim = { ...found("alice/.Fake", 2), claims: rawPath("bob/.Arch") };
    const gone = planStructure([claim, found("bob", 3)], all, []);
    expect([gone.missing, gone.examine]).toStrictEqual([[], []]);
    expect(gone.duplicates).toStrictEqual([{ path: "alice/.Fake", of: "bob/.Arch", isAstray: true }]);
    const moved = planStructure([claim, found("bob", 3), found("bob/.Arch2", 2)], all, []);
    expect([moved.missing, paths(moved.examine)]).toStrictEqual([[], ["bob/.Arch2"]]);
    expect(moved.duplicates).toStrictEqual([{ path: "alice/.Fake", of: "bob/.Arch2" }]);
  });

  test("a mailbox is not missing while its directory stands without an identity", () => {
    const plan = planStructure([found("a", undefined)], [known("a", 1)], []);
    expect([plan.missing, paths(plan.examine)]).toStrictEqual([[], ["a"]]);
  });

  test("nor while it, or a directory above it, cannot be looked into", () => {
    const all = [known("u/Maildir", 1), known("u/Maildir/.Sent", 2), known("u/Maildir2", 3), known("v", 4)];
    const missing = (...unread: readonly string[]) =>
      paths(planStructure([found("w", 9)], all, unread.map(rawPath)).missing);
    expect(missing("u/Maildir")).toStrictEqual(["u/Maildir2", "v"]);
    expect(missing("u/Maildir/.Sent", "v")).toStrictEqual(["u/Maildir", "u/Maildir2"]);
    expect(missing("")).toStrictEqual(paths(all)); // something without a path of its own says nothing of the others.
    expect(planStructure([], [known("v", 4)], [rawPath("v")]).emptied).toBe(false);
  });
});

describe("MissingMailboxes", () => {
  const A = known("a", 1);
  const B = known("b", 2);

  test("believes only what two looks missed that began far enough apart", () => {
    const missing = new MissingMailboxes();
    expect(missing.note([A], 1000)).toStrictEqual([]);
    expect(missing.note([A], 1000 + VANISH_MS - 1)).toStrictEqual([]);
    expect(missing.isOpen).toBe(true);
    expect(missing.note([A], 1000 + VANISH_MS)).toStrictEqual([A]);
    expect(missing.isOpen).toBe(false);
  });

  test("a look that found it begins the count anew; each mailbox has its own", () => {
    const missing = new MissingMailboxes();
    missing.note([A], 0);
    expect(missing.note([B], VANISH_MS)).toStrictEqual([]);
    expect(missing.note([A, B], 2 * VANISH_MS)).toStrictEqual([B]);
    expect(missing.note([], 3 * VANISH_MS)).toStrictEqual([]);
    expect(missing.isOpen).toBe(false);
  });
});
