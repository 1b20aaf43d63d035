/** Transactions in words. */
import { describe, expect, test } from "vitest";
import { parseMailboxGuid, parseUidValidity } from "../../../src/maildir/ids.js";
import { describeTransaction } from "../../../src/txn/describe.js";
import type { Change, Structure, Transaction } from "../../../src/txn/transaction.js";
import { expunge, marks, message, rawPath, rebind, save, transaction } from "./txn-fixtures.js";

const words = (changes: readonly Change[], more: Partial<Transaction> = {}): string =>
  describeTransaction(transaction({ changes, ...more }));

describe("describeTransaction", () => {
  test("one delivery", () => {
    expect(words([save(17, { size: 12_300 })])).toBe("alice/Maildir/.Sent: deliver UID 17 (12.3 kB)");
  });

  test("many of a kind are summed up", () => {
    const changes = Array.from({ length: 512 }, (_, i) => save(i + 1, { size: 1000 }));
    expect(words(changes)).toBe("alice/Maildir/.Sent: deliver 512 messages, UID 1..512 (512 kB)");
    const expunges = Array.from({ length: 5 }, (_, i) => expunge(i + 3));
    expect(words(expunges)).toBe("alice/Maildir/.Sent: expunge 5 messages, UID 3..7");
  });

  test("each kind of change", () => {
    const changes = [
      expunge(1),
      marks(2, { flags: 2, keywords: ["$Junk"] }, { flags: 16, keywords: ["NonJunk"] }),
      rebind(3, message(9)),
      rebind(4, message(4)),
      { ...save(10), origin: { ...message(1), mailbox: transaction().mailbox } },
    ];
    expect(words(changes)).toBe(
      "alice/Maildir/.Sent: expunge UID 1; mark UID 2 (-flagged +seen +NonJunk -$Junk); move UID 3 to UID 9; " +
        "rename the file of UID 4; copy UID 10 (12 bytes)",
    );
  });

  test.each<[Structure, string]>([
    [{ kind: "create", owner: transaction().fileOwner, parents: [], maildirFolder: true }, "create the mailbox"],
    [{ kind: "rename", from: rawPath("alice/Maildir/.Old") }, "rename it from alice/Maildir/.Old"],
    [
      { kind: "rename", from: rawPath("alice/Maildir/.Old"), displaces: parseMailboxGuid("0".repeat(32)) },
      "rename it from alice/Maildir/.Old, where the one in its way goes",
    ],
    [{ kind: "delete" }, "delete the mailbox"],
    [{ kind: "reset", before: parseUidValidity(5) }, "begin anew: its UIDVALIDITY was 5"],
  ])("structure %#", (structure, text) => {
    expect(words([], { structure })).toBe(`alice/Maildir/.Sent: ${text}`);
  });

  test("nothing but a next UID, at the store's root", () => {
    expect(words([], { path: rawPath("") })).toBe("INBOX: raise the next UID to 100");
  });

  test("control characters do not reach the terminal", () => {
    expect(words([expunge(1)], { path: rawPath("a\u001b[2J\nb") })).toBe("a\\x1b[2J\\x0ab: expunge UID 1");
  });
});
