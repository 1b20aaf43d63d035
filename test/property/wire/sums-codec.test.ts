/** Which spans, UIDs and marks an end takes for a comparison by sums: exactly those that could be meant, of any numbers. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { MailtwinError } from "../../../src/base/errors.js";
import { UID_MAX } from "../../../src/maildir/ids.js";
import { CHUNK_UIDS } from "../../../src/txn/chunks.js";
import { EnvelopeSchema } from "../../../src/wire/gen/link_pb.js";
import { decodeMessage } from "../../../src/wire/message-codec.js";
import { MARKS_MAX, SPANS_MAX, STATES_MAX } from "../../../src/wire/sums.js";
import { tries } from "../tries.js";
import { CHUNKS_MAX } from "./sums-arbitraries.js";

type Init = NonNullable<MessageInitShape<typeof EnvelopeSchema>["message"]>;

/** What was decoded, or the code of the refusal. */
function decoded(message: Init): unknown {
  try {
    return decodeMessage({ head: toBinary(EnvelopeSchema, create(EnvelopeSchema, { message })), payloads: [] });
  } catch (error) {
    return error instanceof MailtwinError ? error.code : error;
  }
}

/** Near each other, at both ends, and anything. */
const number = fc.oneof(
  fc.nat(12),
  fc.constantFrom(0, CHUNKS_MAX - 1, CHUNKS_MAX, CHUNKS_MAX + 1, UID_MAX, UID_MAX + 1, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);
const ascending = (list: readonly number[]) => list.toSorted((a, b) => a - b);
/** Many of them ascend, as those of an honest end do. */
const numbers = (most: number) => {
  const any = fc.array(number, { maxLength: most });
  return fc.oneof(any, any.map(ascending), fc.uniqueArray(number, { maxLength: most }).map(ascending));
};
const steps = fc.oneof(
  fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), number), { maxLength: 6 }),
  fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 40 }),
  fc.integer({ min: STATES_MAX - 1, max: STATES_MAX + 2 }).map((length) => Array.from({ length }, () => 1)),
);

describe("a question about spans", () => {
  const isMeant = (bounds: readonly number[]) => {
    const isAscending = bounds.every((bound, at) => {
      const before = at === 0 ? 0 : (bounds[at - 1] as number);
      return at % 2 === 0 ? bound >= before : bound > before;
    });
    return (
      bounds.length % 2 === 0 && bounds.length <= 2 * SPANS_MAX && isAscending && (bounds.at(-1) ?? 0) <= CHUNKS_MAX
    );
  };

  test.prop([numbers(2 * SPANS_MAX + 3), fc.constantFrom("sumRanges" as const, "markMessages" as const)], tries(400))(
    "is taken where they ascend and end, and refused by code else",
    (bounds, kind) => {
      const message = decoded({ case: "request", value: { id: 1, ask: { case: kind, value: { bounds } } } });
      if (!isMeant(bounds)) {
        expect(message).toBe("wire-invalid");
        return;
      }
      const spans = bounds.flatMap((from, at) => {
        const below = bounds[at + 1] as number;
        return at % 2 === 0 ? [{ from: from * CHUNK_UIDS, below: below * CHUNK_UIDS }] : [];
      });
      expect(message).toMatchObject({ ask: { path: "", spans } });
    },
  );
});

/** The UIDs that are meant, or undefined. */
function uidsOf(list: readonly number[]): readonly number[] | undefined {
  const uids: number[] = [];
  for (const step of list) uids.push((uids.at(-1) ?? 0) + step);
  return list.every((step) => step > 0) && uids.every((uid) => uid <= UID_MAX) ? uids : undefined;
}

describe("UIDs, as distances", () => {
  test.prop([steps, fc.constantFrom("tellMessages" as const, "hashMessages" as const)], tries(400))(
    "of a question are taken where they ascend and could be, and refused by code else",
    (list, kind) => {
      const message = decoded({ case: "request", value: { id: 1, ask: { case: kind, value: { steps: list } } } });
      const uids = list.length <= STATES_MAX ? uidsOf(list) : undefined;
      if (uids === undefined) expect(message).toBe("wire-invalid");
      else expect(message).toMatchObject({ ask: { path: "", uids } });
    },
  );

  test.prop([fc.oneof(steps, fc.constant(Array.from({ length: MARKS_MAX + 1 }, () => 1))), fc.nat(9)], tries(400))(
    "of marks are taken where there is one mark for each",
    (list, missing) => {
      const marks = new Uint8Array(Math.max(0, 8 * list.length - (missing > 6 ? missing - 6 : 0))).fill(1);
      const message = decoded({ case: "reply", value: { id: 1, messageMarks: { steps: list, marks } } });
      const isWhole = list.length <= MARKS_MAX && marks.length === 8 * list.length;
      const uids = isWhole ? uidsOf(list) : undefined;
      if (uids === undefined) expect(message).toBe("wire-invalid");
      else {
        const expected = uids.map((uid) => ({ uid, mark: 0x0101_0101_0101_0101n }));
        expect(message).toMatchObject({ result: { answer: { kind: "message-marks", marks: expected } } });
      }
    },
  );
});
