/** What is shown of a name cannot break a line, turn the text around, or hide. */
import { expect, test } from "vitest";
import { displayRaw, nearestRawPath, rawFromText } from "../../../src/base/raw-name.js";

test.each([
  ...[0x61c, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e],
  ...[0x2060, 0x2066, 0x2069, 0xfeff],
])("U+%#x is escaped", (code) => {
  expect(displayRaw(rawFromText(`a${String.fromCharCode(code)}b`))).toBe(`a\\u{${code.toString(16)}}b`);
});

test("other text is shown as it is", () => {
  expect(displayRaw(rawFromText("Entwürfe – 中文 🙂"))).toBe("Entwürfe – 中文 🙂");
});

test("nearestRawPath is the deepest directory on the way that can be named", () => {
  const name = "d".repeat(255);
  const deep = Array.from({ length: 300 }, () => name).join("/");
  expect(nearestRawPath(`a/${deep}`)).toBe(`a/${Array.from({ length: 15 }, () => name).join("/")}`);
  expect(nearestRawPath(`a/b/${"x".repeat(256)}/c`)).toBe("a/b");
  expect([nearestRawPath("a/b"), nearestRawPath("")]).toStrictEqual(["a/b", ""]);
});
