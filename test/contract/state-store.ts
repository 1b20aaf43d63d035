/**
 * What every pair of `StateWriter` and `StateReader` promises.
 */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDb } from "../../src/log/db.js";
import type { StateReader, StateWriter } from "../../src/log/state-ports.js";
import { openStateReader } from "../../src/log/state-reader.js";
import type { RejectionRow } from "../../src/log/state-types.js";
import {
  entries,
  guid,
  mailboxRow,
  NO_EFFECT,
  NOTHING_CAPTURED,
  newBaseline,
  rawPath,
  record,
  type TempDir,
  tempDir,
} from "../unit/log/state-fixtures.js";

export function describeStateStore(name: string, open: (path: string) => Promise<StateWriter>): void {
  describe(`state store contract: ${name}`, () => {
    let dir: TempDir;
    let writer: StateWriter;
    let reader: StateReader;

    beforeEach(async () => {
      dir = tempDir();
      const path = join(dir.path, "state.db");
      writer = await open(path);
      reader = openStateReader(path);
    });

    afterEach(async () => {
      reader[Symbol.dispose]();
      await writer[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    });

    test("a new database has a log id of its own, and nothing else", () => {
      expect(reader.meta("log-id")).toMatch(/^[0-9a-f]{32}$/);
      expect([reader.lastLsn(), reader.firstLsn(), reader.nextMailboxId()]).toStrictEqual([0, 1, 1]);
      expect([reader.mailboxes(), reader.intents(), reader.limbo(), reader.rejections()]).toStrictEqual([
        [],
        [],
        [],
        [],
      ]);
      expect([reader.cursor("r"), reader.appliedLsn("x"), reader.meta("none")]).toStrictEqual([
        undefined,
        0,
        undefined,
      ]);
    });

    test("LSNs are dense and ascend from 1, over several calls at once", async () => {
      const lsns = await Promise.all([3, 0, 1, 2].map((count) => writer.appendCaptured(entries(count))));
      expect(lsns).toStrictEqual([[1, 2, 3], [], [4], [5, 6]]);
      expect([reader.firstLsn(), reader.lastLsn()]).toStrictEqual([1, 6]);
    });

    test("the reader sees a write once its promise has resolved", async () => {
      await writer.appendCaptured(entries(1, Uint8Array.of(9, 8)));
      expect(reader.entriesAfter(0, 1000)).toStrictEqual([
        { lsn: 1, mailbox: guid(1), capturedMs: 5, bytes: Uint8Array.of(9, 8) },
      ]);
    });

    test("entries come up to the byte limit, and at least one", async () => {
      await writer.appendCaptured(entries(4, new Uint8Array(10)));
      const lsnsAfter = (lsn: number, bytesMax: number) => reader.entriesAfter(lsn, bytesMax).map((entry) => entry.lsn);
      expect(lsnsAfter(0, 1)).toStrictEqual([1]);
      expect(lsnsAfter(0, 20)).toStrictEqual([1, 2]);
      expect(lsnsAfter(0, 29)).toStrictEqual([1, 2]);
      expect(lsnsAfter(2, 1000)).toStrictEqual([3, 4]);
      expect(lsnsAfter(4, 1000)).toStrictEqual([]);
    });

    test("a trimmed log keeps counting, also when it is empty", async () => {
      await writer.appendCaptured(entries(5));
      await writer.trimLog(3);
      expect([reader.firstLsn(), reader.lastLsn()]).toStrictEqual([4, 5]);
      await writer.trimLog(99);
      expect([reader.firstLsn(), reader.lastLsn()]).toStrictEqual([6, 5]);
      expect(await writer.appendCaptured(entries(1))).toStrictEqual([6]);
      expect([reader.firstLsn(), reader.lastLsn()]).toStrictEqual([6, 6]);
    });

    test("a cursor never moves backwards", async () => {
      await writer.setCursor("r", 7);
      await writer.setCursor("r", 3);
      await writer.setCursor("s", 1);
      expect([reader.cursor("r"), reader.cursor("s")]).toStrictEqual([7, 1]);
    });

    test("the size and the age of the log, of all of it and after an entry", async () => {
      expect([reader.logBytes(), reader.oldestEntryMs()]).toStrictEqual([0, undefined]);
      for (const [i, size] of [10, 0, 300].entries()) {
        const [transaction] = entries(1, new Uint8Array(size)).transactions;
        const capturedMs = 70 + i;
        if (transaction !== undefined)
          await writer.appendCaptured({ ...NOTHING_CAPTURED, transactions: [{ ...transaction, capturedMs }] });
      }
      const ROW = 64;
      const sizes = () => [0, 1, 2, 3, 9].map((lsn) => [reader.logBytes(lsn), reader.oldestEntryMs(lsn)]);
      expect(sizes()).toStrictEqual([
        [310 + 3 * ROW, 70],
        [300 + 2 * ROW, 71],
        [300 + ROW, 72],
        [0, undefined],
        [0, undefined],
      ]);
      await writer.trimLog(2);
      expect(sizes().slice(0, 3)).toStrictEqual(Array.from({ length: 3 }, () => [300 + ROW, 72]));
      await writer.trimLog(3);
      expect([reader.logBytes(), reader.oldestEntryMs()]).toStrictEqual([0, undefined]);
      await writer.appendCaptured(entries(2, new Uint8Array(7)));
      expect([reader.logBytes(), reader.logBytes(4)]).toStrictEqual([14 + 2 * ROW, 7 + ROW]);
    });

    test("a replica that is added before the log has begun lacks all of it, a later one what was trimmed", async () => {
      await writer.addReplica("early", 5);
      await writer.appendCaptured(entries(4));
      await writer.addReplica("whole", 6);
      await writer.setCursor("early", 3);
      await writer.setCursor("whole", 3);
      await writer.addReplica("early", 7);
      await writer.trim({ upTo: 9, needsResync: [], nowMs: 8 });
      await writer.addReplica("late", 9);
      const fine = { needsResyncSinceMs: undefined, needsResyncWhy: undefined };
      expect(reader.replicas()).toStrictEqual([
        { replica: "early", lsn: 3, ...fine },
        { replica: "late", lsn: 3, needsResyncSinceMs: 9, needsResyncWhy: "added" },
        { replica: "whole", lsn: 3, ...fine },
      ]);
      expect(reader.firstLsn()).toBe(4);
    });

    test("where the store was a replica meanwhile, who is added then is marked, and who has a row is left as he is", async () => {
      await writer.addReplica("early", 5);
      await writer.setMeta("was-replica", "1");
      for (const replica of ["early", "late"]) await writer.addReplica(replica, 6);
      expect(reader.replicas()).toStrictEqual([
        { replica: "early", lsn: 0, needsResyncSinceMs: undefined, needsResyncWhy: undefined },
        { replica: "late", lsn: 0, needsResyncSinceMs: 6, needsResyncWhy: "role-changed" },
      ]);
    });

    test("a trim leaves what a replica lacks, unless it marks it in the same breath", async () => {
      for (const replica of ["a", "b"]) await writer.addReplica(replica, 5);
      await writer.appendCaptured(entries(6));
      await writer.setCursor("b", 4);
      await writer.trim({ upTo: 6, needsResync: [], nowMs: 6 });
      expect(reader.firstLsn()).toBe(1);
      await writer.trim({ upTo: 6, needsResync: [{ replica: "a", why: "log-size" }], nowMs: 7 });
      expect(reader.firstLsn()).toBe(5);
      await writer.trim({ upTo: 6, needsResync: [{ replica: "a", why: "asked" }], nowMs: 8 });
      expect(reader.replicas()[0]).toStrictEqual({
        ...{ replica: "a", lsn: 0, needsResyncSinceMs: 7, needsResyncWhy: "log-size" },
      });
      await writer.trim({ upTo: 0, needsResync: [{ replica: "b", why: "asked" }], nowMs: 9 });
      expect([reader.firstLsn(), reader.replicas()[1]?.needsResyncWhy]).toStrictEqual([5, "asked"]);
      await writer.trim({ upTo: 6, needsResync: [], nowMs: 10 });
      expect([reader.firstLsn(), reader.lastLsn()]).toStrictEqual([7, 6]);
    });

    test("a replica that was compared goes on from there, be it further back, if the log has what follows", async () => {
      await writer.addReplica("a", 5);
      await writer.appendCaptured(entries(6));
      await writer.setCursor("a", 5);
      await writer.trim({ upTo: 3, needsResync: [{ replica: "a", why: "asked" }], nowMs: 6 });
      const marked = { replica: "a", lsn: 5, needsResyncSinceMs: 6, needsResyncWhy: "asked" };
      for (const lsn of [2, 7]) expect(await writer.clearResync("a", lsn)).toBe(false);
      expect(await writer.clearResync("unknown", 4)).toBe(false);
      expect(reader.replicas()).toStrictEqual([marked]);
      expect(await writer.clearResync("a", 3)).toBe(true);
      const fine = { needsResyncSinceMs: undefined, needsResyncWhy: undefined };
      expect(reader.replicas()).toStrictEqual([{ replica: "a", lsn: 3, ...fine }]);
      await writer.trim({ upTo: 6, needsResync: [], nowMs: 7 });
      expect(reader.firstLsn()).toBe(4);
    });

    test("a trim in slices neither marks again who is compared meanwhile, nor takes what he lacks", async () => {
      await writer.addReplica("a", 5);
      await writer.appendCaptured(entries(5000));
      const trim = writer.trim({ upTo: 5000, needsResync: [{ replica: "a", why: "log-size" }], nowMs: 6 });
      const cleared = writer.clearResync("a", 3500); // its turn comes when the first slice is done.
      await trim;
      expect(await cleared).toBe(true);
      expect(reader.replicas()).toMatchObject([{ lsn: 3500, needsResyncSinceMs: undefined }]);
      expect(reader.firstLsn()).toBe(3501);
    });

    test("a replica that is forgotten holds nothing back, and its rejections go", async () => {
      for (const replica of ["a", "b"]) {
        await writer.addReplica(replica, 5);
        const place = { replica, lsn: 1, mailbox: guid(1), path: rawPath("u") };
        await writer.putRejection({ ...place, code: "c", message: "m", attempts: 1, firstMs: 1, lastMs: 1 });
      }
      await writer.appendCaptured(entries(3));
      await writer.setCursor("b", 3);
      await writer.forgetReplica("a");
      expect(reader.replicas().map(({ replica }) => replica)).toStrictEqual(["b"]);
      expect(reader.rejections().map(({ replica }) => replica)).toStrictEqual(["b"]);
      await writer.trim({ upTo: 3, needsResync: [], nowMs: 6 });
      expect(reader.firstLsn()).toBe(4);
    });

    test("log and baseline move together", async () => {
      const baseline = newBaseline(mailboxRow(1), reader);
      const { row, chunks } = baseline.edit({ put: [record(1), record(200, { keywords: ["$Junk"] })], drop: [] });
      await writer.appendCaptured({ ...entries(1), mailboxes: [row], chunks });
      baseline.adopt(chunks, row);

      expect(reader.mailboxes()).toStrictEqual([{ ...mailboxRow(1), keywords: ["$Junk"], messages: 2 }]);
      expect(reader.looks(1)).toStrictEqual(
        chunks.map(({ chunk, count, lookA, lookB }) => ({ chunk, count, lookA, lookB })),
      );
      expect(reader.digests(1)).toStrictEqual(chunks.map(({ chunk, count, digest }) => ({ chunk, count, digest })));
      const again = newBaseline(row, reader);
      expect([...again.records(0), ...again.records(1)]).toStrictEqual([
        record(1),
        record(200, { keywords: ["$Junk"] }),
      ]);
    });

    test("a mailbox row keeps every text as it is, and is found by its GUID", async () => {
      const row = mailboxRow(3, {
        path: rawPath("b\u00e9\u00ff/.Entw\u00fcrfe"),
        keywords: ["\u00ff", "$Label1"],
        headerExtra: "P2 Xy",
        fingerprint: '{"a":1}',
      });
      await writer.appendCaptured({ ...NOTHING_CAPTURED, mailboxes: [row] });
      expect(reader.mailboxByGuid(row.guid)).toStrictEqual(row);
      expect(reader.mailboxByGuid(guid(99))).toBeUndefined();
      expect(reader.nextMailboxId()).toBe(4);
    });

    test("a removed mailbox takes its chunks with it, and its id is not used again", async () => {
      const { row, chunks } = newBaseline(mailboxRow(2)).edit({ put: [record(5)], drop: [] });
      const other = newBaseline(mailboxRow(1)).edit({ put: [record(6)], drop: [] });
      const both = { mailboxes: [row, other.row], chunks: [...chunks, ...other.chunks] };
      await writer.appendCaptured({ ...NOTHING_CAPTURED, ...both });
      await writer.appendCaptured({ ...NOTHING_CAPTURED, removedMailboxIds: [2] });
      expect(reader.mailboxes().map(({ id }) => id)).toStrictEqual([1]);
      expect([reader.chunk(2, 0), reader.looks(2).length, reader.looks(1).length]).toStrictEqual([undefined, 0, 1]);
      expect(reader.nextMailboxId()).toBe(3);
    });

    test("a mailbox may be removed and come back under another id in one commit", async () => {
      await writer.appendCaptured({ ...NOTHING_CAPTURED, mailboxes: [mailboxRow(1)] });
      const anew = mailboxRow(2, { guid: guid(1) });
      await writer.appendCaptured({ ...NOTHING_CAPTURED, removedMailboxIds: [1], mailboxes: [anew] });
      expect(reader.mailboxes()).toStrictEqual([anew]);
    });

    test("a chunk of count 0 is removed", async () => {
      const baseline = newBaseline(mailboxRow(1), reader);
      const full = baseline.edit({ put: [record(5)], drop: [] });
      await writer.appendCaptured({ ...NOTHING_CAPTURED, mailboxes: [full.row], chunks: full.chunks });
      baseline.adopt(full.chunks, full.row);
      const empty = baseline.edit({ put: [], drop: [record(5).uid] });
      await writer.appendCaptured({ ...NOTHING_CAPTURED, mailboxes: [empty.row], chunks: empty.chunks });
      expect([reader.looks(1), reader.chunk(1, 0)]).toStrictEqual([[], undefined]);
      expect(reader.mailboxByGuid(guid(1))?.messages).toBe(0);
    });

    test("the applied cursor falls only where it is set", async () => {
      const at = (lsn: number, more = {}) => ({ ...NO_EFFECT, cursor: { logId: "log", lsn, ...more } });
      await writer.recordEffect(at(12));
      await writer.recordEffect(at(5));
      expect(reader.appliedLsn("log")).toBe(12);
      await writer.recordEffect(at(5, { isSet: true }));
      expect(reader.appliedLsn("log")).toBe(5);
    });

    test("a snapshot sees one commit, whatever is written meanwhile; the next read sees the newest", async () => {
      await writer.appendCaptured(entries(2));
      using other = openDb(join(dir.path, "state.db"), "write");
      const seen = reader.snapshot(() => {
        const before = reader.lastLsn();
        other.exec("INSERT INTO entry (mailbox, captured_ms, ends_at, bytes) VALUES ('x', 1, 999, x'00')");
        return [before, reader.lastLsn()];
      });
      expect(seen).toStrictEqual([2, 2]);
      expect(reader.lastLsn()).toBe(3);
    });

    test("an effect removes its intent and moves the applied cursor, limbo and baseline", async () => {
      const first = await writer.putIntent({ bytes: Uint8Array.of(1) });
      const second = await writer.putIntent({ bytes: Uint8Array.of(2) });
      expect(reader.intents()).toStrictEqual([
        { id: first, bytes: Uint8Array.of(1) },
        { id: second, bytes: Uint8Array.of(2) },
      ]);
      const gone = { name: "1.M", mailbox: guid(1), path: rawPath("a/b"), uid: 4, base: "x", size: 2 ** 40 };
      const limbo = [{ ...gone, cause: "expunge", removedMs: 1_763_913_000_000 }];
      const { row, chunks } = newBaseline(mailboxRow(1)).edit({ put: [record(5)], drop: [] });
      const cursor = { logId: "log", lsn: 12 };
      await writer.recordEffect({ ...NO_EFFECT, intent: first, cursor, limbo, mailboxes: [row], chunks });
      await writer.recordEffect({ ...NO_EFFECT, cursor: { logId: "log", lsn: 11 } });

      expect(reader.intents().map(({ id }) => id)).toStrictEqual([second]);
      expect([reader.appliedLsn("log"), reader.appliedLsn("other")]).toStrictEqual([12, 0]);
      expect(reader.limbo()).toStrictEqual(limbo);
      expect(reader.mailboxes()).toStrictEqual([row]);
      await writer.dropLimbo(["none", "1.M"]);
      expect(reader.limbo()).toStrictEqual([]);
    });

    test("an effect removes the intents that killed processes had left as well", async () => {
      const ids: number[] = [];
      for (let i = 0; i < 4; i++) ids.push(await writer.putIntent({ bytes: Uint8Array.of(i) }));
      const [first, second, third, fourth] = ids;
      await writer.recordEffect({ ...NO_EFFECT, intent: fourth ?? 0, settles: [first ?? 0, third ?? 0] });
      expect(reader.intents().map(({ id }) => id)).toStrictEqual([second]);
    });

    test("rejections are kept per replica and transaction, and dropped per mailbox", async () => {
      const row = (replica: string, lsn: number, mailbox: number): RejectionRow => {
        const place = { replica, lsn, mailbox: guid(mailbox), path: rawPath("u") };
        return { ...place, code: "uid-taken", message: "why", attempts: 1, firstMs: 1, lastMs: 2 };
      };
      const rows = [row("a", 1, 1), row("a", 2, 2), row("b", 1, 1)];
      for (const one of rows) await writer.putRejection(one);
      await writer.putRejection({ ...row("a", 1, 1), attempts: 2, lastMs: 9 });
      expect(reader.rejections()).toStrictEqual([{ ...row("a", 1, 1), attempts: 2, lastMs: 9 }, rows[1], rows[2]]);
      expect(reader.rejections("b")).toStrictEqual([rows[2]]);
      for (const lsn of [7, -1, 1]) await writer.putRejection({ ...row("a", lsn, 1), attempts: 2, lastMs: 9 });
      expect(reader.rejections("a")).toStrictEqual([{ ...row("a", 1, 1), attempts: 2, lastMs: 9 }, rows[1]]);
      await writer.dropRejections("a", guid(1));
      expect(reader.rejections()).toStrictEqual([rows[1], rows[2]]);
    });

    test("a mailbox that begins anew: its rows, what the log has of it and its rejections go together", async () => {
      const { row, chunks } = newBaseline(mailboxRow(1)).edit({ put: [record(5)], drop: [] });
      const other = mailboxRow(2);
      const of = (mailbox: number, byte: number) => ({
        ...{ mailbox: guid(mailbox), capturedMs: 5, bytes: Uint8Array.of(byte) },
      });
      const transactions = [of(1, 1), of(2, 2), of(1, 3)];
      await writer.appendCaptured({ ...NOTHING_CAPTURED, mailboxes: [row, other], chunks, transactions });
      const why = { code: "uid-taken", message: "why", attempts: 1, firstMs: 1, lastMs: 2 };
      const rejection = (lsn: number, mailbox: number): RejectionRow => ({
        ...{ replica: "a", lsn, mailbox: guid(mailbox), path: rawPath("u"), ...why },
      });
      for (const each of [rejection(1, 1), rejection(2, 2)]) await writer.putRejection(each);
      const removal = of(1, 9);
      const anew = { removedMailboxIds: [row.id], begunAnew: [removal], transactions: [removal] };
      expect(await writer.appendCaptured({ ...NOTHING_CAPTURED, ...anew })).toStrictEqual([4]);
      expect(reader.entriesAfter(0, 1000).map(({ lsn, bytes }) => [lsn, bytes[0]])).toStrictEqual([
        ...[
          [1, 9],
          [2, 2],
          [3, 9],
          [4, 9],
        ],
      ]);
      expect(reader.mailboxes()).toStrictEqual([other]);
      expect(reader.looks(row.id)).toStrictEqual([]);
      expect(reader.rejections()).toStrictEqual([rejection(2, 2)]);
    });

    test("meta values are replaced", async () => {
      await writer.setMeta("site", "one");
      await writer.setMeta("site", "two");
      expect(reader.meta("site")).toBe("two");
    });

    test("a call that fails leaves nothing of it, and others in its group are unharmed", async () => {
      const bad = { ...entries(2), mailboxes: [mailboxRow(1), mailboxRow(2, { guid: guid(1) })] };
      const settled = await Promise.allSettled([
        writer.appendCaptured(entries(1)),
        writer.appendCaptured(bad),
        writer.appendCaptured(entries(2)),
      ]);
      expect(settled.map(({ status }) => status)).toStrictEqual(["fulfilled", "rejected", "fulfilled"]);
      expect(settled[2]).toMatchObject({ value: [2, 3] });
      expect([reader.lastLsn(), reader.mailboxes()]).toStrictEqual([3, []]);
    });

    test("closing waits for the calls that were made", async () => {
      const append = writer.appendCaptured(entries(2));
      await writer[Symbol.asyncDispose]();
      expect(await append).toStrictEqual([1, 2]);
      expect(reader.lastLsn()).toBe(2);
    });
  });
}
