import { expect, test } from "vitest";
import { MailtwinError } from "../../../src/base/errors.js";
import {
  isBaseName,
  isMailboxGuid,
  isUid,
  parseBaseName,
  parseMailboxGuid,
  parseUid,
  parseUidValidity,
  UID_MAX,
} from "../../../src/maildir/ids.js";

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof MailtwinError ? error.code : String(error);
  }
  return undefined;
}

test.each([0, -1, 1.5, Number.NaN, UID_MAX + 1, 0xffff_ffff, 2 ** 53])("%s is no UID", (value) => {
  expect(isUid(value)).toBe(false);
  expect(codeOf(() => parseUid(value))).toBe("uid-out-of-range");
});

test("the highest UID leaves Dovecot room below 2^32", () => {
  expect(parseUid(UID_MAX)).toBe(UID_MAX);
  expect(UID_MAX).toBeLessThan(0xffff_fffe);
});

test("UIDVALIDITY has all of 1..2^32-1", () => {
  expect(parseUidValidity(0xffff_ffff)).toBe(0xffff_ffff);
  expect(codeOf(() => parseUidValidity(0))).toBe("uidvalidity-invalid");
  expect(codeOf(() => parseUidValidity(2 ** 32))).toBe("uidvalidity-invalid");
});

test("a mailbox GUID is 32 small hexadecimal digits; capitals are taken and made small", () => {
  expect(parseMailboxGuid("0123456789ABCDEF0123456789abcdef")).toBe("0123456789abcdef0123456789abcdef");
  expect(isMailboxGuid("0123456789ABCDEF0123456789abcdef")).toBe(false);
  expect(codeOf(() => parseMailboxGuid("0123"))).toBe("guid-invalid");
  expect(codeOf(() => parseMailboxGuid(`${"0".repeat(32)}\n`))).toBe("guid-invalid");
});

test.each(["", ".hidden", "a/b", "a:2,S", "a\nb", "a\rb", "a\0b", "x".repeat(256), "\u0100"])(
  "%j is no base name",
  (name) => {
    expect(isBaseName(name)).toBe(false);
    expect(codeOf(() => parseBaseName(name))).toBe("message-name-invalid");
  },
);

test.each(["1.M2P3.host,S=1,W=2", "with space", "\xff\xfe", "a.b", "x".repeat(255)])("%j is a base name", (name) => {
  expect(parseBaseName(name)).toBe(name);
});
