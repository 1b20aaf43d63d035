/**
 * Streams over TLS 1.3, each end known by its key: the listener's half (tls-carrier.ts is the dialler's).
 *
 * INVARIANT: only a connection whose key is known and valid now reaches `onArrival`; of any other nothing was read but TLS itself.
 * INVARIANT: strangers hold a bounded number of connections, each for a bounded time. When there are too many the oldest gives way:
 * an honest handshake takes milliseconds, so whoever wants to keep it out has to be faster than that.
 * INVARIANT: whatever one connection does is told to `onRefused` at most, and ends that connection only.
 */
import { once } from "node:events";
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext, createServer, type Server, type TLSSocket } from "node:tls";
import { assert, unreachable } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import { errnoOf, type MailtwinError } from "../base/errors.js";
import { whyItFailed } from "../base/system-error.js";
import { formatAddress, type TlsAddress } from "./address.js";
import { ADMISSION, type Admission } from "./admission.js";
import { type Listener, muteErrors } from "./carrier.js";
import { type WireErrorCode, wireError } from "./errors.js";
import type { KeyName } from "./key-name.js";
import type { SiteKey } from "./keys.js";
import { judgeKey, type KeyVerdict } from "./shown-key.js";
import { refuseOwnExpired, tlsReasonOf } from "./tls-carrier.js";
import { shownBy, tlsOptionsOf, tuneSocket } from "./tls-options.js";

export interface TlsArrival {
  /** The receiver's from now on. */
  readonly stream: Duplex;
  readonly peerName: string;
  readonly peerKey: KeyName;
}

export interface TlsListenPorts {
  readonly key: SiteKey;
  readonly clock: Clock;
  /** What the configuration calls the peer with that key; undefined for a stranger. Asked anew for each connection. */
  readonly peerNameOf: (key: KeyName) => string | undefined;
  readonly onArrival: (arrival: TlsArrival) => void;
  /** One call for each connection that was not let in. Strangers cause it: what it costs should be bounded. `shown`: where it proved a key. */
  readonly onRefused: (error: MailtwinError, shown?: ShownToUs) => void;
}

/** By whom a connection was made that was not let in. */
export interface ShownToUs {
  readonly key: KeyName;
  /** Undefined for a stranger. */
  readonly peerName: string | undefined;
}

export interface TlsListening extends Listener {
  /**
   * The key that is shown from now on, to whoever connects. Where it is another one, and no newer certificate of the same, the streams that
   * came by the former are ended. Never fails for a key that `refuseToShow` takes.
   */
  setKey(key: SiteKey): void;
}

/** Throws, before anything is bound or closed: key-expired, and for a key that TLS does not take key-unusable. */
export function refuseToShow(key: SiteKey, clock: Pick<Clock, "nowMs">): void {
  refuseOwnExpired(key, clock);
  try {
    createSecureContext(tlsOptionsOf(key));
  } catch (error) {
    const why = tlsReasonOf(error) ?? whyItFailed(error);
    throw wireError("key-unusable", `using the key of this site, ${key.name}: TLS does not take it: ${why}`, error);
  }
}

export interface TlsListenLimits {
  /** A connection that is not let in by then is closed. */
  readonly handshakeMsMax: number;
  /** Connections that are not let in yet. */
  readonly handshakesMax: number;
  /** How long one that is refused may take to close. */
  readonly farewellMsMax: number;
}

export const TLS_LISTEN_LIMITS: TlsListenLimits = { handshakeMsMax: 10_000, handshakesMax: 64, farewellMsMax: 1_000 };

/** A port of 0 lets the system choose. Throws: address-in-use, listen-failed, key-expired, key-unusable. */
export async function listenTls(
  where: Pick<TlsAddress, "host" | "port">,
  ports: TlsListenPorts,
  limits: TlsListenLimits = TLS_LISTEN_LIMITS,
): Promise<TlsListening> {
  refuseToShow(ports.key, ports.clock);
  const listener = new TlsListener(ports, limits);
  await listener.listen(where);
  return listener;
}

/** A connection that is not let in, or not yet. */
interface Stranger {
  readonly socket: Socket;
  readonly from: string;
  /** Why no TLS came about, should it end like this. */
  why: string;
  cause: unknown;
  /** It was told so already, and stays until it has closed. */
  isRefused: boolean;
}

interface Refusal {
  readonly admission: Exclude<Admission, "admitted">;
  readonly code: WireErrorCode;
  readonly words: string;
}

class TlsListener implements TlsListening {
  readonly #ports: TlsListenPorts;
  readonly #limits: TlsListenLimits;
  readonly #tcp: TcpServer;
  /** Never listens itself: it is given the connections, so that they are counted before anything is spent on them. */
  readonly #tls: Server;
  readonly #sockets = new Set<Socket>();
  /** The oldest first; by the addresses of both ends, which is all that TLS tells of the socket below it. */
  readonly #strangers = new Map<string, Stranger>();
  #key: SiteKey;
  #address = "";
  #isClosed = false;

  constructor(ports: TlsListenPorts, limits: TlsListenLimits) {
    this.#ports = ports;
    this.#limits = limits;
    this.#key = ports.key;
    this.#tcp = createTcpServer((socket) => this.#take(socket));
    const options = { ...tlsOptionsOf(ports.key), requestCert: true, handshakeTimeout: limits.handshakeMsMax };
    this.#tls = createServer(options, (socket) => this.#judge(socket));
    this.#tls.on("tlsClientError", (error, socket) => this.#noteFailure(error, socket));
  }

  get address(): string {
    return this.#address;
  }

