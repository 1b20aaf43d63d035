import { expect, test } from "vitest";
import { isMailboxPath, parseMailboxPath } from "../../../src/maildir/mailbox-name.js";

test.each([
  "",
  ".Work",
  "alice/.Work.2024",
  "alice/Work/2024",
  ".\xff",
  ".&U,BTFw-",
  '.quo"te',
  "sieve",
  "dovecot",
  ".subscriptions",
  "dovecot-indexing",
])("%j can be a mailbox path", (path) => {
  expect(parseMailboxPath(path)).toBe(path);
});

test.each([
  "/abs",
  "a//b",
  "a/",
  "..",
  "a/../b",
  ".",
  "a/cur",
  "new",
  "tmp/x",
  ".a\nb",
  ".a\rb",
  "a\0",
  "\u0100",
  "x".repeat(256),
  "..DOVECOT-TRASHED",
  ".mailtwin-limbo/x",
  "dovecot-uidlist",
  "dovecot-uidlist.lock",
  "dovecot-uidlist.new-0123456789abcdef.lock",
  "dovecot.index.log.2",
  "dovecot.list.index",
  "dovecot-uidvalidity.5f",
  "maildirfolder",
  "subscriptions.lock",
])("%j cannot", (path) => {
  expect(isMailboxPath(path)).toBe(false);
  expect(() => parseMailboxPath(path)).toThrow(expect.objectContaining({ code: "mailbox-name-invalid" }));
});
