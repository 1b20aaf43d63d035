import { describe, expect, test } from "vitest";
import { parseUidlist } from "../../../src/maildir/uidlist.js";
import { fieldOf } from "../../../src/maildir/uidlist-write.js";
import { bytesOf, GUID, HEADER, recordsOf, uidlistOf } from "./uidlist-bytes.js";

describe("reading version 3", () => {
  test("header, records and their fields", () => {
    const uidlist = uidlistOf(`${HEADER} P%08Xu`, "1 :a", "2 S309 W323 Gold,S=1 :b c,S=309", "7 Z9 :\xff");
    expect(uidlist.header).toEqual({ version: 3, uidValidity: 1763913600, nextUid: 4, guid: GUID, extra: "P%08Xu" });
    expect(recordsOf(uidlist)).toEqual([
      { uid: 1, base: "a", fields: "" },
      { uid: 2, base: "b c,S=309", fields: "S309 W323 Gold,S=1" },
      { uid: 7, base: "\xff", fields: "Z9" },
    ]);
    expect(fieldOf(uidlist.fieldsAt(1), "G")).toBe("old,S=1");
    expect(fieldOf(uidlist.fieldsAt(1), "P")).toBeUndefined();
  });

  test("the next UID is the greater of N and the last UID + 1", () => {
    expect(uidlistOf(HEADER, "9 :a").nextUid).toBe(10);
    expect(uidlistOf(HEADER, "1 :a").nextUid).toBe(4);
    expect(uidlistOf(HEADER).nextUid).toBe(4);
  });

  test("records are found by UID and by base name", () => {
    const uidlist = uidlistOf(HEADER, "2 :aa", "5 :ab", "9 :b");
    expect([2, 5, 9].map((uid) => uidlist.indexOfUid(uid))).toEqual([0, 1, 2]);
    expect([0, 1, 3, 10].map((uid) => uidlist.indexOfUid(uid))).toEqual([-1, -1, -1, -1]);
    expect(["aa", "ab", "b", "a", "", "bb", "x".repeat(9000)].map((base) => uidlist.indexOfBase(base))).toEqual([
      0, 1, 2, -1, -1, -1, -1,
    ]);
  });

  test("an info after the base name, CRLF, several spaces and lower-case keys are tolerated", () => {
    const uidlist = uidlistOf(`${HEADER}\r`, "1 :a:2,S", "2 :b\r", "3   S1  W2   :c", "4 x1 :d", "5 Pa:b :e:2,S\r");
    expect(recordsOf(uidlist)).toEqual([
      { uid: 1, base: "a", fields: "" },
      { uid: 2, base: "b", fields: "" },
      { uid: 3, base: "c", fields: "S1  W2" },
      { uid: 4, base: "d", fields: "x1" },
      { uid: 5, base: "e", fields: "Pa:b" },
    ]);
    expect(uidlist.indexOfBase("a")).toBe(0);
  });

  test("of two records of one base name the later counts", () => {
    const uidlist = uidlistOf(HEADER, "1 :a", "2 :b", "3 :a");
    expect(uidlist.indexOfBase("a")).toBe(2);
    expect([0, 1, 2].map((index) => uidlist.isShadowed(index))).toEqual([true, false, false]);
    expect(uidlistOf(HEADER, "1 :a").isShadowed(0)).toBe(false);
  });

  test("an unfinished last line is no record", () => {
    const whole = bytesOf(HEADER, "1 :a", "2 :bcd");
    const parse = parseUidlist(whole.subarray(0, whole.length - 3));
    expect(parse.kind).toBe("ok");
    if (parse.kind !== "ok") return;
    expect(recordsOf(parse.uidlist).map((record) => record.uid)).toEqual([1]);
    expect(parse.uidlist).toMatchObject({ endsWithNewline: false, ignoredBytes: 4, byteLength: whole.length - 7 });
  });

  test("a missing GUID is no damage: Dovecot writes it later", () => {
    expect(uidlistOf("3 V1 N1").header).toEqual({ version: 3, uidValidity: 1, nextUid: 1, extra: "" });
  });
});

test("version 1 is read", () => {
  const uidlist = uidlistOf("1 77 5", "1 a", "3 b c:2,S");
  expect(uidlist.header).toEqual({ version: 1, uidValidity: 77, nextUid: 5, extra: "" });
  expect(recordsOf(uidlist)).toEqual([
    { uid: 1, base: "a", fields: "" },
    { uid: 3, base: "b c", fields: "" },
  ]);
  expect(parseUidlist(bytesOf("1 77 5", "5 a"))).toMatchObject({ kind: "damaged", line: 2 });
});

