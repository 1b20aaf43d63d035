/** What a link holds of a frame that is not there yet takes the memory of its bytes, however they come. */
import { fc, test as propertyTest } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { FrameReader } from "../../../src/wire/frames.js";
import { BLOCK_BYTES, HeldBytes, LARGE_BYTES } from "../../../src/wire/held-bytes.js";
import { tries } from "../../property/tries.js";

/** As a stream gives it: in a buffer of its own. */
const chunkOf = (length: number, fill = 1): Uint8Array => new Uint8Array(length).fill(fill);

/** The bytes of memory behind what is held, and the number of buffers. */
function memoryOf({ chunks }: HeldBytes) {
  const buffers = new Set(chunks.map(({ buffer }) => buffer));
  return { buffers: buffers.size, bytes: [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0) };
}

function holding(lengths: readonly number[]): HeldBytes {
  const held = new HeldBytes();
  for (const [i, length] of lengths.entries()) {
    held.add(chunkOf(length, i % 251));
    held.settle();
  }
  return held;
}

describe("HeldBytes", () => {
  test("of chunks of one byte it holds few buffers, and little more memory than their bytes", () => {
    const held = holding(Array.from({ length: 300_000 }, () => 1));
    const { buffers, bytes } = memoryOf(held);
    expect([held.length, held.chunks.length]).toStrictEqual([300_000, buffers]);
    expect(buffers).toBe(Math.ceil(300_000 / BLOCK_BYTES));
    expect(bytes).toBeLessThan(300_000 + BLOCK_BYTES);
  });

  test("of any chunks it holds at most half as much again as came, and a block", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2 * LARGE_BYTES), { maxLength: 40 }), (lengths) => {
        const held = holding(lengths);
        const { buffers, bytes } = memoryOf(held);
        expect(bytes).toBeLessThanOrEqual(1.5 * held.length + BLOCK_BYTES);
        expect(buffers).toBeLessThanOrEqual((2 * held.length) / BLOCK_BYTES + 2);
      }),
      { numRuns: 100 },
    );
  });

  test("large chunks are not copied; nor is a small one that is taken at once", () => {
    const large = chunkOf(LARGE_BYTES);
    const held = new HeldBytes();
    held.add(large);
    held.settle();
    held.add(large);
    held.settle();
    expect(held.chunks.map(({ buffer }) => buffer === large.buffer)).toStrictEqual([true, true]);
    const whole = new HeldBytes();
    const small = chunkOf(100);
    whole.add(small);
    expect(whole.chunks).toStrictEqual([small]);
    expect(whole.chunks[0]?.buffer).toBe(small.buffer);
    expect(whole.take(100)).toStrictEqual(small);
    whole.settle();
    expect(memoryOf(whole)).toStrictEqual({ buffers: 0, bytes: 0 });
  });

  test("what is left of a large chunk does not keep the whole of it", () => {
    const held = new HeldBytes();
    held.add(chunkOf(64 * 1024));
    held.take(64 * 1024 - 1);
    held.settle();
    expect(memoryOf(held)).toStrictEqual({ buffers: 1, bytes: BLOCK_BYTES });
  });

  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), length: fc.nat(2 * LARGE_BYTES) }),
    fc.record({ kind: fc.constant("add" as const), length: fc.nat(10) }),
    fc.record({ kind: fc.constant("take" as const), length: fc.nat(3 * LARGE_BYTES) }),
  );
  propertyTest.prop([fc.array(step, { maxLength: 20 })], tries())("gives the bytes as they came", (steps) => {
    const held = new HeldBytes();
    const [came, taken]: [number[], number[]] = [[], []];
    for (const { kind, length } of steps) {
      if (kind === "add") {
        const bytes = Uint8Array.from({ length }, (_, i) => (came.length + i) % 251);
        came.push(...bytes);
        held.add(bytes);
        if (length % 2 === 0) taken.push(...held.take(Math.min(7, held.length))); // a frame that ends in it.
        held.settle();
      } else taken.push(...held.take(Math.min(length, held.length)));
      expect(held.length).toBe(came.length - taken.length);
    }
    taken.push(...held.take(held.length));
    expect(taken).toStrictEqual(came);
  });
});

test("a frame of the largest size that comes byte by byte is held by its reader without a buffer for each", () => {
  const held = new HeldBytes();
  const reader = new FrameReader(held);
  const announced = Buffer.from("00000000010100000000010100000000", "hex"); // 16 MiB of head, and one piece of 16 MiB.
  for (let came = 0; came < 100_000; came++) reader.read(Uint8Array.of(announced[came] ?? 0));
  expect([reader.isInside, held.length]).toStrictEqual([true, 100_000 - 15]);
  expect(memoryOf(held).buffers).toBe(Math.ceil(held.length / BLOCK_BYTES));
});
