/** A long uidlist: every record is what was written, however it came in and whichever way it is asked for. */
import { beforeAll, describe, expect, test } from "vitest";
import { composeUidlist, type GeneratedRecord, uidlistRecords } from "../../../bench/generate/uidlist.js";
import { parseUidlist, type Uidlist } from "../../../src/maildir/uidlist.js";

const OPTIONS = { records: 200_000, seed: 11 };

let bytes: Buffer;
let written: readonly GeneratedRecord[];

beforeAll(() => {
  bytes = composeUidlist(OPTIONS);
  written = [...uidlistRecords(OPTIONS)];
});

function parse(part: Uint8Array): Uidlist {
  const parsed = parseUidlist(part);
  if (parsed.kind !== "ok") throw new Error(JSON.stringify(parsed));
  return parsed.uidlist;
}

/** Indexes of records that are not as written, or not found by UID or by name. One assertion for each would take minutes. */
function wrongIn(uidlist: Uidlist): number[] {
  return written.flatMap(({ uid, base, fields }, index) => {
    const isRead = uidlist.uidAt(index) === uid && uidlist.baseAt(index) === base && uidlist.fieldsAt(index) === fields;
    const isFound = uidlist.indexOfUid(uid) === index && uidlist.indexOfBase(base) === index;
    return isRead && isFound && !uidlist.isShadowed(index) ? [] : [index];
  });
}

describe("a uidlist of 200,000 lines", () => {
  test("is one with gaps, fields and odd names", () => {
    expect(written).toHaveLength(200_000);
    expect(written.at(-1)?.uid).toBeGreaterThan(200_000);
    expect(written.some(({ base }) => base.includes("\xfc"))).toBe(true);
    expect(written.filter(({ fields }) => fields !== "").length).toBeGreaterThan(1_000);
  });

  test("read at once has each record", () => {
    const uidlist = parse(bytes);
    expect([uidlist.count, uidlist.byteLength, uidlist.lastUid]).toEqual([200_000, bytes.length, written.at(-1)?.uid]);
    expect(wrongIn(uidlist)).toEqual([]);
  });

  test("read in pieces that end anywhere, with questions in between, has each record", () => {
    const uidlist = parse(bytes.subarray(0, 1_000));
    for (let size = 70_001; uidlist.byteLength < bytes.length; size = size * 2 + 1) {
      expect(uidlist.indexOfBase(written[0]?.base ?? "")).toBe(0);
      const { byteLength } = uidlist;
      expect(uidlist.extend(bytes.subarray(byteLength, byteLength + size)).kind).toBe("ok");
      expect(uidlist.byteLength).toBeGreaterThan(byteLength);
    }
    expect(uidlist.count).toBe(200_000);
    expect(wrongIn(uidlist)).toEqual([]);
  });
});
