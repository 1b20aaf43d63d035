/** Which mail of a destination the source does not have, and which of it may serve again. */
import { describe, expect, test } from "vitest";
import {
  type ContactFinding,
  compareAtFirstContact,
  type ReplicaMailbox,
  type SourceMailbox,
} from "../../../src/resync/first-contact.js";
import { rawPath } from "../log/state-fixtures.js";

const PATH = rawPath("u/Maildir");
const NOTHING: ContactFinding = {
  ...{ path: PATH, foreign: [], present: 0, remarked: 0, isOther: false, copies: [], changed: [] },
  ...{ inTheWay: [], passed: [], hasNewer: false },
};

/** "a" is 10 bytes long, "a/7" is 7; its UID is its place in the alphabet, "a@9" has UID 9, "a@0" none. "a+F": with that mark. */
function messages(texts: readonly string[]) {
  return texts.map((text) => {
    const [, base = "", size = "10", uid, marks = ""] = /^(\w+)(?:\/(\d+))?(?:@(\d+))?(?:\+(\w))?$/.exec(text) ?? [];
    return { base, uid: Number(uid ?? base.charCodeAt(0) - 96), size: Number(size), marks };
  });
}

function replica(texts: readonly string[], more: Partial<ReplicaMailbox> = {}): ReplicaMailbox {
  const all = messages(texts);
  const uidNext = Math.max(0, ...all.map(({ uid }) => uid)) + 1;
  return { path: PATH, guid: "g1", uidValidity: 7, uidNext, messages: all, ...more };
}

function source(texts: readonly string[], more: Partial<SourceMailbox> = {}): SourceMailbox {
  const messageByBase = new Map(messages(texts).map(({ base, ...message }) => [base, message]));
  return { path: PATH, guid: "g1", uidValidity: 7, messageByBase, ...more };
}

describe("compareAtFirstContact", () => {
  test("the same mailbox with a part of the source's mail: it is there", () => {
    expect(compareAtFirstContact([replica(["a", "b"])], () => source(["a", "b", "c"]))).toStrictEqual([
      { ...NOTHING, present: 2, hasNewer: true },
    ]);
  });

  test("what is there under other marks, where both are known, takes the source's", () => {
    const here = source(["a+F", "b+F", "c+F", "d"]);
    expect(compareAtFirstContact([replica(["a+F", "b+S", "c", "d+S"])], () => here)).toStrictEqual([
      { ...NOTHING, present: 4, remarked: 1 },
    ]);
  });

  test("an empty mailbox is nothing to speak of, whatever its identity", () => {
    expect(compareAtFirstContact([replica([]), replica([], { guid: "g2" })], () => source(["a"]))).toStrictEqual([]);
    expect(compareAtFirstContact([], () => source(["a"]))).toStrictEqual([]);
  });

  test("mail that the source does not have is foreign, in its order", () => {
    expect(compareAtFirstContact([replica(["x", "a", "y"])], () => source(["a"]))).toStrictEqual([
      { ...NOTHING, foreign: ["x", "y"], present: 1 },
    ]);
  });

  test("all mail of a mailbox that the source does not have is foreign", () => {
    expect(compareAtFirstContact([replica(["a", "b"])], () => undefined)).toStrictEqual([
      { ...NOTHING, foreign: ["a", "b"] },
    ]);
  });

  test("a UID below the destination's next one without its message is passed, whether something else has it or nothing", () => {
    const found = compareAtFirstContact([replica(["a", "x@3", "y@6"])], () => source(["a", "b", "c", "d", "g"]));
    expect(found).toMatchObject([{ passed: [2, 3, 4], inTheWay: [{ base: "x", uid: 3 }], hasNewer: true }]);
    const empty = compareAtFirstContact([replica([], { uidNext: 2 })], () => source(["a", "b"]));
    expect(empty).toStrictEqual([{ ...NOTHING, passed: [1], hasNewer: true }]);
  });

  test("the source's own mail under another UID is no foreign mail, and passed for both", () => {
    const found = compareAtFirstContact([replica(["a", "b@4"])], () => source(["a", "b", "d", "e@0"]));
    expect(found).toStrictEqual([{ ...NOTHING, present: 2, passed: [2, 4] }]);
  });

  test.each([
    ["another GUID", { guid: "g2" }],
    ["another UIDVALIDITY", { uidValidity: 8 }],
    ["no GUID yet", { guid: "", uidValidity: 0 }],
  ])("under %s what both have may serve again, if its size is the same", (_name, more) => {
    const found = compareAtFirstContact([replica(["a", "x", "b/3"], more)], () => source(["a", "b", "c"]));
    expect(found).toStrictEqual([{ ...NOTHING, isOther: true, foreign: ["x"], copies: ["a"], changed: ["b"] }]);
  });

  test("each mailbox is compared with its own", () => {
    const other = rawPath("u/Maildir/.Sent");
    const mailboxes = [replica(["a"]), replica(["s", "t"], { path: other, guid: "g9" })];
    const found = compareAtFirstContact(mailboxes, ({ guid }) =>
      guid === "g9" ? source(["s"], { guid: "g9" }) : source(["a"]),
    );
    expect(found).toStrictEqual([
      { ...NOTHING, present: 1 },
      { ...NOTHING, path: other, foreign: ["t"], present: 1 },
    ]);
  });
});
