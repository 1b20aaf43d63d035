/** What of a difference is on its way to a replica, by the source's state: captured and not applied, or at the source and not captured. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { Disposer } from "../../../../src/base/disposal.js";
import { BRAKE_KEY } from "../../../../src/capture/deletion-brake.js";
import { holdStateDirectory, isStateDirectoryHeld } from "../../../../src/daemon/hold-state.js";
import { underWayBetween, underWayTo } from "../../../../src/daemon/verify/under-way.js";
import { encodeChunk, stateOfRecord } from "../../../../src/log/baseline-chunk.js";
import type { LogEntry } from "../../../../src/log/state-types.js";
import { parseUid, parseUidValidity } from "../../../../src/maildir/ids.js";
import { type Finding, keyOf, type MailboxDifference } from "../../../../src/resync/differences.js";
import type { Change, Transaction } from "../../../../src/txn/transaction.js";
import { encodeTransaction } from "../../../../src/txn/transaction-codec.js";
import { digester, guid, mailboxRow, rawPath, record, tempDir } from "../../log/state-fixtures.js";

const UIDS = [1, 2, 130];
const ROW = { ...mailboxRow(1), uidNext: 131, messages: UIDS.length };
const stateOf = (uid: number) => stateOfRecord(record(uid));
const flagged = (uid: number) => ({ ...stateOf(uid), flags: stateOf(uid).flags ^ 2 });

function transaction(more: Partial<Transaction> = {}): Transaction {
  return {
    ...{ mailbox: ROW.guid, path: ROW.path, uidValidity: ROW.uidValidity, uidNext: 131, headerExtra: "" },
    ...{ fileOwner: { uid: 1, gid: 1, mode: 0o600 }, changes: [], capturedMs: 5, ...more },
  };
}

/** A log of which the replica has the first transaction; `pending` follow it. The baseline has the messages of `UIDS`. */
function openLog(pending: readonly Transaction[], { isBraked = false, isGone = false } = {}) {
  const entries = [transaction({ uidNext: 1 }), ...pending].map((it, index): LogEntry => {
    return { lsn: index + 1, mailbox: it.mailbox, capturedMs: 5, bytes: encodeTransaction(it) };
  });
  const brake = JSON.stringify({ counted: [], engaged: { sinceMs: 1, why: "messages", messages: 9, limit: 8 } });
  const rows = isGone ? [] : [ROW];
  const chunkOf = (chunk: number) => {
    const records = UIDS.filter((uid) => Math.floor(uid / 128) === chunk).map((uid) => record(uid));
    return encodeChunk({ mailboxId: 1, chunk, records, keywordIndexByName: new Map(), digester }).bytes;
  };
  return {
    snapshot: <T>(read: () => T): T => read(),
    meta: (key: string) => (isBraked && key === BRAKE_KEY ? brake : undefined),
    cursor: (replica: string) => (replica === "b" ? 1 : undefined),
    entriesAfter: (lsn: number) => entries.filter((entry) => entry.lsn > lsn).slice(0, 1),
    mailboxByGuid: (of: typeof ROW.guid) => rows.find((row) => row.guid === of),
    chunk: (_: number, chunk: number) => chunkOf(chunk),
  };
}

const differing = (...findings: readonly Finding[]): MailboxDifference => {
  return { guid: ROW.guid, path: ROW.path, findings, further: 0 };
};

function underWay(log: ReturnType<typeof openLog>, ...findings: readonly Finding[]): readonly string[] {
  const found = underWayTo(log, "b", [differing(...findings)]);
  return found.flatMap((it) => it.findings.map(keyOf));
}

const message = (uid: number, a: "as logged" | "flagged" | "gone", b: "as logged" | "gone" = "as logged"): Finding => {
  const state = { "as logged": stateOf(uid), flagged: flagged(uid), gone: undefined };
  return { kind: "message", uid: parseUid(uid), a: state[a], b: b === "gone" ? undefined : flagged(uid) };
};

test("of messages: those that something is captured for and not applied", () => {
  const marks = { flags: 0, keywords: [], odd: "", tail: "" };
  const changes: readonly Change[] = [
    { kind: "marks", uid: parseUid(2), base: stateOf(2).base, before: marks, after: { ...marks, flags: 1 } },
  ];
  const [one, two] = [message(1, "as logged"), message(2, "as logged")];
  expect(underWay(openLog([]), one, two)).toEqual([]);
  expect(underWay(openLog([transaction({ changes })]), one, two)).toEqual([keyOf(two)]);
  const structure = { kind: "rename", from: rawPath("before") } as const;
  expect(underWay(openLog([transaction({ structure })]), one, two), "all of it").toEqual([keyOf(one), keyOf(two)]);
  expect(underWay(openLog([transaction({ mailbox: guid(2), changes })]), one, two), "of another one").toEqual([]);
});

