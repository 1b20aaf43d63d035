/**
 * Makes the certificate that carries a site's key. Loaded only when one is made: Node itself reads certificates.
 *
 * It names nobody: a peer believes of it nothing but the public key, and when it is valid.
 */
import "reflect-metadata"; // before the others: the dependency injection of @peculiar/x509 asks for it as it loads.
import { createPublicKey, type KeyObject, webcrypto } from "node:crypto";
import { BasicConstraintsExtension, X509CertificateGenerator } from "@peculiar/x509";
import type { UnixMs } from "../base/clock.js";

export interface Validity {
  readonly fromMs: UnixMs;
  readonly untilMs: UnixMs;
}

/** PEM. `privateKey` is an Ed25519 key. */
export async function makeCertificate(privateKey: KeyObject, { fromMs, untilMs }: Validity): Promise<string> {
  const { subtle } = webcrypto;
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const algorithm = { name: "Ed25519" };
  const keys = {
    privateKey: await subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]),
    publicKey: await subtle.importKey("spki", spki, algorithm, true, ["verify"]),
  };
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: "CN=mailtwin",
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(fromMs),
      notAfter: new Date(untilMs),
      extensions: [new BasicConstraintsExtension(false, undefined, true)],
    },
    webcrypto,
  );
  return `${certificate.toString("pem").trim()}\n`;
}
