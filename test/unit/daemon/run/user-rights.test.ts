/** Whose mailbox it is, and who is limited to whom. */
import { fc } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { type RawPath, rawFromText } from "../../../../src/base/raw-name.js";
import { maySee } from "../../../../src/daemon/run/user-rights.js";

const path = (text: string) => rawFromText(text) as RawPath;

test.each([
  ["alice", "alice", true],
  ["alice", "alice/Maildir/.Sent", true],
  ["alice", "alicia/.Sent", false],
  ["alice", "bob/alice", false],
  ["alice", "bob/.alice", false],
  ["al*", "alicia", true],
  ["al*", "alice/x", true],
  ["a?ice", "alice", true],
  ["a?ice", "a/ice", false],
  ["*@example.org", "example.org/alice/.Sent", true],
  ["*@example.org", "example.com/alice/.Sent", false],
  ["*@example.org", "evil/example.org/x", false],
  ["alice@example.org", "example.org/alice/Maildir", true],
  ["alice@example.org", "example.org/bob/.alice@example.org", false],
  ["example.org", "example.org/alice", true],
  ["example.org/*", "example.org/alice", true],
  ["example.org/*", "example.org", false],
  ["*", "alice/.Sent", true],
  ["*", ".Sent", false],
  ["*", "", false],
  ["a*b*c", "aXbYc", true],
  ["a*b*c", "aXcYb", false],
  ["käthe", "käthe", true],
])("%s fits %s: %s", (pattern, mailbox, isFit) => {
  expect(maySee([pattern])(path(mailbox))).toBe(isFit);
});

test("without patterns everything is seen, with none nothing", () => {
  expect(maySee(undefined)(path(".Sent"))).toBe(true);
  expect(maySee([])(path("alice"))).toBe(false);
});

test("a user is found by his own name, and by no other of the same length", () => {
  const name = fc.stringMatching(/^[a-z]{1,12}$/);
  fc.assert(
    fc.property(name, name, (own, other) => {
      expect(maySee([own])(path(`${own}/.Sent`))).toBe(true);
      if (own !== other) expect(maySee([own])(path(`${other}/.${own}`))).toBe(false);
    }),
  );
});

test("a pattern of many stars is not slow", () => {
  const pattern = `${"a*".repeat(60)}b`;
  expect(maySee([pattern])(path("a".repeat(4_000)))).toBe(false);
});
