/**
 * The two hashes of the program: XXH64 for digests of ranges and blocks, SHA-256 for identity.
 *
 * 64 bits are never an identity: whoever writes mail could make two messages collide. XXH64 lives in WebAssembly that
 * has to be compiled first, once per thread; SHA-256 is Node's own.
 */
import { createHash, hash } from "node:crypto";
import type { XXHashAPI } from "xxhash-wasm";

/** Synchronous hash functions; results are unsigned. */
export interface FastHash {
  h64(bytes: Uint8Array, seed: bigint): bigint;
  /** Of the bytes in a bytes-in-a-string. */
  h64Raw(text: string, seed: bigint): bigint;
  h32(bytes: Uint8Array, seed: number): number;
}

/** A digest that grows. `digest` ends it. */
export interface Sha256Stream {
  update(bytes: Uint8Array): void;
  /** 32 bytes. */
  digest(): Buffer;
}

const SCRATCH_BYTES = 4096;
let opened: Promise<FastHash> | undefined;

/** The same functions for all callers of a thread; the module is loaded by the first of them. */
export function openHash(): Promise<FastHash> {
  opened ??= loadHash();
  return opened;
}

async function loadHash(): Promise<FastHash> {
  const { default: load } = await import("xxhash-wasm");
  return wrap(await load());
}

function wrap(wasm: XXHashAPI): FastHash {
  const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  return {
    h64: (bytes, seed) => wasm.h64Raw(bytes, seed),
    h64Raw: (text, seed) => {
      if (text.length > SCRATCH_BYTES) return wasm.h64Raw(Buffer.from(text, "latin1"), seed);
      return wasm.h64Raw(scratch.subarray(0, scratch.write(text, "latin1")), seed);
    },
    h32: (bytes, seed) => wasm.h32Raw(bytes, seed),
  };
}

/** 32 bytes. For parts that are not in one piece, `openSha256`. */
export function sha256(bytes: Uint8Array): Buffer {
  return hash("sha256", bytes, "buffer");
}

/** The same in lower-case hex, for less than making a text of the above. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

export function openSha256(): Sha256Stream {
  const growing = createHash("sha256");
  return {
    update: (bytes) => {
      growing.update(bytes);
    },
    digest: () => growing.digest(),
  };
}
