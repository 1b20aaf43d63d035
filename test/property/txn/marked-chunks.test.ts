/** Marks by chunks say what marks one by one say, of any span, whether a chunk's messages were read or only its digest is known. */
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { chunkOf } from "../../../src/txn/chunks.js";
import { digestOfHalves } from "../../../src/txn/digest.js";
import { MarkedChunks } from "../../../src/txn/marked-chunks.js";
import { MarkedUids } from "../../../src/txn/marked-uids.js";
import { tries } from "../tries.js";

const half = fc.oneof(fc.constantFrom(0n, 1n, 2n ** 64n - 1n), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
const seeds = fc.oneof(fc.constantFrom(0, 1, 2 ** 32 - 1), fc.nat());
const edges = fc.oneof(
  fc.nat(1100),
  fc.nat(8).map((chunk) => chunk * 128),
);
const messages = fc
  .uniqueArray(
    fc.record({
      uid: fc.integer({ min: 1, max: 1000 }),
      halves: fc.record({ a: half, b: half }),
      isOff: fc.integer({ max: 40, min: 0 }).map((it) => it === 0),
    }),
    { maxLength: 120, selector: ({ uid }) => uid },
  )
  .map((all) => all.sort((a, b) => a.uid - b.uid));

test.prop([messages, fc.uniqueArray(fc.nat(7)), seeds, fc.array(fc.tuple(edges, edges), { minLength: 1 })], tries())(
  "of any spans, in any order",
  (all, wanted, seed, spans) => {
    const inChunk = (chunk: number) => all.filter(({ uid }) => chunkOf(uid) === chunk);
    const chunks = [...new Set(all.map(({ uid }) => chunkOf(uid)))];
    const known = new Set(wanted.filter((chunk) => inChunk(chunk).every(({ isOff }) => !isOff)));
    const read: number[] = [];
    const marked = new MarkedChunks(seed, (chunk) => {
      read.push(chunk);
      return inChunk(chunk);
    });
    const each = new MarkedUids(seed);
    for (const { uid, halves, isOff } of all) each.add(uid, halves, isOff);
    for (const chunk of chunks) {
      const of = inChunk(chunk);
      const [a, b] = [
        of.reduce((sum, { halves }) => sum + halves.a, 0n),
        of.reduce((sum, { halves }) => sum + halves.b, 0n),
      ];
      if (known.has(chunk)) marked.addKnown(chunk, of.length, digestOfHalves(a, b));
      else marked.addRead(chunk, of);
    }
    expect([marked.count, marked.offs, marked.digest]).toStrictEqual([each.count, each.offs, each.digest]);
    for (const [one, other] of spans) {
      const [from, below] = [Math.min(one, other), Math.max(one, other)];
      expect([marked.countIn(from, below), marked.sumIn(from, below)]).toStrictEqual([
        each.countIn(from, below),
        each.sumIn(from, below),
      ]);
    }
    expect(read.every((chunk) => known.has(chunk))).toBe(true);
    expect(new Set(read).size, "each is read once").toBe(read.length);
  },
);

test("a span of whole chunks has no message read", () => {
  const marked = new MarkedChunks(3, () => expect.unreachable("nothing is to be read"));
  for (const chunk of [0, 2, 3]) marked.addKnown(chunk, 2, digestOfHalves(BigInt(chunk), 1n));
  expect(marked.sumIn(1, 512)).toBe(0 + 2 + 3 + 3 * 3);
  expect([marked.sumIn(256, 512), marked.countIn(0, 384)]).toStrictEqual([2 + 3 + 3 * 2, 4]);
});
