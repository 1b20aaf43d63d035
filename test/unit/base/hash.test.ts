import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { openHash, openSha256, sha256, sha256Hex } from "../../../src/base/hash.js";

describe("fast hashes", () => {
  // Known answers of the xxHash specification's reference implementation.
  test("XXH64 and XXH32 give the published values", async () => {
    const { h64, h32 } = await openHash();
    expect(h64(new Uint8Array(0), 0n)).toBe(0xef46db3751d8e999n);
    expect(h64(Buffer.from("abc"), 0n)).toBe(0x44bc2cf5ad770999n);
    expect(h32(new Uint8Array(0), 0)).toBe(0x02cc5d05);
    expect(h32(Buffer.from("abc"), 0)).toBe(0x32d153ff);
  });

  test("a bytes-in-a-string has the hash of its bytes, short or long", async () => {
    const { h64, h64Raw } = await openHash();
    for (const text of ["", "abc", "\xff\xe9\x00", "\xe9x".repeat(2048), "\xe9x".repeat(2049)]) {
      expect(h64Raw(text, 7n)).toBe(h64(Buffer.from(text, "latin1"), 7n));
    }
  });

  test("the seed matters, all 64 bits of it", async () => {
    const { h64 } = await openHash();
    const bytes = Buffer.from("abc");
    const digests = [0n, 1n, 1n << 40n, (1n << 64n) - 1n].map((seed) => h64(bytes, seed));
    expect(new Set(digests).size).toBe(4);
    for (const digest of digests) expect(BigInt.asUintN(64, digest)).toBe(digest);
  });

  test("is loaded once", () => {
    expect(openHash()).toBe(openHash());
  });
});

describe("SHA-256", () => {
  const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  test("gives the published value, as 32 bytes", () => {
    expect(sha256(new Uint8Array(0)).toString("hex")).toBe(EMPTY);
    expect(sha256(new Uint8Array(0))).toHaveLength(32);
    expect(sha256Hex(new Uint8Array(0))).toBe(EMPTY);
  });

  test("in parts it is the same as in one piece", () => {
    const growing = openSha256();
    growing.update(Buffer.from("ab"));
    growing.update(new Uint8Array(0));
    growing.update(Buffer.from("c"));
    const digest = growing.digest();
    expect(digest).toEqual(sha256(Buffer.from("abc")));
    expect(digest).toEqual(createHash("sha256").update("abc").digest());
  });
});
