/** Which mail of a destination the source does not have, and which of it may serve again. */
import { describe, expect, test } from "vitest";
import { MessageList, SourceMessages } from "../../../src/resync/contact-columns.js";
import {
  ContactComparison,
  type ContactFinding,
  type Listed,
  type ReplicaMailbox,
  type ReplicaMessage,
  type SourceMailbox,
} from "../../../src/resync/first-contact.js";
import { rawPath } from "../log/state-fixtures.js";

const PATH = rawPath("u/Maildir");
const NOTHING = {
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

function replica(texts: readonly string[], more: Partial<ReplicaMailbox> = {}) {
  const all = messages(texts);
  const uidNext = Math.max(0, ...all.map(({ uid }) => uid)) + 1;
  return { mailbox: { path: PATH, guid: "g1", uidValidity: 7, uidNext, ...more }, messages: all };
}

function source(texts: readonly string[], more: Partial<SourceMailbox> = {}): SourceMailbox {
  const found = new SourceMessages();
  for (const message of messages(texts)) found.add(message, message.marks);
  return { guid: "g1", uidValidity: 7, messages: found, ...more };
}

/** Two messages a page. Lists as arrays: of base names, or of messages with their UIDs where these count. */
function compare(
  { mailbox, messages: all }: { readonly mailbox: ReplicaMailbox; readonly messages: readonly ReplicaMessage[] },
  own: SourceMailbox | undefined,
) {
  const comparison = new ContactComparison(mailbox, own);
  for (let at = 0; at < all.length; at += 2) comparison.add(all.slice(at, at + 2));
  const finding = comparison.finding();
  return finding === undefined ? undefined : plain(finding);
}

function plain({ foreign, copies, changed, inTheWay, ...more }: ContactFinding) {
  const bases = (list: Listed): readonly string[] => {
    const found = Array.from(list, ({ base }) => base);
    expect(list).toHaveLength(found.length);
    return found;
  };
  return {
    ...more,
    ...{ foreign: bases(foreign), changed: bases(changed) },
    copies: Array.from(copies, ({ base, uid, size }) => `${base}/${size}@${uid}`),
    inTheWay: Array.from(inTheWay, ({ base, uid }) => ({ base, uid })),
  };
}

describe("ContactComparison", () => {
  test("the same mailbox with a part of the source's mail: it is there", () => {
    expect(compare(replica(["a", "b"]), source(["a", "b", "c"]))).toStrictEqual({
      ...NOTHING,
      present: 2,
      hasNewer: true,
    });
  });

  test("what is there under other marks, where both are known, takes the source's", () => {
    const here = source(["a+F", "b+F", "c+F", "d", "e+F"]);
    expect(compare(replica(["a+F", "b+S", "c", "d+S", "e+F"]), here)).toStrictEqual({
      ...NOTHING,
      present: 5,
      remarked: 1,
    });
  });

  test("an empty mailbox is nothing to speak of, whatever its identity", () => {
    expect(compare(replica([]), source(["a"]))).toBeUndefined();
    expect(compare(replica([], { guid: "g2" }), source(["a"]))).toBeUndefined();
    expect(compare(replica([]), undefined)).toBeUndefined();
  });

  test("mail that the source does not have is foreign, in its order", () => {
    expect(compare(replica(["x", "a", "y"]), source(["a"]))).toStrictEqual({
      ...NOTHING,
      foreign: ["x", "y"],
      present: 1,
    });
  });

  test("all mail of a mailbox that the source does not have is foreign", () => {
    expect(compare(replica(["a", "b"]), undefined)).toStrictEqual({ ...NOTHING, foreign: ["a", "b"] });
  });

  test("a UID below the destination's next one without its message is passed, whether something else has it or nothing", () => {
    const found = compare(replica(["a", "x@3", "y@6"]), source(["a", "b", "c", "d", "g"]));
    expect(found).toMatchObject({ passed: [2, 3, 4], inTheWay: [{ base: "x", uid: 3 }], hasNewer: true });
    const empty = compare(replica([], { uidNext: 2 }), source(["a", "b"]));
    expect(empty).toStrictEqual({ ...NOTHING, passed: [1], hasNewer: true });
  });

  test("a foreign file without a UID is in nobody's way, though a file of the source has none either", () => {
    const found = compare(replica(["a", "x@0"]), source(["a", "e@0"]));
    expect(found).toStrictEqual({ ...NOTHING, foreign: ["x"], present: 1 });
  });

  test("the source's own mail under another UID is no foreign mail, and passed for both", () => {
    const found = compare(replica(["a", "b@4"]), source(["a", "b", "d", "e@0"]));
    expect(found).toStrictEqual({ ...NOTHING, present: 2, passed: [2, 4] });
  });

  test("a file that gets its UID between two pages is the source's both times", () => {
    const found = compare(replica(["a", "b@0", "b"]), source(["a", "b"]));
    expect(found).toStrictEqual({ ...NOTHING, present: 3 });
  });

  test("of two messages of the source with one base name the later one counts", () => {
    const found = compare(replica(["a@1", "b@2"]), source(["a@1", "b@2", "a/7@3"]));
    expect(found).toMatchObject({ foreign: [], present: 2, passed: [], hasNewer: true });
  });

  test.each([
    ["another GUID", { guid: "g2" }],
    ["another UIDVALIDITY", { uidValidity: 8 }],
    ["no GUID yet", { guid: "", uidValidity: 0 }],
  ])("under %s what both have may serve again, if its size is the same", (_name, more) => {
    const found = compare(replica(["a@9", "x", "b/3"], more), source(["a", "b", "c"]));
    const copies = ["a/10@1"]; // with the source's UID: by it the body is read there.
    expect(found).toStrictEqual({ ...NOTHING, isOther: true, foreign: ["x"], copies, changed: ["b"] });
  });
});

describe("columns", () => {
  const COUNT = 5000;
  /** Bytes of any value, and of many lengths. */
  const nameOf = (i: number): string => `${String.fromCharCode(0x80 + (i % 0x80))}${"n".repeat(i % 200)}${i}`;

  test.each([0, COUNT])("hold as many as come, with room for %d at first", (expected) => {
    const found = new SourceMessages(expected);
    for (let i = 0; i < COUNT; i++)
      found.add({ base: nameOf(i), uid: i + 1, size: i * 2 ** 32 }, i % 2 === 0 ? "F" : "");
    const places = Array.from({ length: COUNT }, (_, i) => found.find(nameOf(i)));
    expect(places).toStrictEqual(Array.from({ length: COUNT }, (_, i) => i));
    expect([found.find("other"), found.find(`${"x".repeat(300)}`)]).toStrictEqual([-1, -1]);
    expect(places.filter((at) => found.uidAt(at) !== at + 1 || found.sizeAt(at) !== at * 2 ** 32)).toStrictEqual([]);
    expect(places.filter((at) => found.isMarkedOtherwise(at, "S"))).toHaveLength(COUNT / 2);
    found.add({ base: nameOf(7), uid: COUNT + 1, size: 1 }, "");
    expect([found.find(nameOf(7)), found.isShadowed(7), found.isShadowed(8)]).toStrictEqual([COUNT, true, false]);
  });

  test("a list gives back what was put into it, in its order, as often as one asks", () => {
    const list = new MessageList();
    const all = Array.from({ length: COUNT }, (_, i) => ({ base: nameOf(i), uid: i, size: i * 2 ** 32 }));
    for (const message of all.slice(0, 1500)) list.push(message);
    expect([...list]).toStrictEqual(all.slice(0, 1500));
    for (const message of all.slice(1500)) list.push(message);
    expect([...list]).toStrictEqual(all);
    expect(list).toHaveLength(COUNT);
  });
});
