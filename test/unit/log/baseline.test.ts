/** The baseline of one mailbox: edits change nothing until they are adopted. */
import { describe, expect, test } from "vitest";
import type { BaselineSources } from "../../../src/log/baseline.js";
import { decodeChunk, stateOfRecord } from "../../../src/log/baseline-chunk.js";
import { ByteWriter } from "../../../src/log/byte-codec.js";
import type { ChunkWrite } from "../../../src/log/state-types.js";
import { parseUid } from "../../../src/maildir/ids.js";
import { chunkOf } from "../../../src/txn/chunks.js";
import { addDigest } from "../../../src/txn/digest.js";
import { digester, mailboxRow, newBaseline, record } from "./state-fixtures.js";

/** Serves chunks from memory and counts what is read. */
function rowsOf(chunks: readonly ChunkWrite[]): BaselineSources["reader"] & { reads: number } {
  return {
    reads: 0,
    chunk(_mailboxId, chunk) {
      this.reads += 1;
      return chunks.find((write) => write.chunk === chunk)?.bytes;
    },
    looks: () => chunks.map(({ chunk, count, lookA, lookB }) => ({ chunk, count, lookA, lookB })),
    digests: () => chunks.map(({ chunk, count, digest }) => ({ chunk, count, digest })),
    mailboxByGuid: () => undefined,
  };
}

