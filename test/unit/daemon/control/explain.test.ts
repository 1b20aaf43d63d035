/** Where a message stands, read from a database as a source has it. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { MailtwinError } from "../../../../src/base/errors.js";
import { type Explanation, explainUid, isKnown } from "../../../../src/daemon/control/explain.js";
import { formatExplanation } from "../../../../src/daemon/control/explain-text.js";
import { explanationSchema } from "../../../../src/daemon/control/status-schema.js";
import type { StateReader, StateWriter } from "../../../../src/log/state-ports.js";
import { openStateReader } from "../../../../src/log/state-reader.js";
import type { MailboxRow } from "../../../../src/log/state-types.js";
import { parseUid } from "../../../../src/maildir/ids.js";
import type { Transaction } from "../../../../src/txn/transaction.js";
import { encodeTransaction } from "../../../../src/txn/transaction-codec.js";
import { openInlineStateWriter } from "../../../contract/inline-state-writer.js";
import {
  guid,
  mailboxRow,
  NOTHING_CAPTURED,
  newBaseline,
  rawPath,
  record,
  type TempDir,
  tempDir,
} from "../../log/state-fixtures.js";
import { expunge, marks, rebind, save, transaction } from "../../txn/txn-fixtures.js";

const WORK = mailboxRow(1, { path: rawPath("alice/.Work"), uidNext: 20 });
const OTHER = mailboxRow(2, { path: rawPath("alice"), uidNext: 9 });
const CAPTURED_MS = 1_763_913_000_123;

let dir: TempDir;
let writer: StateWriter;
let reader: StateReader;

beforeEach(async () => {
  dir = tempDir();
  writer = openInlineStateWriter(join(dir.path, "source.db"));
  const { row, chunks } = newBaseline(WORK).edit({ put: [record(17), record(18, { info: "" })], drop: [] });
  await writer.appendCaptured({ ...NOTHING_CAPTURED, mailboxes: [row, OTHER], chunks });
  reader = openStateReader(join(dir.path, "source.db"));
});

afterEach(async () => {
  reader[Symbol.dispose]();
  await writer[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

async function capture(row: MailboxRow, more: Partial<Transaction>): Promise<number> {
  const bytes = encodeTransaction(transaction({ mailbox: row.guid, path: row.path, uidNext: row.uidNext, ...more }));
  const [lsn = 0] = await writer.appendCaptured({
    ...NOTHING_CAPTURED,
    transactions: [{ mailbox: row.guid, capturedMs: CAPTURED_MS, bytes }],
  });
  return lsn;
}

const ackedLsn = (replica: string) => reader.cursor(replica) ?? 0;
const limitOf = (replica: string) => (replica.startsWith("limited") ? `users of [peer.${replica}]` : undefined);

async function explain(uid: number, replicas: readonly string[] = ["b"], mailbox = "Work"): Promise<Explanation> {
  const stores = [{ name: "mail", reader, replicas, ackedLsn, limitOf }];
  const explanation = await explainUid(
    { stores, unasked: "" },
    { user: "alice", mailbox, uid },
    new AbortController().signal,
  );
  expect(explanationSchema.parse(JSON.parse(JSON.stringify(explanation)))).toEqual(explanation);
  return explanation;
}

describe("a message", () => {
  test("that is there: what happened to it, newest first, and who has acknowledged which part", async () => {
    const origin = { mailbox: OTHER.guid, uid: parseUid(5), base: record(5).base };
    const saved = await capture(WORK, { changes: [{ ...save(17), origin }, save(18)] });
    await capture(WORK, { changes: [marks(18, {}, { flags: 16 })] });
    await capture(OTHER, { changes: [expunge(17)] });
    const marked = await capture(WORK, { changes: [marks(17, {}, { flags: 16 })] });
    await writer.setCursor("all", marked);
    await writer.setCursor("some", saved);
    const explanation = await explain(17, ["all", "some", "none"]);
    expect(explanation).toStrictEqual({
      ...{ store: "mail", mailbox: "alice/.Work", guid: guid(1), uidValidity: WORK.uidValidity, uidNext: 20, uid: 17 },
      message: {
        ...{ kind: "there", baseName: "17639.M17P1.vm,S=17", sizeBytes: 17, internalDateMs: 1_763_913_017_000 },
        marks: "seen",
      },
      transactions: [
        { lsn: marked, capturedMs: CAPTURED_MS, words: "mark UID 17 (+seen)" },
        { lsn: saved, capturedMs: CAPTURED_MS, words: expect.stringMatching(/^copy UID 17/), origin: "UID 5 of alice" },
      ],
      log: { firstLsn: 1, lastLsn: 4, searchedFromLsn: 1 },
      replicas: [
        { name: "all", cursor: 4, state: "acknowledged" },
        { name: "some", cursor: 1, state: "partly" },
        { name: "none", cursor: 0, state: "not-yet" },
      ],
    });
    expect(formatExplanation(explanation)).toMatch(
      /^UID 17 of alice\/\.Work, store mail .*\n {2}there: .*seen\n {2}log, newest first:\n {4}LSN 4, captured 2025-.*Z: mark UID 17 \(\+seen\)\n {4}LSN 1, .*, from UID 5 of alice\n {4}nothing older that is in the log \(LSN 1 to 4\)\n {2}replicas:\n {4}all: has acknowledged it \(cursor 4\)\n {4}some: .*some of it, not the newest.*\n {4}none: has not acknowledged it yet \(cursor 0\)\n$/,
    );
  });

  test("that is gone, that never was, and that moved to another UID", async () => {
    await capture(WORK, { changes: [expunge(3)] });
    await capture(WORK, { changes: [rebind(4, save(18).message)] });
    expect(await explain(3)).toMatchObject({ message: { kind: "gone" }, transactions: [{ words: "expunge UID 3" }] });
    expect(await explain(4)).toMatchObject({ transactions: [{ words: "move UID 4 to UID 18" }] });
    expect(await explain(18)).toMatchObject({
      ...{ message: { kind: "there", marks: "" }, transactions: [{ words: "move UID 4 to UID 18" }] },
    });
    expect(formatExplanation(await explain(3))).toMatch(
      /\n {2}not there any more\n[\s\S]*b: has not acknowledged it yet/,
    );
  });

  test.each([
    [20, "not-yet", "it has not been given out yet (the next one is 20)"],
    [5, "gone", "it was expunged, or the UID was never given out (the next one is 20)"],
  ])("that nobody knows, UID %d: no replica has acknowledged it", async (uid, kind, words) => {
    await writer.setCursor("b", await capture(WORK, { changes: [save(17)] }));
    const never = await explain(uid);
    expect(never).toMatchObject({ message: { kind }, transactions: [], replicas: [] });
    expect(isKnown(never)).toBe(false);
    const told = formatExplanation(never);
    expect(told).toContain(`\n  no message with that UID is known: ${words}\n`);
    expect(told).not.toContain("replicas:");
    expect(isKnown(await explain(17))).toBe(true);
  });

  test("that nobody knows, in a mailbox that a replica refuses", async () => {
    await writer.putRejection({
      ...{ replica: "b", lsn: -3, mailbox: WORK.guid, path: WORK.path, code: "mailbox-occupied", message: "taken" },
      ...{ attempts: 1, firstMs: 1, lastMs: 2 },
    });
    expect((await explain(5, ["b", "c"])).replicas).toMatchObject([{ name: "b", state: "refused" }]);
    expect((await explain(20, ["b", "c"])).replicas).toEqual([]);
  });

  test("that a replica refused", async () => {
    const lsn = await capture(WORK, { changes: [save(17)] });
    await writer.putRejection({
      ...{ replica: "b", lsn, mailbox: WORK.guid, path: WORK.path, code: "uid-taken", message: "UID 17 is another's" },
      ...{ attempts: 3, firstMs: 1, lastMs: 2 },
    });
    await writer.setCursor("b", lsn);
    const explanation = await explain(17, ["b", "c"]);
    expect(explanation.replicas).toMatchObject([
      { name: "b", state: "refused", refused: { lsn, code: "uid-taken", message: "UID 17 is another's" } },
      { name: "c", state: "not-yet" },
    ]);
    expect(formatExplanation(explanation)).toContain("b: has refused LSN 1 (uid-taken): UID 17 is another's\n");
  });

  test("whose mailbox was refused by a comparison, which has no LSN", async () => {
    await capture(WORK, { changes: [save(17)] });
    await writer.putRejection({
      ...{ replica: "b", lsn: -3, mailbox: WORK.guid, path: WORK.path, code: "mailbox-occupied", message: "taken" },
      ...{ attempts: 1, firstMs: 1, lastMs: 2 },
    });
    const explanation = await explain(17);
    expect(explanation.replicas).toMatchObject([{ name: "b", state: "refused", refused: { lsn: -3 } }]);
    expect(formatExplanation(explanation)).toContain("b: has refused comparison c3 (mailbox-occupied): taken\n");
  });

  test("that a replica may not have: its cursor says nothing of it, nor does what was refused", async () => {
    const lsn = await capture(WORK, { changes: [save(17)] });
    for (const name of ["limited", "free"]) await writer.setCursor(name, lsn);
    await writer.putRejection({
      ...{ replica: "limited", lsn, mailbox: WORK.guid, path: WORK.path, code: "uid-taken", message: "taken" },
      ...{ attempts: 1, firstMs: 1, lastMs: 2 },
    });
    const explanation = await explain(17, ["limited", "free"]);
    expect(explanation.replicas).toStrictEqual([
      { name: "limited", cursor: lsn, state: "no-right", why: "users of [peer.limited]" },
      { name: "free", cursor: lsn, state: "acknowledged" },
    ]);
    expect(formatExplanation(explanation)).toContain("    limited: may not have it (users of [peer.limited])\n");
  });

  test.each(["resync-asked", "replica-away"])(
    "whose mailbox is to be compared (%s): nobody has refused it",
    async (code) => {
      const lsn = await capture(WORK, { changes: [save(17)] });
      await writer.setCursor("b", lsn);
      await writer.putRejection({
        ...{ replica: "b", lsn: -2, mailbox: WORK.guid, path: WORK.path, code, message: "it was asked for by hand" },
        ...{ attempts: 0, firstMs: 1, lastMs: 2 },
      });
      const explanation = await explain(17);
      expect(explanation.replicas).toMatchObject([{ name: "b", state: "to-compare", why: "it was asked for by hand" }]);
      expect(formatExplanation(explanation)).toContain(
        "b: not known until it is compared (cursor 1): it was asked for by hand\n",
      );
    },
  );

  test("that a replica is past which is to be compared as a whole", async () => {
    const lsn = await capture(WORK, { changes: [save(17)] });
    for (const name of ["past", "before"]) await writer.addReplica(name, 1);
    await writer.setCursor("past", lsn);
    const needsResync = ["past", "before"].map((name) => ({ replica: name, why: "asked" as const }));
    await writer.trim({ upTo: 0, needsResync, nowMs: 1 });
    expect((await explain(17, ["past", "before"])).replicas).toMatchObject([
      { name: "past", state: "to-compare", why: expect.stringContaining("asked for") },
      { name: "before", state: "not-yet" },
    ]);
  });

  test("whose transactions are no longer in the log: acknowledged, or not to be known", async () => {
    await capture(WORK, { changes: [save(17)] });
    const last = await capture(OTHER, { changes: [save(1)] });
    await writer.setCursor("b", 1);
    await writer.trimLog(1);
    expect(await explain(17, ["b", "late"])).toMatchObject({
      ...{ transactions: [], log: { firstLsn: last, lastLsn: last, searchedFromLsn: last } },
      replicas: [{ state: "acknowledged" }, { name: "late", state: "unknown" }],
    });
    await writer.trimLog(last);
    expect(formatExplanation(await explain(17))).toContain("nothing: the log is empty");
  });

  test("of a mailbox that was begun anew: what was before is of other messages", async () => {
    await capture(WORK, { changes: [save(17)] });
    await capture(WORK, { structure: { kind: "reset", before: WORK.uidValidity }, changes: [] });
    await capture(WORK, { changes: [save(17)] });
    expect((await explain(17)).transactions.map(({ lsn }) => lsn)).toEqual([3]);
  });
});

describe("the search", () => {
  test("finds what lies many windows back, tells at most ten, and stops when asked", async () => {
    for (let n = 0; n < 12; n += 1) await capture(WORK, { changes: [marks(17, {}, { flags: 16 })] });
    const bytes = encodeTransaction(transaction({ mailbox: OTHER.guid, changes: [save(1)] }));
    const many = Array.from({ length: 2000 }, () => ({ mailbox: OTHER.guid, capturedMs: 5, bytes }));
    await writer.appendCaptured({ ...NOTHING_CAPTURED, transactions: many });
    const { transactions, log } = await explain(17);
    expect(transactions.map(({ lsn }) => lsn)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    expect(log).toEqual({ firstLsn: 1, lastLsn: 2012, searchedFromLsn: 1 });
    const stop = new AbortController();
    const asked = explainUid(
      { stores: [{ name: "mail", reader, replicas: [], ackedLsn, limitOf }], unasked: "" },
      { mailbox: "alice/.Work", uid: 17 },
      stop.signal,
    );
    stop.abort(new Error("gone"));
    await expect(asked).rejects.toThrow("gone");
  });

  test("reads no more than it may of a log without end", async () => {
    const wide = { ...reader, lastLsn: () => 1e9, firstLsn: () => 1 };
    let read = 0;
    const entriesAfter = (lsn: number) => {
      read += 1;
      const bytes = { length: 16 * 1024 * 1024 } as Uint8Array;
      return [{ lsn: lsn + 512, mailbox: OTHER.guid, capturedMs: 1, bytes }];
    };
    const rest = {
      mailboxes: () => reader.mailboxes(),
      ...{
        logBytes: () => 0,
        mailboxByGuid: () => undefined,
        chunk: () => undefined,
        rejections: () => [],
        replicas: () => [],
      },
    };
    const stores = [
      { name: "mail", reader: { ...wide, ...rest, entriesAfter }, replicas: ["b"], ackedLsn: () => 5, limitOf },
    ];
    const explanation = await explainUid(
      { stores, unasked: "" },
      { mailbox: "alice/.Work", uid: 17 },
      new AbortController().signal,
    );
    expect(read).toBe(8);
    expect(explanation.log.searchedFromLsn).toBe(1e9 - 8 * 512 + 1);
    expect(explanation.replicas).toEqual([{ name: "b", cursor: 5, state: "unknown" }]);
    expect(formatExplanation(explanation)).toContain("what is older was not looked at");
  });

  test("holds few of long transactions at once", async () => {
    const LAST_LSN = 200;
    const bytes = { length: 1024 * 1024 } as Uint8Array;
    /** Of each window, how many entries were read. */
    const windows: number[] = [];
    let lastAsked = LAST_LSN + 1;
    const entriesAfter = (lsn: number) => {
      if (lsn < lastAsked) windows.push(0);
      windows.push((windows.pop() ?? 0) + 1);
      lastAsked = lsn;
      return [{ lsn: lsn + 1, mailbox: OTHER.guid, capturedMs: 1, bytes }];
    };
    const fake = {
      ...{ firstLsn: () => 1, lastLsn: () => LAST_LSN, logBytes: (after = 0) => (LAST_LSN - after) * bytes.length },
      ...{ mailboxes: () => reader.mailboxes(), entriesAfter, mailboxByGuid: () => undefined },
      ...{ chunk: () => undefined, cursor: () => 5, rejections: () => [], replicas: () => [] },
    };
    const stores = [{ name: "mail", reader: fake, replicas: [], ackedLsn, limitOf }];
    const { log } = await explainUid(
      { stores, unasked: "" },
      { mailbox: "alice/.Work", uid: 17 },
      new AbortController().signal,
    );
    expect(windows).toStrictEqual(Array.from({ length: 16 }, () => 8)); // 128 MiB, the most for one question.
    expect(log.searchedFromLsn).toBe(LAST_LSN - 128 + 1);
  });

  test("a mailbox that is not there, or in two stores", async () => {
    await expect(explain(17, [], "Wrok")).rejects.toMatchObject({
      ...{ code: "target-unknown", message: expect.stringContaining('did you mean "Work"?') },
    });
    const stores = ["mail", "copy"].map((name) => ({ name, reader, replicas: [], ackedLsn, limitOf }));
    const both = { stores, unasked: "; of lists this host has the replica" };
    const query = { user: "alice", mailbox: "Work", uid: 17 };
    const { signal } = new AbortController();
    await expect(explainUid(both, query, signal)).rejects.toMatchObject({
      ...{ code: "target-ambiguous", message: expect.stringContaining("mail has alice/.Work, copy has alice/.Work") },
    });
    expect(await explainUid(both, { ...query, store: "copy" }, signal)).toMatchObject({ store: "copy" });
    await expect(explainUid(both, { ...query, mailbox: "Wrok" }, signal)).rejects.toThrow(
      'the log knows none of that name (did you mean "Work"?); of lists this host has the replica',
    );
    await expect(explainUid(both, { mailbox: "Work", uid: 17 }, signal)).rejects.toMatchObject({
      ...{
        code: "target-unknown",
        message: 'looking for mailbox "Work": no -u USER says whose it is; "alice" has one',
      },
    });
  });
});

