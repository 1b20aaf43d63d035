/** What a list of changes shrinks to. */
import { describe, expect, test } from "vitest";
import { coalesce } from "../../../src/txn/coalesce.js";
import type { Change, SaveChange } from "../../../src/txn/transaction.js";
import { expunge, marks, message, rebind, save } from "./txn-fixtures.js";

describe("coalesce", () => {
  test.each<[string, readonly Change[], readonly Change[]]>([
    ["a draft that came and went is nothing", [save(1), expunge(1)], []],
    ["a flag that was set and taken back is nothing", [marks(1, {}, { flags: 1 }), marks(1, { flags: 1 }, {})], []],
    [
      "marks follow each other",
      [marks(1, {}, { flags: 1 }), marks(1, { flags: 1 }, { flags: 3, keywords: ["k"] })],
      [marks(1, {}, { flags: 3, keywords: ["k"] })],
    ],
    ["marks of a new message are its own", [save(1), marks(1, {}, { flags: 16 })], [save(1, { flags: 16 })]],
    ["marks before an expunge do not matter", [marks(1, {}, { flags: 1 }), expunge(1)], [expunge(1)]],
    [
      "a message that moved twice moved once",
      [rebind(1, message(5, { base: message(1).base })), rebind(5, message(7, { base: message(1).base }), "m1,S=12")],
      [rebind(1, message(7, { base: message(1).base }))],
    ],
    [
      "a message that moved and went is gone from where it was",
      [rebind(1, message(5, { base: message(1).base })), expunge(5, "m1,S=12")],
      [expunge(1)],
    ],
    [
      "a new message that moved is new there",
      [save(1), rebind(1, message(5, { base: message(1).base }))],
      [{ kind: "save", message: message(5, { base: message(1).base }) }],
    ],
    [
      "a UID that is left and given again stays right",
      [expunge(1), save(1, { size: 5 })],
      [expunge(1), save(1, { size: 5 })],
    ],
    [
      "order is expunges, marks, new UIDs",
      [save(9), expunge(2), save(8 + 2), marks(3, {}, { flags: 1 })],
      [expunge(2), marks(3, {}, { flags: 1 }), save(9), save(10)],
    ],
  ])("%s", (_name, given, short) => {
    expect(coalesce(given)).toStrictEqual(short);
  });

  test("keeps where a body can be had, and its owner", () => {
    const origin = { mailbox: "0".repeat(32), uid: 4, base: "x" } as SaveChange["origin"];
    const given = { ...save(1), owner: { uid: 1, gid: 2, mode: 3 }, ...(origin === undefined ? {} : { origin }) };
    expect(coalesce([given, marks(1, {}, { flags: 1 })])).toStrictEqual([
      { ...given, message: message(1, { flags: 1 }) },
    ]);
  });

  test("a list that places a UID twice is a programmer's error", () => {
    expect(() => coalesce([save(1), save(1)])).toThrow(/UID 1 is placed while it is taken/);
  });
});
