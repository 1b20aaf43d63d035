/** `verify --sample 1/N`: each chunk of each mailbox is read on exactly one of N days that follow each other, whenever they begin. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { isInSample, sampleOf, WHOLE } from "../../../src/daemon/verify/deep.js";
import { parseMailboxGuid, UID_MAX } from "../../../src/maildir/ids.js";
import { chunkOf } from "../../../src/txn/chunks.js";
import { tries } from "../tries.js";

const DAY_MS = 86_400_000;

const mailbox = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((id) => parseMailboxGuid(Buffer.from(id).toString("hex")));
const chunk = fc.oneof(fc.constantFrom(0, chunkOf(UID_MAX)), fc.nat(300), fc.nat(chunkOf(UID_MAX)));
const parts = fc.oneof(fc.constantFrom(2, 30, 366), fc.integer({ min: 2, max: 366 }));
/** At any time of a day. */
const start = fc.tuple(fc.nat(40_000), fc.nat(DAY_MS - 1)).map(([day, ms]) => day * DAY_MS + ms);

const daysOf = (count: number, firstMs: number) =>
  Array.from({ length: count }, (_, day) => sampleOf(`1/${count}`, firstMs + day * DAY_MS));

describe("isInSample", () => {
  test.prop([mailbox, chunk, parts, start], tries())("is true on one day of each round", (guid, of, count, firstMs) => {
    const days = daysOf(count, firstMs);
    expect(days.filter((sample) => isInSample(sample)(guid, of))).toHaveLength(1);
    expect(new Set(days.map(({ turn }) => turn)).size).toBe(count);
  });

  test.prop([mailbox, chunk, parts, start, fc.nat(DAY_MS - 1)], tries())(
    "is the same all day, and a round later",
    (guid, of, count, atMs, laterMs) => {
      const midnightMs = Math.floor(atMs / DAY_MS) * DAY_MS;
      const at = (ms: number) => isInSample(sampleOf(`1/${count}`, ms))(guid, of);
      expect([at(midnightMs + laterMs), at(atMs + count * DAY_MS)]).toEqual([at(atMs), at(atMs)]);
    },
  );

  test.prop([mailbox, parts, start], tries())(
    "of chunks that follow each other reads equally many",
    (guid, count, firstMs) => {
      for (const sample of daysOf(count, firstMs)) {
        const chunks = Array.from({ length: 2 * count }, (_, index) => index);
        expect(chunks.filter((of) => isInSample(sample)(guid, of))).toHaveLength(2);
      }
    },
  );

  test.prop([mailbox, chunk], tries())("is always true of the whole", (guid, of) => {
    expect(isInSample(WHOLE)(guid, of)).toBe(true);
  });
});
