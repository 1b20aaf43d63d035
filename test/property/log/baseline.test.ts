/** Laws of the baseline: its coding, its looks, and edits against a plain map. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { MailtwinError } from "../../../src/base/errors.js";
import { decodeChunk, encodeChunk, stateOfRecord } from "../../../src/log/baseline-chunk.js";
import { addLook, type Look, lookOf, NO_LOOK, sameLook, subtractLook } from "../../../src/log/look.js";
import type { BaselineRecord, ChunkWrite } from "../../../src/log/state-types.js";
import { parseUid } from "../../../src/maildir/ids.js";
import { addDigest, emptyDigest } from "../../../src/txn/digest.js";
import { digester, mailboxRow, newBaseline } from "../../unit/log/state-fixtures.js";
import { tries } from "../tries.js";
import { baseNames, keywordNames } from "../txn/arbitraries.js";

const NAMES = ["$Junk", "$Label1", "NonJunk"];

const recordAt = (uid: number, names: fc.Arbitrary<string[]>): fc.Arbitrary<BaselineRecord> =>
  fc.record(
    {
      uid: fc.constant(parseUid(uid)),
      base: baseNames,
      info: fc.constantFrom("", ":2,", ":2,Sa", ":2,FSX,tail"),
      keywords: names,
      size: fc.maxSafeNat(),
      mtimeS: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
      fields: fc.constantFrom("", "S3 W4", "Gabc"),
      ino: fc.maxSafeNat(),
    },
    { noNullPrototype: true },
  );

const chunkRecords = fc
  .tuple(fc.nat(30_000_000), fc.uniqueArray(fc.nat(127), { maxLength: 20 }))
  .chain(([chunk, offsets]) => {
    const uids = offsets.sort((a, b) => a - b).map((offset) => Math.max(1, chunk * 128 + offset));
    const records = fc.tuple(...[...new Set(uids)].map((uid) => recordAt(uid, fc.subarray(NAMES))));
    return fc.tuple(fc.constant(chunk), records);
  });

const indexes = new Map(NAMES.map((name, index) => [name, index]));
const write = (chunk: number, records: readonly BaselineRecord[]): ChunkWrite =>
  encodeChunk({ mailboxId: 1, chunk, records, keywordIndexByName: indexes, digester });

function decodeOrCode(bytes: Uint8Array): string {
  try {
    decodeChunk(bytes, NAMES);
    return "decoded";
  } catch (error) {
    return error instanceof MailtwinError ? error.code : String(error);
  }
}

describe("encodeChunk and decodeChunk", () => {
  test.prop([chunkRecords], tries())("what was encoded comes back equal", ([chunk, records]) => {
    const { bytes, count } = write(chunk, records);
    expect(decodeChunk(bytes, NAMES)).toStrictEqual(records);
    expect(count).toBe(records.length);
    expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
  });

  test.prop([chunkRecords, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat()], tries())(
    "damaged bytes decode or are refused by code",
    ([chunk, records], edits, cut) => {
      const bytes = Buffer.from(write(chunk, records).bytes);
      for (const [at, value] of edits) bytes[at % bytes.length] = value;
      expect(["decoded", "state-corrupt"]).toContain(decodeOrCode(bytes));
      expect(decodeOrCode(bytes.subarray(0, cut % bytes.length))).toBe("state-corrupt");
    },
  );

  test.prop([fc.uint8Array({ maxLength: 100 })], tries())("any bytes decode or are refused by code", (bytes) => {
    expect(["decoded", "state-corrupt"]).toContain(decodeOrCode(bytes));
  });
});

describe("looks", () => {
  const names = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.string({ maxLength: 8 })), {
    selector: ([uid]) => uid,
  });
  const sumOf = (list: readonly (readonly [number, string])[]): Look =>
    list.reduce((sum, [uid, name]) => addLook(sum, lookOf(uid, name)), NO_LOOK);

  test.prop([names], tries())("do not depend on the order, and can be taken back", (list) => {
    const whole = sumOf(list);
    expect(sumOf(list.toReversed())).toStrictEqual(whole);
    const [first, ...rest] = list;
    if (first !== undefined) expect(subtractLook(whole, lookOf(...first))).toStrictEqual(sumOf(rest));
  });

  test.prop([names, names], tries())("are equal exactly for equal listings", (a, b) => {
    const sorted = (list: typeof a): string => JSON.stringify(list.toSorted(([x], [y]) => x - y));
    expect(sameLook(sumOf(a), sumOf(b))).toBe(sorted(a) === sorted(b));
  });
});

describe("MailboxBaseline", () => {
  const edits = fc.array(
    fc.record({
      put: fc
        .uniqueArray(fc.integer({ min: 1, max: 400 }), { maxLength: 6 })
        .chain((uids) => fc.tuple(...uids.map((uid) => recordAt(uid, keywordNames)))),
      drop: fc.array(fc.integer({ min: 1, max: 400 }).map(parseUid), { maxLength: 6 }),
    }),
    { maxLength: 12 },
  );

  test.prop([edits, fc.infiniteStream(fc.boolean())], tries())(
    "after any edits, adopted or failed, it is what a map would be, and so are its rows",
    (list, succeeds) => {
      const stored = new Map<number, ChunkWrite>();
      let row = mailboxRow(1);
      const baseline = newBaseline(row, {
        chunk: (_id, chunk) => stored.get(chunk)?.bytes,
        looks: () => [...stored.values()].sort((a, b) => a.chunk - b.chunk),
        digests: () => [...stored.values()],
        mailboxByGuid: () => row,
      });
      const model = new Map<number, BaselineRecord>();
      for (const edit of list) {
        baseline.digest(0); // from now on they are kept, and have to follow.
        const rows = baseline.edit(edit);
        if (succeeds.next().value === false) {
          baseline.forget();
          continue;
        }
        for (const uid of edit.drop) model.delete(uid);
        for (const each of edit.put) model.set(each.uid, each);
        for (const chunk of rows.chunks) {
          if (chunk.count === 0) stored.delete(chunk.chunk);
          else stored.set(chunk.chunk, chunk);
        }
        row = rows.row;
        baseline.adopt(rows.chunks, rows.row);
      }
      const expected = [...model.values()].sort((a, b) => a.uid - b.uid);
      const chunks = [0, 1, 2, 3];
      expect(chunks.flatMap((chunk) => baseline.records(chunk))).toStrictEqual(expected);
      expect(chunks.flatMap((chunk) => newBaseline(row, { ...rowsFrom(stored) }).records(chunk))).toStrictEqual(
        expected,
      );
      expect(row.messages).toBe(expected.length);
      for (const look of baseline.looks()) {
        const held = expected.filter(({ uid }) => Math.floor(uid / 128) === look.chunk);
        const sum = held.reduce((part, { uid, base, info }) => addLook(part, lookOf(uid, base + info)), NO_LOOK);
        expect(look).toMatchObject({ count: held.length, ...sum });
      }
      expectDigests(stored, expected);
      const kept = chunks.map((chunk) => baseline.digest(chunk));
      expect(kept).toStrictEqual(chunks.map((chunk) => stored.get(chunk)?.digest));
    },
  );
});

/** What is kept of each chunk is what its records sum up to now, and of all chunks together what all records do. */
function expectDigests(stored: ReadonlyMap<number, ChunkWrite>, records: readonly BaselineRecord[]): void {
  const ofChunk = (chunk: number) => records.filter(({ uid }) => Math.floor(uid / 128) === chunk).map(stateOfRecord);
  const chunks = [...new Set(records.map(({ uid }) => Math.floor(uid / 128)))];
  const kept = [...stored.values()].sort((a, b) => a.chunk - b.chunk);
  expect(kept.map(({ chunk, count, digest }) => ({ chunk, count, digest }))).toStrictEqual(
    chunks.map((chunk) => {
      const states = ofChunk(chunk);
      return { chunk, count: states.length, digest: digester.sumWithFields(states) };
    }),
  );
  const whole = kept.reduce((sum, { digest }) => addDigest(sum, digest), emptyDigest());
  expect(whole).toStrictEqual(digester.sumWithFields(records.map(stateOfRecord).toReversed()));
}

function rowsFrom(stored: ReadonlyMap<number, ChunkWrite>) {
  return {
    chunk: (_id: number, chunk: number) => stored.get(chunk)?.bytes,
    looks: () => [...stored.values()],
    digests: () => [...stored.values()],
    mailboxByGuid: () => undefined,
  };
}
