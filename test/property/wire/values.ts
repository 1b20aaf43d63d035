/** Values of which messages of the wire are made. */
import { fc } from "@fast-check/vitest";
import { isRawPath, type RawPath } from "../../../src/base/raw-name.js";
import { parseMailboxGuid } from "../../../src/maildir/ids.js";
import { DIGEST_BYTES } from "../../../src/txn/digest.js";

/** Plain objects, as the program makes them. */
export function record<T, K extends keyof T = keyof T>(
  model: { [Key in keyof T]: fc.Arbitrary<T[Key]> },
  constraints: { requiredKeys?: K[] } = {},
): fc.Arbitrary<fc.RecordValue<T, K>> {
  return fc.record(model, { ...constraints, noNullPrototype: true });
}

const byteChar = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
export const uint32 = fc.oneof(fc.constantFrom(0, 1, 0xffff_ffff), fc.integer({ min: 0, max: 0xffff_ffff }));
export const uint53 = fc.oneof(fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER), fc.maxSafeNat());
/** What is not fit for a terminal does not come through: message-codec.test.ts of the units. */
export const text = fc
  .string({ unit: "grapheme", maxLength: 40 })
  .map((words) => words.replace(/[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu, "."));
export const names = fc.string({ unit: byteChar, maxLength: 40 });
export const bytes = fc.uint8Array({ maxLength: 64 });
export const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
export const digest = fc.uint8Array({ minLength: DIGEST_BYTES, maxLength: DIGEST_BYTES });

export const guid = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((id) => parseMailboxGuid(Buffer.from(id).toString("hex")));

export const path: fc.Arbitrary<RawPath> = fc
  .oneof(
    fc.constantFrom("", "alice/Maildir/.Sent", "caf\u00c3\u00a9/\u00ff"),
    fc.string({ unit: byteChar, maxLength: 30 }),
  )
  .filter(isRawPath);
