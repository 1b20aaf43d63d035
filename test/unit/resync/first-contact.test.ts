/** Which mail of a destination the source does not have. */
import { describe, expect, test } from "vitest";
import { compareAtFirstContact, type ReplicaMailbox, type SourceMailbox } from "../../../src/resync/first-contact.js";
import { rawPath } from "../log/state-fixtures.js";

const PATH = rawPath("u/Maildir");

function replica(bases: readonly string[], more: Partial<ReplicaMailbox> = {}): ReplicaMailbox {
  return { path: PATH, guid: "g1", uidValidity: 7, bases, ...more };
}

function source(bases: readonly string[], more: Partial<SourceMailbox> = {}): SourceMailbox {
  return { path: PATH, guid: "g1", uidValidity: 7, bases: new Set(bases), ...more };
}

describe("compareAtFirstContact", () => {
  test("the same mailbox with a part of the source's mail is nothing to speak of", () => {
    expect(compareAtFirstContact([replica(["a", "b"])], () => source(["a", "b", "c"]))).toStrictEqual([]);
    expect(compareAtFirstContact([], () => source(["a"]))).toStrictEqual([]);
  });

  test("mail that the source does not have is foreign, in its order", () => {
    expect(compareAtFirstContact([replica(["x", "a", "y"])], () => source(["a"]))).toStrictEqual([
      { path: PATH, foreign: ["x", "y"], resent: [] },
    ]);
  });

  test("all mail of a mailbox that the source does not have is foreign", () => {
    expect(compareAtFirstContact([replica(["a", "b"])], () => undefined)).toStrictEqual([
      { path: PATH, foreign: ["a", "b"], resent: [] },
    ]);
  });

  test.each([
    ["another GUID", { guid: "g2" }],
    ["another UIDVALIDITY", { uidValidity: 8 }],
    ["no GUID yet", { guid: "", uidValidity: 0 }],
  ])("under %s what both have is sent again", (_name, more) => {
    expect(compareAtFirstContact([replica(["a", "x"], more)], () => source(["a", "b"]))).toStrictEqual([
      { path: PATH, foreign: ["x"], resent: ["a"] },
    ]);
  });

  test("each mailbox is compared with its own", () => {
    const other = rawPath("u/Maildir/.Sent");
    const mailboxes = [replica(["a"]), replica(["s", "t"], { path: other, guid: "g9" })];
    const found = compareAtFirstContact(mailboxes, ({ guid }) =>
      guid === "g9" ? source(["s"], { guid: "g9" }) : source(["a"]),
    );
    expect(found).toStrictEqual([{ path: other, foreign: ["t"], resent: [] }]);
  });
});
