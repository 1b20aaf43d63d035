/**
 * How both ends of a TLS carrier set up TLS: 1.3 and nothing else, a certificate from each end, no authority and no session that
 * would stand for a key.
 *
 * INVARIANT: Node's own verdict is not asked (`rejectUnauthorized`: there is no chain to verify), so whoever uses these options
 * judges the other end's key by hand (shown-key.ts) before a byte goes to the application or comes from it.
 */
import { constants } from "node:crypto";
import type { ConnectionOptions, TLSSocket, TlsOptions } from "node:tls";
import { KEEP_ALIVE_MS } from "./carrier.js";
import { pemOf, type SiteKey } from "./keys.js";
import { type ShownKey, shownKeyOf } from "./shown-key.js";

export function tlsOptionsOf({ privateKey, certificate }: SiteKey): ConnectionOptions & TlsOptions {
  return {
    key: pemOf(privateKey),
    cert: certificate,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    rejectUnauthorized: false,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** What the other end has proved to hold; undefined if it showed nothing. */
export function shownBy(socket: TLSSocket): ShownKey | undefined {
  // A session that is taken up again shows the certificate of an earlier day.
  const isOfNow = socket.getProtocol() === "TLSv1.3" && !socket.isSessionReused();
  const certificate = isOfNow ? socket.getPeerX509Certificate() : undefined;
  return certificate === undefined ? undefined : shownKeyOf(certificate);
}

/** Messages are small and wait for each other; an end that is gone without a word is noticed. */
export function tuneSocket(socket: TLSSocket): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
}
