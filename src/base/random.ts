/**
 * Unpredictable names: from the kernel's generator, so that neither another process nor a mail user can guess them.
 */
import { randomBytes } from "node:crypto";
import { assert } from "./assert.js";

const BYTES_MAX = 64;

/** Lower-case hexadecimal, two characters a byte. 8 bytes name a temporary file, 16 bytes name a thing for ever. */
export function randomHex(byteCount: number): string {
  assert(Number.isInteger(byteCount) && byteCount >= 1 && byteCount <= BYTES_MAX, "1 to 64 random bytes");
  return randomBytes(byteCount).toString("hex");
}

/** Uniform in [0, 1): for what should differ, not for what should be secret. */
export function randomFraction(): number {
  return randomBytes(4).readUInt32BE(0) / 2 ** 32;
}
