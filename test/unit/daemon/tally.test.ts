/** What was shipped, counted. */
import { describe, expect, test } from "vitest";
import { reportOf, Tally, wordsOfShipped } from "../../../src/daemon/tally.js";
import { parseBaseName, parseMailboxGuid, parseUid, parseUidValidity } from "../../../src/maildir/ids.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import type { Change, Transaction } from "../../../src/txn/transaction.js";
import { rawPath } from "../log/state-fixtures.js";

const base = parseBaseName("b");
const message = { uid: parseUid(9), base, ...NO_MARKS, size: 1, mtimeS: 1, fields: "" };
const CHANGES: readonly Change[] = [
  { kind: "save", message },
  { kind: "save", message },
  { kind: "marks", uid: parseUid(1), base, before: NO_MARKS, after: { ...NO_MARKS, flags: 1 } },
  { kind: "expunge", uid: parseUid(2), base },
  { kind: "rebind", fromUid: parseUid(3), fromBase: base, message },
];

function transaction(more: Partial<Transaction> = {}): Transaction {
  return {
    mailbox: parseMailboxGuid("0123456789abcdef0123456789abcdef"),
    path: rawPath("caf\u00c3\u00a9/.A\u001b"),
    uidValidity: parseUidValidity(7),
    uidNext: 10,
    headerExtra: "",
    fileOwner: { uid: 0, gid: 0, mode: 0o600 },
    changes: CHANGES,
    capturedMs: 1_000,
    ...more,
  };
}

describe("reportOf", () => {
  test("counts the changes by kind, and shows the path as people read it", () => {
    expect(reportOf(4, transaction(), ["n"], 1_250)).toStrictEqual({
      lsn: 4,
      mailbox: "0123456789abcdef0123456789abcdef",
      path: "café/.A\\x1b",
      saves: 2,
      marks: 1,
      expunges: 1,
      rebinds: 1,
      lagMs: 250,
      notes: [{ words: "n", count: 1 }],
    });
  });

  test("names what happened to the mailbox as a whole", () => {
    expect(reportOf(1, transaction({ structure: { kind: "delete" }, changes: [] }), [], 1_000)).toMatchObject({
      structure: "delete",
      saves: 0,
    });
  });
});

test("a tally adds reports up", () => {
  const tally = new Tally(new Map());
  for (let lsn = 1; lsn <= 3; lsn++) tally.add(reportOf(lsn, transaction(), [], 1_000));
  expect(tally).toMatchObject({ transactions: 3, saves: 6, marks: 3, expunges: 3, bodyBytes: 0 });
});

test("a tally knows how many messages a deleted mailbox had", () => {
  const guid = transaction().mailbox;
  const tally = new Tally(new Map([[guid, 5]]));
  const add = (more: Partial<Transaction>) => tally.add(reportOf(1, transaction(more), [], 1_000));
  add({}); // 2 saves, 1 expunge.
  add({ structure: { kind: "rename", from: rawPath("old") }, changes: [] });
  add({ structure: { kind: "delete" }, changes: [] });
  expect(tally.totals()).toMatchObject({
    ...{ transactions: 3, saves: 2, mailboxesMade: 0, mailboxesRenamed: 1 },
    ...{ mailboxesDeleted: 1, messagesOfDeleted: 6 },
  });
});

test("what stood there at first contact is adopted, and neither new nor made", () => {
  const guid = transaction().mailbox;
  const tally = new Tally(new Map());
  const elsewhere = new Set([guid, "e".repeat(32)]);
  tally.meet({ foundByGuid: new Map([[guid, 3]]), remarked: 2, reused: 0, kept: 0, toLimbo: 4, elsewhere });
  const structure = {
    kind: "create",
    owner: { uid: 0, gid: 0, mode: 0o700 },
    parents: [],
    maildirFolder: true,
  } as const;
  tally.add(reportOf(1, transaction({ structure }), [], 1_000)); // 2 saves each.
  tally.add(reportOf(2, transaction(), [], 1_000));
  const mailbox = parseMailboxGuid("f".repeat(32));
  tally.add(reportOf(3, transaction({ mailbox, structure }), [], 1_000));
  expect(tally.totals()).toMatchObject({
    ...{ adopted: 3, mailboxesFound: 1, remarked: 2, toLimbo: 4 },
    ...{ saves: 3, mailboxesMade: 1, mailboxesRenamed: 1 },
  });
  expect(tally.saves).toBe(6);
});

test("what was done before the end counts no message as shipped that stood there already", () => {
  expect(wordsOfShipped({ transactions: 0, saves: 0, adopted: 0 }, 9)).toBe("nothing was shipped yet");
  const shipped = { transactions: 2, saves: 1, adopted: 0 };
  expect(wordsOfShipped(shipped, 9)).toBe("1 message shipped in 2 transactions, of 9 messages found in SRC so far");
  const some = wordsOfShipped({ ...shipped, adopted: 7 }, 9);
  expect(some).toBe("1 message shipped, 7 found there, in 2 transactions, of 9 messages found in SRC so far");
});
