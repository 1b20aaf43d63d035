/**
 * Streams over a unix socket: for processes of one host. Who may connect is what the file system says: the socket's mode, and the
 * directories above it.
 *
 * INVARIANT: a socket file is replaced only if it is one, and nobody answers there.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.js";
import type { Site } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import {
  CRADLE_BYTES,
  lookAtSocket,
  makeSocketCradle,
  placeSocket,
  removeCradle,
  removeSocket,
} from "../base/socket-file.js";
import { whyItFailed } from "../base/system-error.js";
import { formatAddress, SOCKET_PATH_BYTES_MAX, type UnixAddress } from "./address.js";
import { Deadline, type Listener, muteErrors, untilEvent, withDeadline } from "./carrier.js";
import { wireError } from "./errors.js";

/** A listener whose queue is full lets a dialler wait. */
const DIAL_MS_MAX = 10_000;

export interface UnixDial {
  readonly address: UnixAddress;
  readonly clock: Clock;
}

/** The stream is the caller's. The signal ends the attempt, not the stream. Throws: peer-unreachable, link-refused. */
export async function dialUnix({ address, clock }: UnixDial, signal: AbortSignal): Promise<Duplex> {
  signal.throwIfAborted();
  const socket = connect(address.path);
  muteErrors(socket);
  try {
    await withDeadline({ clock, ms: DIAL_MS_MAX }, (both) => untilEvent(socket, "connect", both), signal);
    return socket;
  } catch (error) {
    socket.destroy();
    if (signal.aborted) throw signal.reason;
    const doing = `connecting to ${formatAddress(address)}`;
    const errno = errnoOf(error);
    if (errno === undefined && !(error instanceof Deadline)) throw error;
    const code = errno === "EACCES" || errno === "EPERM" ? "link-refused" : "peer-unreachable";
    throw wireError(code, `${doing}: ${whyItFailed(error)}`, error);
  }
}

export interface UnixListenPorts {
  readonly clock: Clock;
  /** The stream is the receiver's from now on. */
  readonly onArrival: (stream: Duplex) => void;
}

/** Its directory exists; 0600 and 0660 are the modes that make sense. Throws: address-in-use, listen-failed. */
export async function listenUnix(
  { address, mode }: { readonly address: UnixAddress; readonly mode: number },
  ports: UnixListenPorts,
  signal: AbortSignal,
): Promise<Listener> {
  const shown = formatAddress(address);
  try {
    await clearPlace(address, ports.clock, signal);
    const listener = new UnixListener(address, ports);
    await listener.listen(mode);
    return listener;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    if (errno === "EEXIST") throw inUse(shown, "another process has just taken it");
    throw wireError("listen-failed", `listening at ${shown}: ${whyItFailed(error)}`, error);
  }
}

/** What an earlier run left is removed. */
async function clearPlace(address: UnixAddress, clock: Clock, signal: AbortSignal): Promise<void> {
  const shown = formatAddress(address);
  const pathBytes = Buffer.byteLength(dirname(address.path)) + CRADLE_BYTES;
  if (pathBytes > SOCKET_PATH_BYTES_MAX)
    throw wireError("listen-failed", `listening at ${shown}: the path of its directory is too long for a socket`);
  const place = lookAtSocket(address.path);
  if (place.kind === "free") return;
  if (place.kind === "other") throw wireError("listen-failed", `listening at ${shown}: something else stands there`);
  const why = await whoAnswers(address, clock, signal);
  if (why !== undefined) throw inUse(shown, why);
  removeSocket(address.path, place);
}

/** Undefined only where the kernel says that no process listens. */
async function whoAnswers(address: UnixAddress, clock: Clock, signal: AbortSignal): Promise<string | undefined> {
  try {
    const stream = await dialUnix({ address, clock }, signal);
    stream.destroy();
    return "another process answers there";
  } catch (error) {
    if (signal.aborted) throw error;
    const cause = error instanceof Error ? error.cause : undefined;
    if (errnoOf(cause) === "ECONNREFUSED" || errnoOf(cause) === "ENOENT") return undefined;
    return `whether another process answers there is not known: ${whyItFailed(cause)}`;
  }
}

class UnixListener implements Listener {
  readonly #path: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #site: Site | undefined;
  readonly address: string;

  constructor(address: UnixAddress, { onArrival }: UnixListenPorts) {
    this.#path = address.path;
    this.address = formatAddress(address);
    this.#server = createServer((socket) => {
      muteErrors(socket);
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      onArrival(socket);
    });
  }

  async listen(mode: number): Promise<void> {
    const cradle = makeSocketCradle(this.#path);
    try {
      this.#server.listen(cradle);
      await once(this.#server, "listening");
      this.#site = placeSocket({ cradle, path: this.#path, mode });
    } catch (error) {
      this.#server.close();
      throw error;
    } finally {
      removeCradle(cradle);
    }
    this.#server.on("error", () => undefined); // a connection that could not be accepted: its dialler is told by the kernel.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.#site !== undefined) removeSocket(this.#path, this.#site);
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }
}

function inUse(shown: string, why: string) {
  return wireError("address-in-use", `listening at ${shown}: ${why}`);
}
