/** Laws of frames: they come out as they went in, however the stream is cut; other bytes end in frames or in one coded error. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { MailtwinError } from "../../../src/base/errors.js";
import { encodeFrame, type Frame, FrameReader } from "../../../src/wire/frames.js";
import { tries } from "../tries.js";
import { record } from "./values.js";

const bytes = fc.uint8Array({ maxLength: 40 });
const frame: fc.Arbitrary<Frame> = fc.oneof(
  record({
    kind: fc.constant("message" as const),
    parcel: record({ head: bytes, payloads: fc.array(bytes, { maxLength: 4 }) }),
  }),
  record({ kind: fc.constant("credit" as const), bytes: fc.nat(0xffff_ffff) }),
  fc.constant({ kind: "alive" as const }),
  fc.constant({ kind: "end" as const }),
);
const frames = fc.array(frame, { maxLength: 6 });

function streamOf(list: readonly Frame[]): Uint8Array {
  return new Uint8Array(Buffer.concat(list.flatMap(encodeFrame)));
}

function readCut(stream: Uint8Array, cuts: readonly number[]): readonly Frame[] {
  const reader = new FrameReader();
  const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  return places.slice(1).flatMap((end, i) => reader.read(stream.subarray(places[i], end)));
}

describe("encodeFrame and FrameReader", () => {
  test.prop([frames, fc.array(fc.nat(), { maxLength: 8 })], tries())(
    "frames come out as they went in",
    (list, cuts) => {
      expect(readCut(streamOf(list), cuts)).toStrictEqual(list);
    },
  );

  test.prop([frames.filter((list) => list.length > 0), fc.nat(), fc.integer({ min: 1, max: 255 })], tries())(
    "a byte that is changed is noticed, or awaited",
    (list, at, change) => {
      const stream = streamOf(list);
      const place = at % stream.length;
      stream[place] = (stream[place] ?? 0) ^ change;
      let read: readonly Frame[] = [];
      try {
        read = readCut(stream, []);
      } catch (error) {
        expect(error).toMatchObject({ code: "wire-invalid" });
        return;
      }
      // A length that grew: the reader waits for what will not come, and nothing of that frame has come out.
      expect(read.length).toBeLessThan(list.length);
      expect(read).toStrictEqual(list.slice(0, read.length));
    },
  );

  test.prop([fc.uint8Array({ maxLength: 400 })], tries())("any bytes end in frames or in one coded error", (stream) => {
    let code = "none";
    try {
      readCut(stream, []);
    } catch (error) {
      code = error instanceof MailtwinError ? error.code : String(error);
    }
    expect(["none", "wire-invalid"]).toContain(code);
  });
});
