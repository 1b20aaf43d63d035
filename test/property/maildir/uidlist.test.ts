import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { type BaseName, isBaseName, parseUid, UID_MAX } from "../../../src/maildir/ids.js";
import { parseUidlist, type Uidlist } from "../../../src/maildir/uidlist.js";
import { encodeRecords, planUidlistRewrite, type UidlistRecord } from "../../../src/maildir/uidlist-write.js";
import { bytesOf, HEADER, recordsOf } from "../../unit/maildir/uidlist-bytes.js";
import { tries } from "../tries.js";

const latin1 = fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte));

const baseNames: fc.Arbitrary<BaseName> = fc.oneof(
  fc.string({ unit: latin1, minLength: 1, maxLength: 12 }).filter((text): text is BaseName => isBaseName(text)),
  fc
    .nat({ max: 50 })
    .map((n) => `17000000${n}.M${n}P1.host,S=${n}`)
    .filter((text): text is BaseName => isBaseName(text)),
);

const fieldLists = fc
  .array(fc.constantFrom("S309", "W323", "Gold,S=1", "Pa:b", "O1", "Zx/y"), { maxLength: 3 })
  .map((fields) => fields.join(" "));

/** Ascending UIDs, base names in any order, some of them twice. */
const recordLists: fc.Arbitrary<UidlistRecord[]> = fc
  .array(fc.record({ step: fc.integer({ min: 1, max: 1000 }), base: baseNames, fields: fieldLists }), { maxLength: 60 })
  .map((drafts) => {
    let uid = 0;
    return drafts.map(({ step, base, fields }) => {
      uid += step;
      return { uid: parseUid(uid), base, fields };
    });
  });

function fileOf(records: readonly UidlistRecord[]): Buffer {
  return Buffer.concat([bytesOf(HEADER), encodeRecords(records, 0)]);
}

function parsed(bytes: Uint8Array): Uidlist {
  const parse = parseUidlist(bytes);
  if (parse.kind !== "ok") throw new Error(JSON.stringify(parse));
  return parse.uidlist;
}

/** A plain model of what the index answers. */
function lastIndexByBase(records: readonly UidlistRecord[]): Map<string, number> {
  return new Map(records.map(({ base }, index) => [base, index]));
}

test.prop([recordLists], tries())("parsing what was formatted gives the same records", (records) => {
  expect(recordsOf(parsed(fileOf(records)))).toEqual(records.map(({ uid, base, fields }) => ({ uid, base, fields })));
});

test.prop([recordLists], tries())("every record is found by UID and base name, the last of equal names", (records) => {
  const uidlist = parsed(fileOf(records));
  const model = lastIndexByBase(records);
  records.forEach(({ uid, base }, index) => {
    expect(uidlist.indexOfUid(uid)).toBe(index);
    expect(uidlist.indexOfBase(base)).toBe(model.get(base));
    expect(uidlist.isShadowed(index)).toBe(model.get(base) !== index);
  });
  expect(uidlist.indexOfUid(UID_MAX)).toBe(-1);
});

test.prop([recordLists, fc.array(fc.nat(), { maxLength: 8 }), fc.nat()], tries())(
  "reading on, cut anywhere, equals reading whole",
  (records, cuts, indexAt) => {
    const bytes = fileOf(records);
    const headerBytes = bytes.indexOf("\n") + 1;
    const ends = cuts.map((cut) => headerBytes + (cut % (bytes.length - headerBytes + 1))).sort((a, b) => a - b);
    const [first = headerBytes, ...rest] = [...ends, bytes.length];
    const uidlist = parsed(Buffer.from(bytes.subarray(0, first)));
    [...rest, bytes.length].forEach((end, step) => {
      // The index is built at some step, so both ways of filling it are taken.
      if (step === indexAt % 4) uidlist.indexOfBase("x");
      const before = uidlist.count;
      expect(uidlist.extend(bytes.subarray(uidlist.byteLength, end))).toEqual({ kind: "ok", firstNewIndex: before });
      expect(uidlist.byteLength + uidlist.ignoredBytes).toBe(end);
    });
    expect(recordsOf(uidlist)).toEqual(recordsOf(parsed(bytes)));
    expect(Buffer.from(uidlist.rawWhole()).equals(bytes)).toBe(true);
    const model = lastIndexByBase(records);
    for (const { base } of records) expect(uidlist.indexOfBase(base)).toBe(model.get(base));
  },
);

test.prop([recordLists, fc.array(fc.boolean()), recordLists], tries())(
  "a rewrite keeps what stays byte for byte, ascends, and never gives a UID twice",
  (records, dropFlags, additions) => {
    const uidlist = parsed(fileOf(records));
    const drop = new Set(records.filter((_, index) => dropFlags[index] === true).map(({ uid }) => uid as number));
    const add = additions.map((record) => ({ ...record, uid: parseUid(uidlist.nextUid + record.uid) }));
    const after = parsed(Buffer.concat(planUidlistRewrite(uidlist, { drop, add })));
    const kept = records.filter(({ uid }) => !drop.has(uid));
    expect(recordsOf(after)).toEqual([...kept, ...add].map(({ uid, base, fields }) => ({ uid, base, fields })));
    expect(after.nextUid).toBe(add.length === 0 ? uidlist.nextUid : after.lastUid + 1);
    expect(after.header).toEqual({ ...uidlist.header, nextUid: after.nextUid });
    const keptBytes = encodeRecords(kept, 0);
    expect(Buffer.from(after.rawRecords(0, kept.length)).equals(keptBytes)).toBe(true);
  },
);

/** Bytes that look enough like a uidlist to get past the first checks. */
const nearlyUidlists = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "3 V1 N1",
        "1 7 9",
        " ",
        ":",
        "\n",
        "\r\n",
        "\0",
        "/",
        "4294967295",
        "1 :a\n",
        "2 S1 :b:2,S\n",
        "3 x\n",
      ),
      fc.string({ unit: latin1, maxLength: 6 }),
    ),
    { maxLength: 30 },
  )
  .chain((pieces) =>
    fc.constantFrom("", `${HEADER}\n`, "1 7 9\n").map((start) => Buffer.from(start + pieces.join(""), "latin1")),
  );

test.prop([fc.oneof(fc.uint8Array({ maxLength: 300 }), nearlyUidlists)], tries(1000))(
  "any bytes end in a uidlist whose invariants hold, or in a coded refusal within limits",
  (bytes) => {
    const lines = Buffer.from(bytes).toString("latin1").split("\n").length;
    const parse = parseUidlist(bytes);
    if (parse.kind === "unsupported") expect([1, 3]).not.toContain(parse.version);
    else if (parse.kind === "damaged") {
      expect(parse.line).toBeGreaterThanOrEqual(1);
      expect(parse.line).toBeLessThanOrEqual(lines);
      expect(parse.why).not.toBe("");
    } else {
      const { uidlist } = parse;
      expect(uidlist.byteLength + uidlist.ignoredBytes).toBe(bytes.length);
      expect(uidlist.nextUid).toBeLessThanOrEqual(UID_MAX + 1);
      const records = recordsOf(uidlist);
      records.forEach((record, index) => {
        expect(record.uid).toBeGreaterThan(records[index - 1]?.uid ?? 0);
        expect(record.base).toMatch(/^[^:\n/\0]+$/);
      });
      // What was accepted can be rewritten, and what comes out is accepted.
      const after = parsed(Buffer.concat(planUidlistRewrite(uidlist, { drop: new Set(), add: [] })));
      expect(recordsOf(after)).toEqual(records);
      expect(after.nextUid).toBe(uidlist.nextUid);
    }
  },
);
