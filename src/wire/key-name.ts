/**
 * The name of a key: the SHA-256 of its public part (the certificate's SubjectPublicKeyInfo), so that it is the same whatever
 * certificate the key has at the time. A peer is known by it, and by nothing else.
 */
import { createHash, type KeyObject } from "node:crypto";
import { assert } from "../base/assert.js";
import type { Brand } from "../base/brand.js";

/** "sha256:" and 32 bytes in base64. */
export type KeyName = Brand<string, "KeyName">;

/** One spelling for each name: the last character carries four bits, so only sixteen of them are possible there. */
export function isKeyName(text: string): text is KeyName {
  return /^sha256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text);
}

export function nameOfKey(publicKey: KeyObject): KeyName {
  assert(publicKey.type === "public", "a key is named by its public part");
  const info = publicKey.export({ type: "spki", format: "der" });
  return `sha256:${createHash("sha256").update(info).digest("base64")}` as KeyName;
}
