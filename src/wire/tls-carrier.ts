/**
 * Streams over TLS 1.3, each end known by its key: the dialler's half. The listener's is tls-listener.ts.
 *
 * INVARIANT: the stream is given away when the other end has proved to hold the expected key, that key's certificate is valid now,
 * and the other end has let this one in; nothing of the application was sent or read before.
 */

import type { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import { unreachable } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import { errnoOf } from "../base/errors.js";
import { whyItFailed } from "../base/system-error.js";
import { formatAddress, type TlsAddress } from "./address.js";
import { type Admission, parseAdmission } from "./admission.js";
import { Deadline, HungUp, muteErrors, untilEvent, withDeadline } from "./carrier.js";
import { wireError } from "./errors.js";
import type { KeyName } from "./key-name.js";
import type { SiteKey } from "./keys.js";
import { judgeKey, whenInvalid } from "./shown-key.js";
import { shownBy, tlsOptionsOf, tuneSocket } from "./tls-options.js";

const DIAL_MS_MAX = 20_000;
/** Of several addresses of one name: Node would give each but 250 ms, which is less than one way to the other side of the world takes. */
const PATIENT = { autoSelectFamilyAttemptTimeout: 3_000 };

export interface TlsDial {
  readonly address: TlsAddress;
  /** This site's. */
  readonly key: SiteKey;
  /** The other end's. */
  readonly peerKey: KeyName;
  readonly clock: Clock;
  readonly dialMsMax?: number;
}

/**
 * The stream is the caller's. The signal ends the attempt, not the stream.
 * Throws: peer-unreachable, peer-key-differs, key-expired, link-refused, handshake-failed.
 */
export async function dialTls(dial: TlsDial, signal: AbortSignal): Promise<Duplex> {
  signal.throwIfAborted();
  const { address, key, clock, dialMsMax = DIAL_MS_MAX } = dial;
  refuseOwnExpired(key, clock);
  const { host, port } = address;
  const socket = connect({ ...tlsOptionsOf(key), ...PATIENT, host, port });
  muteErrors(socket);
  try {
    tuneSocket(socket);
    await withDeadline({ clock, ms: dialMsMax }, (both) => enter(socket, dial, both), signal);
    return socket;
  } catch (error) {
    socket.destroy();
    if (signal.aborted) throw signal.reason;
    throw explainDial(error, address);
  }
}

/** Throws: key-expired. So that the operator of this host reads it, and not of a refusal by another. */
export function refuseOwnExpired(key: SiteKey, clock: Pick<Clock, "nowMs">): void {
  const when = whenInvalid(key, clock.nowMs());
  if (when !== undefined)
    throw wireError("key-expired", `using the key of this site, ${key.name}: its certificate ${when}`);
}

async function enter(socket: TLSSocket, dial: TlsDial, signal: AbortSignal): Promise<void> {
  await untilEvent(socket, "secureConnect", signal);
  const verdict = judgeKey(shownBy(socket), (name) => name === dial.peerKey, dial.clock.nowMs());
  const doing = dialling(dial.address);
  switch (verdict.kind) {
    case "good":
      return acceptAdmission(parseAdmission(await readAdmission(socket, dial, signal)), dial);
    case "none":
      throw wireError("peer-key-differs", `${doing}: it shows no key, and ${dial.peerKey} is expected`);
    case "other":
      throw wireError("peer-key-differs", `${doing}: its key is ${verdict.name}, and ${dial.peerKey} is expected`);
    case "expired":
      throw wireError("key-expired", `${doing}: the certificate of its key, ${verdict.name}, ${verdict.when}`);
    default:
      return unreachable(verdict);
  }
}

/**
 * With TLS 1.3 this end has finished before the other one has judged its key: what fails from here on is the other end's verdict, or a
 * daemon that ends. A mailtwin says why; whatever else is there tells of a key that it does not take by an alert, or by closing.
 */
async function readAdmission(socket: TLSSocket, { address, key }: TlsDial, signal: AbortSignal): Promise<number> {
  try {
    return await readByte(socket, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    const reason = tlsReasonOf(error);
    const isCut = error instanceof HungUp || errnoOf(error) !== undefined;
    if (reason === undefined && !isCut) throw error;
    const how = reason ?? (error instanceof HungUp ? error.message : whyItFailed(error));
    const words = `${dialling(address)}: it showed the key that is expected, and then closed without a word that lets this site in (${how})`;
    throw reason === undefined
      ? wireError(
          "peer-unreachable",
          `${words}: it is ending, has more connections than it takes (both pass), or does not accept our key: ${toPair(key.name)}`,
          error,
        )
      : wireError("link-refused", `${words}: it seems not to accept our key: ${toPair(key.name)}`, error);
  }
}

function toPair(name: KeyName): string {
  return `run mailtwin pair NAME ${name} over there (NAME: what this site is called there), then mailtwin reload`;
}

function acceptAdmission(admission: Admission | undefined, { address, key }: TlsDial): void {
  if (admission === "admitted") return;
  throw wireError("link-refused", `${dialling(address)}: ${wordsOfRefusal(admission, key.name)}`);
}

function wordsOfRefusal(admission: Exclude<Admission, "admitted"> | undefined, name: KeyName): string {
  switch (admission) {
    case "unknownKey":
      return `it does not accept our key, which it does not know: ${toPair(name)}`;
    case "expiredKey":
      return `it takes the certificate of this site's key, ${name}, for expired: compare the clocks of both hosts`;
    case "noKey":
      return `it saw no key of this site, ${name}: something in between ends TLS`;
    case undefined:
      return "it says what no mailtwin of this release says: compare the releases";
    default:
      return unreachable(admission);
  }
}

/** What comes behind it stays in the stream. */
async function readByte(socket: TLSSocket, signal: AbortSignal): Promise<number> {
  for (;;) {
    const bytes = socket.read(1) as Buffer | null;
    const byte = bytes?.[0];
    if (byte !== undefined) return byte;
    if (socket.readableEnded) throw new HungUp();
    await untilEvent(socket, "readable", signal);
  }
}

function explainDial(error: unknown, address: TlsAddress): unknown {
  const doing = dialling(address);
  if (error instanceof Deadline || error instanceof HungUp)
    return wireError("peer-unreachable", `${doing}: ${error.message}`, error);
  const tlsReason = tlsReasonOf(error);
  if (tlsReason !== undefined)
    return wireError("handshake-failed", `${doing}: no TLS 1.3 came about: ${tlsReason}`, error);
  if (errnoOf(error) !== undefined) return wireError("peer-unreachable", `${doing}: ${whyItFailed(error)}`, error);
  return error;
}

/** OpenSSL's own words, without its file names. Undefined for an error that is not of TLS. */
export function tlsReasonOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  const { code } = error;
  const isOfTls = code === "EPROTO" || (typeof code === "string" && code.startsWith("ERR_SSL_"));
  if (!isOfTls) return undefined;
  return "reason" in error && typeof error.reason === "string" ? error.reason : String(code);
}

function dialling(address: TlsAddress): string {
  return `connecting to ${formatAddress(address)}`;
}
