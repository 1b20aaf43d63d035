/** How a difference is told: by which kind of change, and in which order. */
import { describe, expect, test } from "vitest";
import { parseBaseName } from "../../../src/maildir/ids.js";
import { diffMessages, messageGuid, reusedUids } from "../../../src/txn/diff.js";
import { expunge, marks, message, rebind, save } from "./txn-fixtures.js";

describe("diffMessages", () => {
  test("a new message is a save, a vanished one an expunge", () => {
    expect(diffMessages([message(1), message(2)], [message(2), message(3)])).toStrictEqual([expunge(1), save(3)]);
  });

  test("flags and keywords are told as before and after", () => {
    const after = message(1, { flags: 16, keywords: ["k"] });
    expect(diffMessages([message(1)], [after])).toStrictEqual([marks(1, {}, { flags: 16, keywords: ["k"] })]);
  });

  test("a file under another UID is a rebind", () => {
    const moved = message(9, { base: message(1).base });
    expect(diffMessages([message(1), message(2)], [message(2), moved])).toStrictEqual([rebind(1, moved)]);
  });

  test("a base name that Dovecot repaired is a rebind under the same UID", () => {
    const repaired = message(1, { base: parseBaseName("m1,S=15"), fields: "Gm1,S=12" });
    expect(diffMessages([message(1)], [repaired])).toStrictEqual([rebind(1, repaired)]);
    expect(reusedUids([message(1)], [repaired])).toStrictEqual([]);
  });

  test("a second repair is recognised by the G of both records", () => {
    const once = message(1, { base: parseBaseName("m1,S=15"), fields: "Gm1,S=12" });
    const twice = message(1, { base: parseBaseName("m1,S=16"), fields: "S16 Gm1,S=12" });
    expect(diffMessages([once], [twice])).toStrictEqual([rebind(1, twice, "m1,S=15")]);
  });

  test.each([{ fields: "S12" }, { size: 13 }, { mtimeS: 1 }])(
    "other record fields, size or date are a rebind: %j",
    (more) => {
      expect(diffMessages([message(1)], [message(1, more)])).toStrictEqual([rebind(1, message(1, more))]);
    },
  );

  test("a UID that names another message is an expunge and a save, and is named as reused", () => {
    const other = message(1, { base: parseBaseName("other") });
    expect(diffMessages([message(1)], [other])).toStrictEqual([expunge(1), { kind: "save", message: other }]);
    expect(reusedUids([message(1)], [other])).toStrictEqual([{ uid: 1, before: "m1,S=12", after: "other" }]);
  });

  test("a message that moves to where another was does not become a rebind", () => {
    const moved = message(2, { base: message(1).base });
    expect(diffMessages([message(1), message(2)], [moved])).toStrictEqual([
      expunge(1),
      expunge(2),
      { kind: "save", message: moved },
    ]);
  });

  test("order: expunges, then marks, then new UIDs ascending", () => {
    const before = [message(1), message(2), message(3)];
    const moved = message(5, { base: message(3).base });
    const after = [message(2, { flags: 1 }), message(4), moved, message(6)];
    expect(diffMessages(before, after)).toStrictEqual([
      expunge(1),
      marks(2, {}, { flags: 1 }),
      save(4),
      rebind(3, moved),
      save(6),
    ]);
  });
});

describe("messageGuid", () => {
  test.each([
    ["", "m1,S=12"],
    ["S3 Gabc", "abc"],
    ["Gabc,S=1 W3", "abc,S=1"],
    ["XG1 W3", "m1,S=12"],
  ])("of the record fields %j", (fields, guid) => {
    expect(messageGuid(message(1, { fields }))).toBe(guid);
  });
});
