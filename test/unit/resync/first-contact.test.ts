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
const NOTHING: ContactFinding = { path: PATH, foreign: [], present: 0, isOther: false, copies: [], changed: [] };

/** "a" is 10 bytes long, "a/7" is 7. */
function messages(texts: readonly string[]) {
  return texts.map((text) => ({ base: text.split("/")[0] ?? "", size: Number(text.split("/")[1] ?? 10) }));
}

function replica(texts: readonly string[], more: Partial<ReplicaMailbox> = {}): ReplicaMailbox {
  return { path: PATH, guid: "g1", uidValidity: 7, messages: messages(texts), ...more };
}

function source(texts: readonly string[], more: Partial<SourceMailbox> = {}): SourceMailbox {
  const sizeByBase = new Map(messages(texts).map(({ base, size }) => [base, size]));
  return { path: PATH, guid: "g1", uidValidity: 7, sizeByBase, ...more };
}

describe("compareAtFirstContact", () => {
  test("the same mailbox with a part of the source's mail: it is there", () => {
    expect(compareAtFirstContact([replica(["a", "b"])], () => source(["a", "b", "c"]))).toStrictEqual([
      { ...NOTHING, present: 2 },
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