  async listen({ host, port }: Pick<TlsAddress, "host" | "port">): Promise<void> {
    const shown = formatAddress({ kind: "tls", host, port });
    this.#tcp.listen({ host, port });
    try {
      await once(this.#tcp, "listening");
    } catch (error) {
      const code = errnoOf(error) === "EADDRINUSE" ? "address-in-use" : "listen-failed";
      throw wireError(code, `listening at ${shown}: ${whyItFailed(error)}`, error);
    }
    const { onRefused } = this.#ports;
    this.#tcp.on("error", (error) =>
      onRefused(wireError("listen-failed", `accepting a connection at ${shown}: ${whyItFailed(error)}`, error)),
    );
    const bound = this.#tcp.address();
    const boundPort = typeof bound === "object" && bound !== null ? bound.port : port;
    this.#address = formatAddress({ kind: "tls", host, port: boundPort });
  }

  setKey(key: SiteKey): void {
    const isOther = key.name !== this.#key.name;
    this.#tls.setSecureContext(tlsOptionsOf(key));
    this.#key = key;
    if (isOther) for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#tcp.listening) return;
    const closed = once(this.#tcp, "close"); // comes after the last connection has closed.
    this.#tcp.close();
    await closed;
  }

  #take(socket: Socket): void {
    muteErrors(socket);
    const ends = endsOf(socket);
    if (ends === undefined || this.#isClosed) {
      socket.destroy(); // it went as it came.
      return;
    }
    const from = `${socket.remoteAddress}, port ${socket.remotePort}`;
    const stranger: Stranger = { socket, from, why: this.#wordsOfHangUp(), cause: undefined, isRefused: false };
    this.#sockets.add(socket);
    this.#strangers.set(ends, stranger);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      if (this.#strangers.get(ends) === stranger) this.#forget(ends, stranger);
    });
    this.#makeRoom();
    this.#tls.emit("connection", socket);
  }

  /** The dialler knows our key first, and leaves before it has shown its own: what it thinks of ours is not said on the line. */
  #wordsOfHangUp(): string {
    return `it hung up; a mailtwin does so that does not accept our key, ${this.#key.name}: its own log says so then (peer-key-differs), and the key of [peer.NAME] there for this site is to be that one`;
  }

  #makeRoom(): void {
    const { handshakesMax } = this.#limits;
    const [oldest] = this.#strangers;
    if (oldest === undefined || this.#strangers.size <= handshakesMax) return;
    const [ends, stranger] = oldest;
    stranger.why = `more than ${handshakesMax} connections had got no further, and it was the oldest of them`;
    this.#forget(ends, stranger); // at once: a thousand may come before the first of them has closed.
    stranger.socket.destroy();
  }

  #forget(ends: string, stranger: Stranger): void {
    this.#strangers.delete(ends);
    if (stranger.isRefused || this.#isClosed) return;
    const { from, why, cause } = stranger;
    this.#ports.onRefused(wireError("handshake-failed", `${accepting(from)}: no TLS 1.3 came about: ${why}`, cause));
  }

  #noteFailure(error: Error, socket: TLSSocket): void {
    const stranger = this.#strangers.get(endsOf(socket) ?? "");
    if (stranger !== undefined) {
      stranger.why = tlsReasonOf(error) ?? error.message;
      stranger.cause = error;
    }
    socket.destroy();
  }

  #judge(socket: TLSSocket): void {
    muteErrors(socket);
    const ends = endsOf(socket) ?? "";
    const stranger = this.#strangers.get(ends);
    if (stranger === undefined || stranger.socket.destroyed) {
      socket.destroy();
      return;
    }
    const { clock, peerNameOf, onArrival } = this.#ports;
    const shown = shownBy(socket);
    const peerName = shown === undefined ? undefined : peerNameOf(shown.name);
    const verdict = judgeKey(shown, () => peerName !== undefined, clock.nowMs());
    if (verdict.kind !== "good") {
      const proved = shown === undefined ? undefined : { key: shown.name, peerName };
      this.#turnAway(socket, stranger, refusalOf(verdict, peerName), proved);
      return;
    }
    assert(peerName !== undefined, "a key is good if it is a peer's");
    this.#strangers.delete(ends);
    tuneSocket(socket);
    socket.write(Buffer.of(ADMISSION.admitted));
    onArrival({ stream: socket, peerName, peerKey: verdict.name });
  }

  #turnAway(
    socket: TLSSocket,
    stranger: Stranger,
    { admission, code, words }: Refusal,
    shown: ShownToUs | undefined,
  ): void {
    const { clock, onRefused } = this.#ports;
    stranger.isRefused = true;
    const timer = clock.setTimer(this.#limits.farewellMsMax, () => socket.destroy());
    socket.once("close", () => timer.cancel());
    socket.resume(); // what it sends is dropped: closing with bytes unread would take the last word back.
    socket.end(Buffer.of(ADMISSION[admission]));
    onRefused(wireError(code, `${accepting(stranger.from)}: ${words}`), shown);
  }
}

function refusalOf(verdict: Exclude<KeyVerdict, { kind: "good" }>, peerName: string | undefined): Refusal {
  switch (verdict.kind) {
    case "none":
      return { admission: "noKey", code: "link-refused", words: "it shows no key: it is no mailtwin" };
    case "other":
      return { admission: "unknownKey", code: "peer-unknown", words: `its key, ${verdict.name}, is none of a peer's` };
    case "expired": {
      const words = `the certificate of ${peerName}'s key, ${verdict.name}, ${verdict.when}`;
      return { admission: "expiredKey", code: "key-expired", words };
    }
    default:
      return unreachable(verdict);
  }
}

/** Of a socket, or of TLS upon it; undefined when it is gone. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string | undefined {
  if (remoteAddress === undefined) return undefined;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

function accepting(from: string): string {
  return `accepting a connection from ${from}`;
}