test("of messages: those that are otherwise at the source than was captured", () => {
  const [marked, came, gone] = [message(2, "flagged"), message(5, "as logged", "gone"), message(130, "gone")];
  const all = [message(1, "as logged"), marked, came, gone];
  expect(underWay(openLog([]), ...all)).toEqual([marked, came, gone].map(keyOf));
  expect(underWay(openLog([], { isBraked: true }), ...all), "what is gone is held back").toEqual(
    [marked, came].map(keyOf),
  );
});

test("of mailboxes: what was captured of them and not applied, and what is at the source and was not captured", () => {
  const onlyThere = { kind: "only", side: "b", messages: 3 } as const;
  const onlyHere = { kind: "only", side: "a", messages: 3 } as const;
  expect(underWay(openLog([]), onlyThere), "its deletion was not seen yet").toEqual([keyOf(onlyThere)]);
  expect(underWay(openLog([], { isBraked: true }), onlyThere), "it is held back").toEqual([]);
  expect(underWay(openLog([], { isGone: true }), onlyThere), "it was applied").toEqual([]);
  const deletion = transaction({ structure: { kind: "delete" } });
  expect(underWay(openLog([deletion], { isGone: true }), onlyThere)).toEqual([keyOf(onlyThere)]);
  expect(underWay(openLog([]), onlyHere), "it was applied").toEqual([]);
  expect(underWay(openLog([], { isGone: true }), onlyHere), "it was not seen yet").toEqual([keyOf(onlyHere)]);
  const path = { kind: "path", a: ROW.path, b: rawPath("elsewhere") } as const;
  const [next, validity] = [
    { kind: "uidnext", a: 131, b: 130 },
    { kind: "uidvalidity", a: ROW.uidValidity, b: parseUidValidity(7) },
  ] as const;
  expect(underWay(openLog([]), path, next, validity)).toEqual([]);
  const newer = [
    { ...path, a: rawPath("new") },
    { ...next, a: 140 },
    { ...validity, a: 9 },
  ] as const;
  expect(underWay(openLog([]), ...newer)).toEqual(newer.map(keyOf));
  const nameless = { ...differing(next), guid: undefined };
  expect(underWayTo(openLog([transaction()]), "b", [nameless])).toEqual([]);
});

test("messages that are too many to be told are on their way when anything of their mailbox is", () => {
  const many = { ...differing(), further: 40_000 };
  expect(underWayTo(openLog([]), "b", [many])).toEqual([]);
  expect(underWayTo(openLog([transaction()]), "b", [many])).toEqual([many]);
});

test("behind a replica that lags far all is on its way, and the log is not read to its end", () => {
  const one = message(1, "as logged");
  let read = 0;
  const bytes = new Uint8Array(1024 * 1024);
  const log = {
    ...openLog([]),
    entriesAfter: (lsn: number) => {
      read += 1;
      return [{ lsn: lsn + 1, mailbox: guid(2), capturedMs: 5, bytes }];
    },
  };
  expect(underWay(log, one)).toEqual([keyOf(one)]);
  expect(read).toBe(17);
});

test("between two directories nothing is, unless a sync of them runs", async () => {
  using dir = tempDir();
  const owner = new Disposer();
  await using _ = owner;
  const [a, b, state] = ["a", "b", "state"].map((name) => join(dir.path, name)) as [string, string, string];
  const ask = underWayBetween(a, b, state, owner);
  expect(await ask([differing(message(2, "flagged"))])).toEqual([]);
});

test("whether a run holds a state directory can be seen without being in its way", () => {
  using dir = tempDir();
  expect(isStateDirectoryHeld(dir.path)).toBe(false);
  {
    using _ = holdStateDirectory(dir.path);
    expect(isStateDirectoryHeld(dir.path)).toBe(true);
    expect(() => holdStateDirectory(dir.path)).toThrow(expect.objectContaining({ code: "state-in-use" }));
  }
  expect(isStateDirectoryHeld(dir.path)).toBe(false);
  using again = holdStateDirectory(dir.path);
  expect(again).toBeDefined();
});
