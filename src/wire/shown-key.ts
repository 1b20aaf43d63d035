/**
 * What an end of a TLS connection showed of itself, and whether that is enough to talk with it.
 *
 * Node and OpenSSL prove that the other end holds the private key of its certificate (CertificateVerify). All else is decided here:
 * there is no authority to ask, and no name to compare.
 */
import type { X509Certificate } from "node:crypto";
import type { UnixMs } from "../base/clock.js";
import { type KeyName, nameOfKey } from "./key-name.js";

export interface ShownKey {
  readonly name: KeyName;
  /** NaN where the certificate says no time. */
  readonly validFromMs: number;
  readonly validUntilMs: number;
}

export type KeyVerdict =
  | { readonly kind: "good"; readonly name: KeyName }
  | { readonly kind: "none" }
  /** It is somebody else's, or nobody's. */
  | { readonly kind: "other"; readonly name: KeyName }
  | { readonly kind: "expired"; readonly name: KeyName; readonly when: string };

export function shownKeyOf(certificate: X509Certificate): ShownKey {
  return {
    name: nameOfKey(certificate.publicKey),
    validFromMs: Date.parse(certificate.validFrom),
    validUntilMs: Date.parse(certificate.validTo),
  };
}

/** Whose key it is comes first: of a key that is not known nobody is told when it was valid. */
export function judgeKey(shown: ShownKey | undefined, isKnown: (name: KeyName) => boolean, nowMs: UnixMs): KeyVerdict {
  if (shown === undefined) return { kind: "none" };
  const { name } = shown;
  if (!isKnown(name)) return { kind: "other", name };
  const when = whenInvalid(shown, nowMs);
  return when === undefined ? { kind: "good", name } : { kind: "expired", name, when };
}

/** As the end of a sentence about a certificate; undefined for one that is valid now. */
export function whenInvalid({ validFromMs, validUntilMs }: Omit<ShownKey, "name">, nowMs: UnixMs): string | undefined {
  if (nowMs >= validFromMs && nowMs <= validUntilMs) return undefined;
  if (nowMs < validFromMs) return `is valid only from ${shownTime(validFromMs)} on`;
  return nowMs > validUntilMs ? `was valid until ${shownTime(validUntilMs)}` : "does not say when it is valid";
}

function shownTime(ms: number): string {
  return new Date(ms).toISOString();
}
