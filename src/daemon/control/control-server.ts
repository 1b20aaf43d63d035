/**
 * The daemon's end of its control socket: HTTP/1.1 with JSON over a unix socket, one request a connection.
 *
 * Who may connect is what the file system says: the socket belongs to the daemon's user and group, with mode 0660 from the first moment
 * on (`listenUnix`). It is not believed to be harmless for that.
 *
 * INVARIANT: no client ends the daemon or makes it wait: each connection has a bounded time, header and body, there is a bounded number
 * of them, and the oldest that has not asked for anything yet gives way to a new one.
 * INVARIANT: the socket of a daemon that lives is never taken from it.
 */
import { realpathSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { basename, dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../../base/clock.js";
import { errnoOf } from "../../base/errors.js";
import { whyItFailed } from "../../base/system-error.js";
import type { Listener } from "../../wire/carrier.js";
import { listenUnix } from "../../wire/unix-carrier.js";
import { controlError } from "../control-errors.js";
import { makeLevel } from "../make-level.js";
import { refuseExposed } from "../own-directory.js";
import type { DaemonControl } from "./daemon-control.js";
import { answerTo, type ControlAnswer, refusal } from "./routes.js";

export const CONTROL_LIMITS = {
  connectionsMax: 32,
  headerBytesMax: 8 * 1024,
  bodyBytesMax: 8 * 1024,
  /** From connecting to the end of the request. */
  requestMsMax: 5_000,
  /** From the answer to its last byte. */
  answerMsMax: 10_000,
} as const;

const SOCKET_MODE = 0o660;
const DIRECTORY_MODE = 0o755;

export interface ControlServerPorts {
  readonly control: DaemonControl;
  readonly clock: Clock;
  /** A defect that a request brought to light; the daemon goes on. */
  readonly onDefect: (error: unknown) => void;
}

/**
 * Listens from when it returns until it is disposed of. Makes the socket's own directory if that is not there. `path` is absolute.
 * Throws: address-in-use (a daemon lives there), listen-failed, control-unusable.
 */
export async function openControlServer(
  path: string,
  ports: ControlServerPorts,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const real = prepareDirectory(path);
  const server = new ControlServer(ports);
  const onArrival = (stream: Duplex): void => server.accept(stream);
  const listener = await listenUnix(
    { address: { kind: "unix", path: real }, mode: SOCKET_MODE },
    { clock: ports.clock, onArrival },
    signal,
  );
  return server.closingWith(listener);
}

/** Returns the path without links: what is above it is ours, and stays what it is. */
function prepareDirectory(path: string): string {
  const refuse = (why: string, cause?: unknown) =>
    controlError("control-unusable", `preparing the control socket ${path}: ${why}`, cause);
  try {
    const directory = dirname(path);
    makeLevel(directory, DIRECTORY_MODE); // whatever the umask, so that the group gets through to the socket.
    const real = join(realpathSync(directory), basename(path));
    refuseExposed(real, refuse);
    return real;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw refuse(whyItFailed(error), error);
  }
}

interface Connection {
  readonly stream: Duplex;
  /** Aborted when the client has gone. */
  readonly gone: AbortController;
  phase: "receiving" | "working" | "answering";
  deadline: Timer | undefined;
}

class ControlServer {
  readonly #ports: ControlServerPorts;
  readonly #http: Server;
  /** The oldest first. */
  readonly #connections = new Map<Duplex, Connection>();
  #reloading: ReturnType<DaemonControl["reload"]> | undefined;
  readonly #control: DaemonControl;

  constructor(ports: ControlServerPorts) {
    this.#ports = ports;
    // Two that reload at once get one reload.
    this.#control = withMethods(ports.control, { reload: () => this.#reloadOnce() });
    this.#http = createServer(
      { maxHeaderSize: CONTROL_LIMITS.headerBytesMax, keepAlive: false },
      (request, response) => {
        this.#serve(request, response).catch((error: unknown) => {
          request.socket.destroy();
          ports.onDefect(error);
        });
      },
    );
    this.#http.maxRequestsPerSocket = 1;
  }

  accept(stream: Duplex): void {
    if (this.#connections.size >= CONTROL_LIMITS.connectionsMax && !this.#makeRoom()) {
      stream.destroy();
      return;
    }
    const connection: Connection = { stream, gone: new AbortController(), phase: "receiving", deadline: undefined };
    this.#connections.set(stream, connection);
    this.#limit(connection, CONTROL_LIMITS.requestMsMax);
    stream.once("close", () => this.#drop(connection));
    this.#http.emit("connection", stream); // documented: any Duplex may be given to it so.
  }

  closingWith(listener: Listener): AsyncDisposable {
    return {
      [Symbol.asyncDispose]: async () => {
        await listener[Symbol.asyncDispose]();
        for (const connection of this.#connections.values()) this.#drop(connection);
      },
    };
  }

  /** Whoever was let in and says nothing must not keep out whoever has something to say. */
  #makeRoom(): boolean {
    const oldest = [...this.#connections.values()].find(({ phase }) => phase !== "working");
    if (oldest === undefined) return false;
    this.#drop(oldest);
    return true;
  }

  /** May be called again. */
  #drop({ stream, deadline, gone }: Connection): void {
    deadline?.cancel();
    this.#connections.delete(stream);
    stream.destroy();
    gone.abort(new Error("the client has gone"));
  }

  #limit(connection: Connection, ms: number): void {
    connection.deadline?.cancel();
    connection.deadline = this.#ports.clock.setTimer(ms, () => void connection.stream.destroy());
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const connection = this.#connections.get(request.socket);
    if (connection === undefined) {
      request.socket.destroy(); // it gave way a moment ago.
      return;
    }
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const body = await readBody(request);
    if (body === undefined || isGone(connection)) {
      connection.stream.destroy();
      return;
    }
    connection.phase = "working";
    connection.deadline?.cancel();
    const answer = body === "too-large" ? TOO_LARGE : await this.#answer(request, body, connection.gone.signal);
    if (isGone(connection)) return;
    connection.phase = "answering";
    this.#limit(connection, CONTROL_LIMITS.answerMsMax);
    send(response, answer);
  }

  async #answer({ method = "", url = "" }: IncomingMessage, body: Buffer, signal: AbortSignal): Promise<ControlAnswer> {
    const answer = await answerTo(this.#control, { method, path: url, body }, signal);
    if (answer.defect !== undefined && !signal.aborted) this.#ports.onDefect(answer.defect);
    return answer;
  }

  #reloadOnce(): ReturnType<DaemonControl["reload"]> {
    this.#reloading ??= this.#ports.control.reload().finally(() => {
      this.#reloading = undefined;
    });
    return this.#reloading;
  }
}

