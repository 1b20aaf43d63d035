import { describe, expect, test } from "vitest";
import { parseBaseName, parseMailboxGuid, parseUid, parseUidValidity } from "../../../src/maildir/ids.js";
import type { Uidlist } from "../../../src/maildir/uidlist.js";
import { formatUidlistHeader, isHeaderExtra } from "../../../src/maildir/uidlist-header.js";
import {
  encodeRecords,
  formatRecord,
  isRecordFields,
  planUidlistRewrite,
  type UidlistRecord,
  type UidlistRewrite,
} from "../../../src/maildir/uidlist-write.js";
import { GUID, HEADER, uidlistOf } from "./uidlist-bytes.js";

function record(uid: number, base: string, fields = ""): UidlistRecord {
  return { uid: parseUid(uid), base: parseBaseName(base), fields };
}

function rewritten(uidlist: Uidlist, rewrite: Partial<UidlistRewrite>): string[] {
  const parts = planUidlistRewrite(uidlist, { drop: new Set(), add: [], ...rewrite });
  return Buffer.concat(parts).toString("latin1").split("\n");
}

test("header and records as Dovecot writes them", () => {
  expect(formatUidlistHeader(uidlistOf(`${HEADER} P%08Xu`).header)).toBe(`${HEADER} P%08Xu\n`);
  expect(formatRecord(record(2, "b", "S309 W323"))).toBe("2 S309 W323 :b\n");
  expect(encodeRecords([record(2, "b"), record(3, "\xff")], 1).toString("latin1")).toBe("2 :b\n3 :\xff\n");
});

test.each(["a1", "S1 ", " S1", "S1  W1", "S1\nW1", "S1\0", "S1 :x"])("%j cannot be a record's fields", (fields) => {
  expect(isRecordFields(fields)).toBe(false);
  expect(() => formatRecord(record(1, "a", fields))).toThrow("not a record");
});

test.each(["V1", "P1 N2", " P1", "P1 ", "P\n", ""])("%j cannot be other header keys", (extra) => {
  expect(isHeaderExtra(extra)).toBe(false);
});

test("UIDs must ascend", () => {
  expect(() => encodeRecords([record(2, "b")], 2)).toThrow("would follow");
  expect(() => encodeRecords([record(3, "b"), record(2, "c")], 1)).toThrow("would follow");
});

describe("rewriting", () => {
  const LINES = [HEADER, "1 :a", "2 x1   S2 :b:2,S\r", "3 :c", "5 :e"] as const;

  test("what stays, stays byte for byte; N is brought up to date", () => {
    expect(rewritten(uidlistOf(...LINES), {})).toEqual([HEADER.replace("N4", "N6"), ...LINES.slice(1), ""]);
  });

  test("records are dropped and added", () => {
    const result = rewritten(uidlistOf(...LINES), {
      drop: new Set([1, 3, 4]),
      add: [record(6, "f"), record(9, "i", "Gc")],
    });
    expect(result).toEqual([HEADER.replace("N4", "N10"), LINES[2], LINES[4], "6 :f", "9 Gc :i", ""]);
  });

  test("a UID whose record was dropped is never given again", () => {
    expect(rewritten(uidlistOf(...LINES), { drop: new Set([1, 2, 3, 5]) })).toEqual([HEADER.replace("N4", "N6"), ""]);
  });

  test("N may be raised to reserve UIDs, and never falls", () => {
    const uidlist = uidlistOf(...LINES);
    expect(rewritten(uidlist, { header: { nextUid: 100 } })[0]).toBe(HEADER.replace("N4", "N100"));
    expect(() => rewritten(uidlist, { header: { nextUid: 3 } })).toThrow("never be lowered");
  });

  test("a record moves to a new UID at the end", () => {
    const result = rewritten(uidlistOf(...LINES), { drop: new Set([3]), add: [record(6, "c", "Gold")] });
    expect(result.slice(3)).toEqual(["5 :e", "6 Gold :c", ""]);
  });

  test("an added UID must be above every old one, even a dropped one", () => {
    const uidlist = uidlistOf(...LINES);
    expect(() => rewritten(uidlist, { drop: new Set([5]), add: [record(5, "z")] })).toThrow("would follow");
  });

  test("the GUID may be given, but not changed", () => {
    const guid = parseMailboxGuid("f".repeat(32));
    expect(rewritten(uidlistOf("3 V1 N1"), { header: { guid } })[0]).toBe(`3 V1 N1 G${guid}`);
    expect(() => rewritten(uidlistOf(HEADER), { header: { guid } })).toThrow("GUID must never change");
    expect(rewritten(uidlistOf(HEADER), { header: { guid: parseMailboxGuid(GUID) } })[0]).toBe(HEADER);
  });

  test("a reset takes another identity", () => {
    const reset = { uidValidity: parseUidValidity(9), guid: parseMailboxGuid("f".repeat(32)), nextUid: 3 };
    const result = rewritten(uidlistOf(HEADER, "7 :a"), {
      header: { reset },
      drop: new Set([7]),
      add: [record(1, "x"), record(2, "y")],
    });
    expect(result).toEqual([`3 V9 N3 G${"f".repeat(32)}`, "1 :x", "2 :y", ""]);
    expect(() => rewritten(uidlistOf(HEADER, "7 :a"), { header: { reset } })).toThrow("above every record");
  });

  test("version 1 becomes version 3", () => {
    const guid = parseMailboxGuid(GUID);
    expect(rewritten(uidlistOf("1 77 5", "1 a", "3 b c:2,S"), { header: { guid } })).toEqual([
      `3 V77 N5 G${GUID}`,
      "1 :a",
      "3 :b c",
      "",
    ]);
  });
});
