import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import {
  assignLetters,
  formatKeywords,
  isKeywordName,
  type Keywords,
  NO_KEYWORDS,
  namesOfLetters,
  parseKeywords,
} from "../../../src/maildir/keywords.js";
import { tries } from "../tries.js";

const latin1 = fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte));
const names = fc.oneof(
  fc.string({ unit: latin1, minLength: 1, maxLength: 8 }).filter(isKeywordName),
  fc.nat({ max: 40 }).map((n) => `k${n}`),
);
const wishes = fc.array(names, { maxLength: 40 });

test.prop([wishes, wishes, fc.nat({ max: 0x3ff_ffff })], tries())(
  "an index that has a name keeps it; every wish has its letter or is overflow",
  (first, second, lettersInUse) => {
    const before = assignLetters(NO_KEYWORDS, first).keywords;
    const { keywords, letterBitByName, added, overflow } = assignLetters(before, second, lettersInUse);
    before.names.forEach((name, index) => {
      if (name !== undefined) expect(keywords.names[index]).toBe(name);
      else if ((lettersInUse & (1 << index)) !== 0) expect(keywords.names[index]).toBeUndefined();
    });
    for (const wish of second) expect(letterBitByName.has(wish)).toBe(!overflow.includes(wish));
    for (const [wish, bit] of letterBitByName) {
      expect(namesOfLetters(keywords, bit)).toMatchObject({ unknown: 0 });
      expect(namesOfLetters(keywords, bit).names[0]?.toLowerCase()).toBe(wish.toLowerCase());
    }
    expect(added).toBe(keywords !== before);
  },
);

test.prop([wishes], tries())("parsing what was formatted gives the same keywords", (first) => {
  const { keywords } = assignLetters(NO_KEYWORDS, first);
  expect(parseKeywords(formatKeywords(keywords))).toEqual<Keywords>(keywords);
});

test.prop([fc.uint8Array({ maxLength: 200 })], tries())(
  "any bytes give 26 entries that format to what parses alike",
  (bytes) => {
    const keywords = parseKeywords(bytes);
    expect(keywords.names).toHaveLength(26);
    expect(parseKeywords(formatKeywords(keywords))).toEqual(keywords);
  },
);
