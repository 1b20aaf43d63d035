/** Laws of the wire's encoding: a message comes back, and any other bytes end in a message or in one coded error. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { MailtwinError } from "../../../src/base/errors.js";
import { decodeMessage, encodeMessage, type Parcel } from "../../../src/wire/message-codec.js";
import type { WireMessage } from "../../../src/wire/messages.js";
import { tries } from "../tries.js";
import { messages } from "./arbitraries.js";
import { sumsAnswers, sumsAsks } from "./sums-arbitraries.js";
import { record, uint32 } from "./values.js";

const payloads = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 3 });
/** Among all messages they are too few. */
const ofSums: fc.Arbitrary<WireMessage> = fc.oneof(
  record({ kind: fc.constant("request" as const), id: uint32, ask: sumsAsks }),
  record({
    kind: fc.constant("reply" as const),
    id: uint32,
    result: record({ ok: fc.constant(true as const), answer: sumsAnswers }),
  }),
);
const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });

function decodeOrCode(parcel: Parcel): string {
  try {
    decodeMessage(parcel);
    return "decoded";
  } catch (error) {
    return error instanceof MailtwinError ? error.code : String(error);
  }
}

function damaged(head: Uint8Array, changes: readonly (readonly [number, number])[]): Uint8Array {
  const bytes = Uint8Array.from(head);
  for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
  return bytes;
}

describe.each([
  ["encodeMessage and decodeMessage", messages],
  ["encodeMessage and decodeMessage of a comparison by sums", ofSums],
])("%s", (_what, those) => {
  test.prop([those], tries())("what was encoded comes back equal", (message) => {
    expect(decodeMessage(encodeMessage(message))).toStrictEqual(message);
  });

  test.prop([those], tries())("bulk bytes are handed over, not copied", (message) => {
    const parcel = encodeMessage(message);
    const decoded = decodeMessage(parcel);
    if (decoded.kind === "bodies")
      expect(decoded.payloads.every((piece, i) => piece === parcel.payloads[i])).toBe(true);
    else if ("payload" in decoded) {
      const along = decoded.kind === "offer" ? (decoded.along?.payloads ?? []) : [];
      expect([decoded.payload, ...along].every((piece, i) => piece === parcel.payloads[i])).toBe(true);
      expect(parcel.payloads).toHaveLength(1 + along.length);
    } else expect(parcel.payloads).toStrictEqual([]);
  });

  test.prop([fc.uint8Array({ maxLength: 200 }), payloads], tries())(
    "any bytes decode or are refused by code",
    (head, pieces) => {
      expect(["decoded", "wire-invalid"]).toContain(decodeOrCode({ head, payloads: pieces }));
    },
  );

  test.prop([those, edits, fc.nat(), payloads], tries())(
    "damaged bytes decode or are refused by code",
    (message, changes, cut, other) => {
      const { head, payloads: own } = encodeMessage(message);
      const bytes = damaged(head, changes);
      expect(["decoded", "wire-invalid"]).toContain(decodeOrCode({ head: bytes, payloads: own }));
      expect(["decoded", "wire-invalid"]).toContain(decodeOrCode({ head, payloads: other }));
      expect(["decoded", "wire-invalid"]).toContain(
        decodeOrCode({ head: bytes.subarray(0, cut % (bytes.length + 1)), payloads: own }),
      );
    },
  );

  test.prop([those, edits], tries())("what decodes can be encoded again and says the same", (message, changes) => {
    const { head, payloads: own } = encodeMessage(message);
    const parcel = { head: damaged(head, changes), payloads: own };
    if (decodeOrCode(parcel) !== "decoded") return;
    const decoded = decodeMessage(parcel);
    expect(decodeMessage(encodeMessage(decoded))).toStrictEqual(decoded);
  });
});