describe("MailboxBaseline", () => {
  test("an edit is not seen before it is adopted", () => {
    const baseline = newBaseline(mailboxRow(1));
    const { row, chunks } = baseline.edit({ put: [record(1)], drop: [] });
    expect([baseline.record(parseUid(1)), baseline.looks(), baseline.row.messages]).toStrictEqual([undefined, [], 0]);
    baseline.adopt(chunks, row);
    expect([baseline.record(parseUid(1)), baseline.looks().length, baseline.row.messages]).toStrictEqual([
      record(1),
      1,
      1,
    ]);
  });

  test("an edit touches the chunks of its UIDs only, in ascending order", () => {
    const baseline = newBaseline(mailboxRow(1));
    const { chunks } = baseline.edit({ put: [record(300), record(127), record(128)], drop: [parseUid(1000)] });
    expect(chunks.map(({ chunk, count }) => [chunk, count])).toStrictEqual([
      [0, 1],
      [1, 1],
      [2, 1],
      [7, 0],
    ]);
    expect([127, 128, 300, 1000].map(chunkOf)).toStrictEqual([0, 1, 2, 7]);
  });

  test("counts messages: a replaced record is no new one, a dropped one that was absent is none", () => {
    const baseline = newBaseline(mailboxRow(1));
    const first = baseline.edit({ put: [record(1), record(2)], drop: [] });
    baseline.adopt(first.chunks, first.row);
    const second = baseline.edit({ put: [record(2, { info: ":2,F" }), record(3)], drop: [parseUid(1), parseUid(77)] });
    expect(second.row.messages).toBe(2);
  });

  test("a UID that is dropped and put stays with the new record", () => {
    const baseline = newBaseline(mailboxRow(1));
    const { chunks } = baseline.edit({ put: [record(5)], drop: [parseUid(5)] });
    expect(chunks.map(({ bytes }) => decodeChunk(bytes, []))).toStrictEqual([[record(5)]]);
  });

  test("keyword names are appended, so that older chunks still mean the same", () => {
    const baseline = newBaseline(mailboxRow(1, { keywords: ["b"] }));
    const { row, chunks } = baseline.edit({ put: [record(1, { keywords: ["a", "b"] })], drop: [] });
    expect(row.keywords).toStrictEqual(["b", "a"]);
    expect(chunks.map(({ bytes }) => decodeChunk(bytes, row.keywords)[0]?.keywords)).toStrictEqual([["a", "b"]]);
  });

  test("the columns of the row that it does not compute stay as they are", () => {
    const row = mailboxRow(1, { uidNext: 9, fingerprint: "f", headerExtra: "P1" });
    expect(newBaseline(row).edit({ put: [], drop: [] })).toStrictEqual({ row, chunks: [] });
  });

  test("reads each chunk once, and not what was adopted", () => {
    const { row, chunks } = newBaseline(mailboxRow(1)).edit({ put: [record(1), record(2)], drop: [] });
    const rows = rowsOf(chunks);
    const baseline = newBaseline(row, rows);
    expect([baseline.record(parseUid(1)), baseline.record(parseUid(2))]).toStrictEqual([record(1), record(2)]);
    const edit = baseline.edit({ put: [record(3)], drop: [] });
    baseline.adopt(edit.chunks, edit.row);
    expect(baseline.records(0)).toHaveLength(3);
    expect(rows.reads).toBe(1);
  });

  test("remembers a bounded number of chunks", () => {
    const put = Array.from({ length: 60 }, (_, i) => record(i * 128 + 1));
    const { row, chunks } = newBaseline(mailboxRow(1)).edit({ put, drop: [] });
    const rows = rowsOf(chunks);
    const baseline = newBaseline(row, rows);
    for (let round = 0; round < 2; round++) for (let i = 0; i < 60; i++) baseline.records(i);
    expect(rows.reads).toBe(120);
    baseline.records(59);
    expect(rows.reads).toBe(120);
  });

  test("forgets what it adopted when the commit failed", () => {
    const { row, chunks } = newBaseline(mailboxRow(1)).edit({ put: [record(1)], drop: [] });
    const baseline = newBaseline(row, { ...rowsOf(chunks), mailboxByGuid: () => row });
    const edit = baseline.edit({ put: [], drop: [parseUid(1)] });
    baseline.adopt(edit.chunks, edit.row);
    baseline.forget();
    expect([baseline.record(parseUid(1)), baseline.row, baseline.looks().length]).toStrictEqual([record(1), row, 1]);
  });

  test("a chunk's digest is that of its messages' states, with the fields of their records", () => {
    const records = [record(1), record(2, { info: ":2,FSa", keywords: ["k"], fields: "S3 Gabc" })];
    const { row, chunks } = newBaseline(mailboxRow(1)).edit({ put: records, drop: [] });
    const [one, two] = records.map((each) => digester.sumWithFields([stateOfRecord(each)]));
    const sum = addDigest(one ?? new Uint8Array(), two ?? new Uint8Array());
    expect(chunks[0]?.digest).toStrictEqual(sum);
    expect(newBaseline(row, rowsOf(chunks)).digest(0)).toStrictEqual(sum);
  });

  test("a digest that an older version did not keep is not known until its chunk is written", () => {
    const { row, chunks } = newBaseline(mailboxRow(1)).edit({ put: [record(1), record(200)], drop: [] });
    const older = chunks.map((chunk) => ({ ...chunk, digest: new Uint8Array() }));
    const baseline = newBaseline(row, rowsOf(older));
    expect([baseline.digest(0), baseline.digest(1), baseline.digest(2)]).toStrictEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const edit = baseline.edit({ put: [record(2)], drop: [] });
    baseline.adopt(edit.chunks, edit.row);
    expect([baseline.digest(0), baseline.digest(1)]).toStrictEqual([edit.chunks[0]?.digest, undefined]);
  });
});

describe("stateOfRecord", () => {
  test("takes flags, odd characters and tail from the name, keywords from the record", () => {
    const state = stateOfRecord(record(3, { info: ":2,FSXb,tail", keywords: ["$Junk"] }));
    expect(state).toMatchObject({ flags: 2 + 16, odd: "X", tail: ",tail", keywords: ["$Junk"], size: 3 });
    expect(Object.keys(state)).not.toContain("ino");
  });

  test.each(["", ":1,foreign"])("a name without our info has no flags: %j", (info) => {
    expect(stateOfRecord(record(3, { info }))).toMatchObject({ flags: 0, odd: "", tail: "" });
  });
});

test("a record with more keywords than a message can have is refused before they are read", () => {
  const writer = new ByteWriter();
  for (const number of [1, 0, 1, 5]) writer.varint(number); // version, chunk, one record, its UID.
  for (const text of ["base", "", ""]) writer.text(text);
  for (const number of [0, 0, 0, 1_000_000]) writer.varint(number); // size, mtime, inode, keywords.
  for (let i = 0; i < 1_000_000; i++) writer.byte(0);
  expect(() => decodeChunk(writer.finish(), ["$Junk"])).toThrow(/too many keywords/);
});
