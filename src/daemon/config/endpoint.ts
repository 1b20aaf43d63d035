/**
 * Where another mailtwin is reached, and where this one listens: tls://host:port, ssh://[user@]host[:port], unix:/path.
 *
 * INVARIANT: what becomes an argument of ssh(1) begins with no hyphen and has no character that a shell or ssh gives a meaning.
 */
import { type Reading, wrong } from "../../base/quantity.js";
import { readPath } from "./path.js";

export interface HostPort {
  /** A name or address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

export type Endpoint =
  | ({ readonly kind: "tls" } & HostPort)
  | {
      readonly kind: "ssh";
      readonly user: string | undefined;
      readonly host: string;
      /** Undefined: what ssh's own configuration says. */
      readonly port: number | undefined;
    }
  | { readonly kind: "unix"; readonly path: string };

const FORMS = `"tls://host:port", "ssh://[user@]host[:port]" or "unix:/path"`;

export function readEndpoint(text: string): Reading<Endpoint> {
  const [, scheme = "", rest = ""] = /^([a-z]+):(?:\/\/)?(.*)$/is.exec(text) ?? [];
  if (scheme === "tls" && text.startsWith("tls://")) return readTls(rest);
  if (scheme === "ssh" && text.startsWith("ssh://")) return readSsh(rest);
  if (scheme === "unix") return readUnix(text.slice("unix:".length));
  if (scheme === "tls" || scheme === "ssh") return wrong(`${scheme}: is followed by //`, `write ${FORMS}`);
  return wrong("that is no address of a mailtwin", `write ${FORMS}`);
}

/** What `tls = [...]` of [listen] has. Port 0 is none: who dials in must know it. */
export function readHostPort(text: string): Reading<HostPort> {
  const advice = `write "host:port", as "0.0.0.0:4417" or "[::]:4417"`;
  const [, name = "", digits] = HOST_PORT.exec(text) ?? [];
  const host = readHost(name);
  if (host === undefined) return wrong("that is no host and port", advice);
  if (digits === undefined) return wrong("the port is missing", advice);
  const port = readPort(digits);
  if (port === undefined) return wrong("a port is a number from 1 to 65535", advice);
  return { kind: "value", value: { host, port } };
}

export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === "unix") return `unix:${endpoint.path}`;
  if (endpoint.kind === "tls") return `tls://${formatHostPort(endpoint)}`;
  const { user, host, port } = endpoint;
  return `ssh://${user === undefined ? "" : `${user}@`}${formatHost(host)}${port === undefined ? "" : `:${port}`}`;
}

export function formatHostPort({ host, port }: HostPort): string {
  return `${formatHost(host)}:${port}`;
}

function formatHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

const HOST_PORT = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s;

function readTls(rest: string): Reading<Endpoint> {
  const reading = readHostPort(rest);
  if (reading.kind === "wrong") return wrong(reading.why, `write "tls://host:port", as "tls://b.example.org:4417"`);
  return { kind: "value", value: { kind: "tls", ...reading.value } };
}

function readSsh(rest: string): Reading<Endpoint> {
  const advice = `write "ssh://[user@]host[:port]", as "ssh://vmail@b.example.org"`;
  const at = rest.lastIndexOf("@");
  const user = at < 0 ? undefined : rest.slice(0, at);
  if (user !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(user))
    return wrong("that is no name of a user", advice);
  const [, name = "", digits] = HOST_PORT.exec(rest.slice(at + 1)) ?? [];
  const host = readHost(name);
  if (host === undefined) return wrong("that is no host", advice);
  const port = digits === undefined ? undefined : readPort(digits);
  if (digits !== undefined && port === undefined) return wrong("a port is a number from 1 to 65535", advice);
  return { kind: "value", value: { kind: "ssh", user, host, port } };
}

function readUnix(text: string): Reading<Endpoint> {
  const reading = readSocketPath(text);
  return reading.kind === "wrong" ? reading : { kind: "value", value: { kind: "unix", path: reading.value } };
}

/** sun_path of unix(7), with its closing NUL. */
const SOCKET_PATH_BYTES_MAX = 107;

export function readSocketPath(text: string): Reading<string> {
  const reading = readPath(text);
  if (reading.kind === "wrong") return reading;
  const length = Buffer.byteLength(reading.value);
  if (length > SOCKET_PATH_BYTES_MAX)
    return wrong(
      `the path of a socket has at most ${SOCKET_PATH_BYTES_MAX} bytes, and this one ${length}`,
      "write a shorter one, as /run/mailtwin/NAME.sock",
    );
  return reading;
}

function readHost(text: string): string | undefined {
  if (text.startsWith("[")) return readAddress6(text.slice(1, -1));
  const labels = text.replace(/\.$/, "").split(".");
  const isName = text.length <= 253 && labels.every((label) => /^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$/.test(label));
  return isName ? text.toLowerCase() : undefined;
}

/** The URL parser knows the grammar; it would also take an address with a zone, which has no meaning in a file. */
function readAddress6(text: string): string | undefined {
  if (!/^[0-9A-Fa-f:.]+$/.test(text)) return undefined;
  return URL.canParse(`http://[${text}]/`) ? text.toLowerCase() : undefined;
}

function readPort(digits: string): number | undefined {
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}
