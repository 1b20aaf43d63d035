import { describe, expect, test } from "vitest";
import {
  assignLetters,
  formatKeywords,
  isKeywordName,
  knownLetters,
  letterBitOf,
  NO_KEYWORDS,
  namesOfLetters,
  nextKeywordsMtimeS,
  parseKeywords,
  readKeywords,
} from "../../../src/maildir/keywords.js";
import { openTempMailbox } from "./temp-mailbox.js";

function keywordsOf(text: string): ReturnType<typeof parseKeywords> {
  return parseKeywords(Buffer.from(text, "latin1"));
}

describe("parsing", () => {
  test("index and name; CRLF; names with odd bytes", () => {
    const keywords = keywordsOf("0 $Forwarded\n2 Work\r\n25 \xe9t\xe9\n");
    expect(keywords.names).toHaveLength(26);
    expect([0, 1, 2, 25].map((index) => keywords.names[index])).toEqual(["$Forwarded", undefined, "Work", "\xe9t\xe9"]);
    expect(formatKeywords(keywords).toString("latin1")).toBe("0 $Forwarded\n2 Work\n25 \xe9t\xe9\n");
  });

  test("what Dovecot skips is skipped", () => {
    const keywords = keywordsOf("header\n26 Late\n99999999999 X\n-1 Y\n3 \n0 A\n1 a\n2 Last");
    expect(keywords.names.filter((name) => name !== undefined)).toEqual(["A"]);
  });
});

test("letters to names, and which have none", () => {
  const keywords = keywordsOf("0 A\n2 C\n");
  expect(namesOfLetters(keywords, 0b1111)).toEqual({ names: ["A", "C"], unknown: 0b1010 });
  expect(namesOfLetters(keywords, 0)).toEqual({ names: [], unknown: 0 });
  expect(knownLetters(keywords)).toBe(0b101);
});

describe("assigning letters", () => {
  test("known names keep theirs without regard to case; nothing is added", () => {
    const keywords = keywordsOf("0 A\n1 $Junk\n");
    const assignment = assignLetters(keywords, ["$junk"]);
    expect(assignment).toMatchObject({ added: false, overflow: [] });
    expect(assignment.keywords).toBe(keywords);
    expect(assignment.letterBitByName.get("$junk")).toBe(2);
    expect(letterBitOf(keywords, "$JUNK")).toBe(2);
    expect(letterBitOf(keywords, "B")).toBe(0);
  });

  test("new names get the first free letter, and one letter for two spellings", () => {
    const assignment = assignLetters(keywordsOf("0 A\n2 C\n"), ["x", "X", "y"]);
    expect(formatKeywords(assignment.keywords).toString()).toBe("0 A\n1 x\n2 C\n3 y\n");
    expect([...assignment.letterBitByName]).toEqual([
      ["x", 2],
      ["X", 2],
      ["y", 8],
    ]);
    expect(assignment.added).toBe(true);
  });

  test("a letter that messages use without a name is not free", () => {
    const assignment = assignLetters(keywordsOf("0 A\n"), ["x"], 0b110);
    expect(assignment.letterBitByName.get("x")).toBe(0b1000);
  });

  test("past 26 there is overflow, and no letter is reassigned", () => {
    const many = Array.from({ length: 28 }, (_, i) => `k${i}`);
    const assignment = assignLetters(NO_KEYWORDS, [...many, "k27"]);
    expect(assignment.overflow).toEqual(["k26", "k27"]);
    expect(assignment.letterBitByName.size).toBe(26);
    expect(assignLetters(assignment.keywords, ["other"])).toMatchObject({ added: false, overflow: ["other"] });
    expect(NO_KEYWORDS.names.every((name) => name === undefined)).toBe(true);
  });

  test.each(["", "a b", "a\n1 b", "\x7f", "x".repeat(256), "\u0100"])("%j is refused", (name) => {
    expect(isKeywordName(name)).toBe(false);
    expect(() => assignLetters(NO_KEYWORDS, [name])).toThrow(expect.objectContaining({ code: "keyword-name-invalid" }));
  });
});

describe("the file", () => {
  test("absent is empty", () => {
    expect(readKeywords(openTempMailbox().dir)).toEqual({ keywords: NO_KEYWORDS, mtimeMs: 0, size: 0, ino: 0 });
  });

  test("read with its facts", () => {
    const { dir, write } = openTempMailbox();
    write("dovecot-keywords", "0 A\n");
    const file = readKeywords(dir);
    expect(file.keywords.names[0]).toBe("A");
    expect(file).toMatchObject({ size: 4, ino: dir.stat("dovecot-keywords")?.ino });
  });

  test("one that is far too large is damaged", () => {
    const { dir, write } = openTempMailbox();
    write("dovecot-keywords", "0 A\n".repeat(20_000));
    expect(() => readKeywords(dir)).toThrow(expect.objectContaining({ code: "keywords-damaged" }));
  });

  test("a new file is later than the old by a whole second at least", () => {
    expect(nextKeywordsMtimeS(10_900, 5_000)).toBe(10);
    expect(nextKeywordsMtimeS(10_900, 10_100)).toBe(11);
    expect(nextKeywordsMtimeS(10_900, 20_000)).toBe(21);
    expect(nextKeywordsMtimeS(10_900, 0)).toBe(10);
  });
});