test.each([
  ["2 V1 N1", 2],
  ["4 V1 N1", 4],
  ["10 V1 N1", 10],
])("%j is a version that we do not know", (header, version) => {
  expect(parseUidlist(bytesOf(header))).toEqual({ kind: "unsupported", version });
});

describe("what Dovecot calls broken is damaged, with the line", () => {
  test.each([
    ["no bytes", Buffer.alloc(0)],
    ["a header without line end", Buffer.from(HEADER)],
    ["no version", bytesOf("V1 N1")],
    ["only a version", bytesOf("3")],
    ["no V", bytesOf(`3 N4 G${GUID}`)],
    ["no N", bytesOf(`3 V4 G${GUID}`)],
    ["V of 0", bytesOf("3 V0 N1")],
    ["N of 0", bytesOf("3 V1 N0")],
    ["V of 2^32", bytesOf("3 V4294967296 N1")],
    ["N near 2^32", bytesOf("3 V1 N4294967294")],
    ["N that is no number", bytesOf("3 V1 N-1")],
    ["a bad G", bytesOf("3 V1 N1 Gxyz")],
    ["two spaces", bytesOf("3  V1 N1")],
    ["a NUL byte", bytesOf("3 V1 N1 P\0")],
    ["version 1 without numbers", bytesOf("1 77")],
  ])("header: %s", (_, bytes) => {
    expect(parseUidlist(bytes)).toMatchObject({ kind: "damaged", line: 1, why: expect.stringMatching(/.+/) });
  });

  test.each([
    ["a blank line", ""],
    ["garbage", "hello"],
    ["no space before the colon", "3:c"],
    ["no colon", "3 c"],
    ["no name", "3 :"],
    ["an empty base name", "3 ::2,S"],
    ["only a CR for a name", "3 :\r"],
    ["UID 0", "0 :c"],
    ["the same UID again", "2 :c"],
    ["a lower UID", "1 :c"],
    ["UID 2^32-1", "4294967295 :c"],
    ["a UID where Dovecot would fail soon", "4294967294 :c"],
    ["a UID of many digits", `${"9".repeat(400)} :c`],
    ["a slash in the name", "3 :c/d"],
    ["a slash after the base name", "3 :c:2,S/"],
    ["a NUL byte", "3 :c\0d"],
    ["a negative UID", "-3 :c"],
  ])("record: %s", (_, line) => {
    const parse = parseUidlist(bytesOf(HEADER, "1 :a", "2 :b", line, "9 :z"));
    expect(parse).toMatchObject({ kind: "damaged", line: 4, why: expect.stringMatching(/.+/) });
  });

  test("a slash in a field is fine, before and after", () => {
    expect(uidlistOf(HEADER, "1 Pa/b :a", "2 :b", "3 Pc/d :c").count).toBe(3);
  });
});

describe("extending", () => {
  test("a broken line leaves everything as it was", () => {
    const uidlist = uidlistOf(HEADER, "1 :a");
    expect(uidlist.indexOfBase("a")).toBe(0);
    expect(uidlist.extend(bytesOf("2 :b", "2 :c"))).toMatchObject({ kind: "damaged", line: 4 });
    expect(uidlist.count).toBe(1);
    expect(uidlist.indexOfBase("b")).toBe(-1);
    expect(uidlist.extend(bytesOf("3 :c"))).toEqual({ kind: "ok", firstNewIndex: 1 });
    expect(recordsOf(uidlist).map((record) => record.base)).toEqual(["a", "c"]);
    expect(uidlist.indexOfBase("c")).toBe(1);
  });

  test("nothing new is an empty extension", () => {
    const uidlist = uidlistOf(HEADER, "1 :a");
    expect(uidlist.extend(Buffer.alloc(0))).toEqual({ kind: "ok", firstNewIndex: 1 });
    expect(uidlist.extend(Buffer.from("2 :"))).toEqual({ kind: "ok", firstNewIndex: 1 });
    expect(uidlist.ignoredBytes).toBe(3);
  });

  test("thousands of small appends keep every index right", () => {
    const uidlist = uidlistOf(HEADER);
    expect(uidlist.indexOfBase("x")).toBe(-1);
    for (let uid = 1; uid <= 3000; uid++) uidlist.extend(bytesOf(`${uid} :name${uid}`));
    expect(uidlist.count).toBe(3000);
    for (let uid = 1; uid <= 3000; uid++) expect(uidlist.indexOfBase(`name${uid}`)).toBe(uid - 1);
  });
});
