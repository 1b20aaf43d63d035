/** Names of any length in texts for people. */
import { expect, test } from "vitest";
import { withoutMiddle, withoutMiddles } from "../../../src/daemon/words.js";

test("a long name is without its middle, and no character is cut in two", () => {
  const name = `alice/${".a".repeat(2_000)}/Work`;
  const shown = withoutMiddle(name);
  expect(shown).toMatch(/^alice\/[.a]+\[…\][.a]+\/Work$/);
  expect([...shown]).toHaveLength(200);
  expect(withoutMiddle("x".repeat(200))).toBe("x".repeat(200));
  const faces = "😀".repeat(300);
  expect(withoutMiddle(faces)).toBe(`${"😀".repeat(99)}[…]${"😀".repeat(98)}`);
  expect(withoutMiddle("😀".repeat(150))).toBe("😀".repeat(150));
});

test("a text keeps its words, and each long name in it is shorter; one with blanks in it as well", () => {
  const words = "reading dovecot-uidlist: line 3 is no record; ".repeat(10);
  expect(withoutMiddles(words)).toBe(words);
  const long = "a/".repeat(500);
  expect(withoutMiddles(`renaming ${long}b to ${long}c: no space`)).toMatch(
    /^renaming [a/]+\[…\][a/]+b to [a/]+\[…\][a/]+c: no space$/,
  );
  const blanks = withoutMiddles(`opening ${"a b/".repeat(2_000)}: no permission`);
  expect(blanks).toMatch(/^opening a b\/.*\[…\].*: no permission$/);
  expect(blanks).toHaveLength(2_000);
});