function isGone({ gone }: Connection): boolean {
  return gone.signal.aborted;
}

/** The port's methods may be those of an object with private fields. */
function withMethods(control: DaemonControl, own: Pick<DaemonControl, "reload">): DaemonControl {
  return {
    status: () => control.status(),
    pause: (target) => control.pause(target),
    resume: (target) => control.resume(target),
    fetchNow: (target) => control.fetchNow(target),
    resync: (query, signal) => control.resync(query, signal),
    planResync: (query, signal) => control.planResync(query, signal),
    verify: (query, signal) => control.verify(query, signal),
    retry: (query, signal) => control.retry(query, signal),
    skip: (query, signal) => control.skip(query, signal),
    deletions: (query) => control.deletions(query),
    approveDeletions: (query) => control.approveDeletions(query),
    fetchHeld: (query, signal) => control.fetchHeld(query, signal),
    limboPage: (query, signal) => control.limboPage(query, signal),
    limboFiles: (query, signal) => control.limboFiles(query, signal),
    fetchLimbo: (query, signal) => control.fetchLimbo(query, signal),
    explain: (query, signal) => control.explain(query, signal),
    ...own,
  };
}

const TOO_LARGE: ControlAnswer = {
  ...refusal(
    controlError("control-invalid", `reading a request: its body is larger than ${CONTROL_LIMITS.bodyBytesMax} bytes`),
  ),
  status: 413,
};

/** Undefined when the client went away in the middle of it. What is too large is read on and dropped, until time is up. */
async function readBody(request: IncomingMessage): Promise<Buffer | "too-large" | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  return new Promise((resolve) => {
    request.on("data", (part: Buffer) => {
      length += part.length;
      if (length <= CONTROL_LIMITS.bodyBytesMax) parts.push(part);
      else resolve("too-large");
    });
    request.once("end", () => resolve(Buffer.concat(parts)));
    request.once("close", () => resolve(undefined));
  });
}

function send(response: ServerResponse, { status, text }: ControlAnswer): void {
  const bytes = Buffer.from(`${text}\n`);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": bytes.length,
    connection: "close",
  });
  response.end(bytes, () => response.socket?.destroySoon());
}
