/** Laws of the transaction's encoding: it comes back, and any other bytes end in one coded error. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { MailtwinError } from "../../../src/base/errors.js";
import { decodeTransaction, encodeTransaction } from "../../../src/txn/transaction-codec.js";
import { tries } from "../tries.js";
import { transactions } from "./arbitraries.js";

function decodeOrCode(bytes: Uint8Array): string {
  try {
    decodeTransaction(bytes);
    return "decoded";
  } catch (error) {
    return error instanceof MailtwinError ? error.code : String(error);
  }
}

describe("encodeTransaction and decodeTransaction", () => {
  test.prop([transactions], tries())("what was encoded comes back equal", (transaction) => {
    expect(decodeTransaction(encodeTransaction(transaction))).toStrictEqual(transaction);
  });

  test.prop([transactions], tries())(
    "the bytes fill their buffer, so that sending them sends nothing else",
    (transaction) => {
      const bytes = encodeTransaction(transaction);
      expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
    },
  );

  test.prop([fc.uint8Array({ maxLength: 300 })], tries())("any bytes decode or are refused by code", (bytes) => {
    expect(["decoded", "transaction-invalid"]).toContain(decodeOrCode(bytes));
  });

  test.prop(
    [transactions, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat()],
    tries(),
  )("damaged bytes decode or are refused by code", (transaction, edits, cut) => {
    const bytes = Buffer.from(encodeTransaction(transaction));
    for (const [at, value] of edits) bytes[at % bytes.length] = value;
    expect(["decoded", "transaction-invalid"]).toContain(decodeOrCode(bytes));
    expect(["decoded", "transaction-invalid"]).toContain(decodeOrCode(bytes.subarray(0, cut % bytes.length)));
  });

  test.prop([transactions, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })], tries())(
    "what decodes can be encoded again",
    (transaction, edits) => {
      const bytes = Buffer.from(encodeTransaction(transaction));
      for (const [at, value] of edits) bytes[at % bytes.length] = value;
      if (decodeOrCode(bytes) !== "decoded") return;
      const decoded = decodeTransaction(bytes);
      expect(decodeTransaction(encodeTransaction(decoded))).toStrictEqual(decoded);
    },
  );
});