describe("a mailbox that is not there any more", () => {
  const asked = async (user: string, mailbox: string, read = reader) => {
    const stores = [{ name: "mail", reader: read, replicas: [], ackedLsn, limitOf }];
    const answer = explainUid(
      { stores, unasked: "; and more" },
      { user, mailbox, uid: 17 },
      new AbortController().signal,
    );
    return answer.then(
      () => "found",
      (error: MailtwinError) => [error.code, error.exitCode, error.message],
    );
  };
  const told = (words: string) => ["target-unknown", 64, `looking for ${words}; and more`];

  test("is told with what became of it, the newest first, whoever was its user", async () => {
    await capture(mailboxRow(7, { path: rawPath("emil") }), { structure: { kind: "delete" } });
    await capture(mailboxRow(8, { path: rawPath("alice/.Old") }), { structure: { kind: "delete" } });
    await capture(WORK, { path: rawPath("alice/.Job"), structure: { kind: "rename", from: rawPath("alice/.Old") } });
    await capture(WORK, { structure: { kind: "rename", from: rawPath("alice/.Job") } });
    await capture(mailboxRow(9, { path: rawPath("alice/.B") }), {
      structure: { kind: "rename", from: rawPath("alice/.A") },
    });
    await capture(OTHER, { changes: [save(1)] });
    expect(await asked("emil", "INBOX")).toEqual(told('mailbox "INBOX" of "emil": emil was deleted by LSN 1'));
    expect(await asked("alice", "Old")).toEqual(
      told('mailbox "Old" of "alice": alice/.Old was renamed to alice/.Job by LSN 3, and is alice/.Work now'),
    );
    expect(await asked("alice", "Job")).toEqual(
      told('mailbox "Job" of "alice": alice/.Job was renamed to alice/.Work by LSN 4'),
    );
    expect(await asked("alice", "A")).toEqual(
      told('mailbox "A" of "alice": alice/.A was renamed to alice/.B by LSN 5, which is gone too'),
    );
    expect(await asked("alice", "Never")).toEqual(told('mailbox "Never" of "alice": the log knows none of that name'));
  });

  test("is looked for in so much of the log, and what was not looked at is said; what cannot be read is passed over", async () => {
    await capture(mailboxRow(7, { path: rawPath("emil") }), { structure: { kind: "delete" } });
    const bytes = Uint8Array.of(0xff, 0xff);
    await writer.appendCaptured({
      ...{ ...NOTHING_CAPTURED, transactions: [{ mailbox: OTHER.guid, capturedMs: CAPTURED_MS, bytes }] },
    });
    expect(await asked("emil", "INBOX")).toEqual(told('mailbox "INBOX" of "emil": emil was deleted by LSN 1'));
    let reads = 0;
    const long = {
      ...{ firstLsn: () => 1, lastLsn: () => 1e9, logBytes: () => 0, mailboxes: () => reader.mailboxes() },
      entriesAfter: (lsn: number) => {
        reads += 1;
        const mib = { length: 1024 * 1024 } as Uint8Array;
        return [{ lsn: lsn + 512, mailbox: OTHER.guid, capturedMs: 1, bytes: reads === 1 ? bytes : mib }];
      },
    } as unknown as StateReader;
    expect(await asked("alice", "Gone", long)).toEqual(
      told(
        `mailbox "Gone" of "alice": the log knows none of that name; of the log what is older than LSN ${1e9 - 17 * 512 + 1} was not looked at`,
      ),
    );
    expect(reads).toBe(17);
  });
});
