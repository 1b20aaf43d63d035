/**
 * Where the other end of a link is, as operators write it.
 *
 * ```
 * address ::= "tls://" host [":" port] | "ssh://" [user "@"] host [":" port] | "unix:" absolute-path
 * host    ::= name | IPv4 | "[" IPv6 "]"
 * remote  ::= [user "@"] host ":" path          as rsync has it; a "/" before the ":" makes it a path of this host
 * ```
 *
 * INVARIANT: nothing that passes here can become an option of a program, or mean something to a shell: ssh hands host and user to
 * those that its configuration names (ProxyCommand, Match exec).
 * INVARIANT: readAddress(formatAddress(x)) is x.
 */
import { isIPv6 } from "node:net";
import { unreachable } from "../base/assert.js";
import { type Reading, wrong } from "../base/quantity.js";
import { displayRaw, rawFromText } from "../base/raw-name.js";
import { wireError } from "./errors.js";

export const TLS_PORT_DEFAULT = 4417;
/** sockaddr_un has room for 108 bytes, the last of which is zero. */
export const SOCKET_PATH_BYTES_MAX = 107;
const ADDRESS_CHARS_MAX = 1024;
const HOST_CHARS_MAX = 253;
const LABEL_CHARS_MAX = 63;
const USER_CHARS_MAX = 64;
const PATH_BYTES_MAX = 4095;

const TLS_ADVICE = 'write "tls://host[:port]", as "tls://b.example.org:4417"';
const SSH_ADVICE = 'write "ssh://[user@]host[:port]", as "ssh://vmail@b.example.org"';
const UNIX_ADVICE = 'write "unix:/path", as "unix:/run/mailtwin/link.sock"';
const LISTEN_ADVICE = 'write "host:port", as "0.0.0.0:4417" or "[::]:4417"';
const ADDRESS_ADVICE = 'write "tls://host[:port]", "ssh://[user@]host[:port]" or "unix:/path"';

export interface HostPort {
  /** A name or address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

export interface TlsAddress extends HostPort {
  readonly kind: "tls";
}

export interface SshAddress {
  readonly kind: "ssh";
  readonly user: string | undefined;
  readonly host: string;
  /** Undefined: what ssh's configuration says. */
  readonly port: number | undefined;
}

export interface UnixAddress {
  readonly kind: "unix";
  /** Absolute. */
  readonly path: string;
}

export type Address = TlsAddress | SshAddress | UnixAddress;

/** A store on another host, reached by ssh. */
export interface RemotePath {
  readonly address: SshAddress;
  /** As written: relative to the home of the user over there unless it begins with "/". */
  readonly path: string;
}

export function readAddress(text: string): Reading<Address> {
  if (text.length > ADDRESS_CHARS_MAX)
    return wrong(`it is longer than ${ADDRESS_CHARS_MAX} characters`, ADDRESS_ADVICE);
  const rest = (prefix: string): string | undefined =>
    text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
  const [tls, ssh, unix] = [rest("tls://"), rest("ssh://"), rest("unix:")];
  if (tls !== undefined) return readTls(tls);
  if (ssh !== undefined) return readSsh(ssh);
  if (unix !== undefined) return readUnix(unix);
  return wrong("it begins with none of tls://, ssh:// and unix:", ADDRESS_ADVICE);
}

/** Where one listens, "host:port". Port 0 is none: who dials in must know it. */
export function readHostPort(text: string): Reading<HostPort> {
  const split = splitPort(text, LISTEN_ADVICE);
  if (split.kind === "wrong") return split;
  const host = readHost(split.value.host, LISTEN_ADVICE);
  if (host.kind === "wrong") return host;
  const { port } = split.value;
  return port === undefined ? wrong("the port is missing", LISTEN_ADVICE) : value({ host: host.value, port });
}

export function formatHostPort({ host, port }: HostPort): string {
  return `${formatHost(host)}:${port}`;
}

export function formatAddress(address: Address): string {
  switch (address.kind) {
    case "tls":
      return `tls://${formatHostPort(address)}`;
    case "ssh": {
      const { user, host, port } = address;
      return `ssh://${user === undefined ? "" : `${user}@`}${formatHost(host)}${port === undefined ? "" : `:${port}`}`;
    }
    case "unix":
      return `unix:${address.path}`;
    default:
      return unreachable(address);
  }
}

/** Undefined for a path of this host. Throws: address-invalid. */
export function parseRemotePath(text: string): RemotePath | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) throw invalid(text, "a store on another host is written [user@]host:path");
  const found = /^(?<where>(?:[^/:[]*@)?(?:\[[^\]/]*\]|[^/:[]*)):(?<path>.*)$/s.exec(text)?.groups;
  if (found === undefined) return undefined;
  const [where = "", path = ""] = [found["where"], found["path"]];
  if (path.startsWith(":")) throw invalid(text, '"host::module" is for an rsync daemon, which mailtwin does not ask');
  if (path === "") throw invalid(text, "it names no path on that host");
  const refused = whyNoPath(path, PATH_BYTES_MAX);
  if (refused !== undefined) throw invalid(text, refused);
  const there = readUserAndHost(where);
  if (there.kind === "wrong") throw invalid(text, there.why);
  return { address: { kind: "ssh", port: undefined, ...there.value }, path };
}

function readTls(rest: string): Reading<TlsAddress> {
  const split = splitPort(rest, TLS_ADVICE);
  if (split.kind === "wrong") return split;
  const host = readHost(split.value.host, TLS_ADVICE);
  if (host.kind === "wrong") return host;
  return value({ kind: "tls", host: host.value, port: split.value.port ?? TLS_PORT_DEFAULT });
}

function readSsh(rest: string): Reading<SshAddress> {
  const split = splitPort(rest, SSH_ADVICE);
  if (split.kind === "wrong") return split;
  const there = readUserAndHost(split.value.host);
  return there.kind === "wrong" ? there : value({ kind: "ssh", port: split.value.port, ...there.value });
}

function readUnix(path: string): Reading<UnixAddress> {
  const refused = path.startsWith("/") ? whyNoPath(path, SOCKET_PATH_BYTES_MAX) : "the path of a socket is absolute";
  if (refused !== undefined) return wrong(refused, UNIX_ADVICE);
  const components = path.slice(1).split("/");
  const isPlain = components.every((component) => component !== "" && component !== "." && component !== "..");
  return isPlain ? value({ kind: "unix", path }) : wrong('its path has an empty component, "." or ".."', UNIX_ADVICE);
}

/** The last ":" outside of brackets. */
function splitPort(
  rest: string,
  advice: string,
): Reading<{ readonly host: string; readonly port: number | undefined }> {
  const [, host = "", digits] = /^(.*?)(?::([^:\]]*))?$/s.exec(rest) ?? [];
  if (digits === undefined) return value({ host, port: undefined });
  const port = /^[1-9][0-9]{0,4}$/.test(digits) ? Number(digits) : 0;
  return port < 1 || port > 65_535 ? wrong("its port is not a number from 1 to 65535", advice) : value({ host, port });
}

function readUserAndHost(where: string): Reading<{ readonly user: string | undefined; readonly host: string }> {
  const at = where.lastIndexOf("@");
  const host = readHost(where.slice(at + 1), SSH_ADVICE);
  if (host.kind === "wrong") return host;
  const user = at < 0 ? undefined : where.slice(0, at);
  const refused = user === undefined ? undefined : whyNoUser(user);
  return refused === undefined ? value({ user, host: host.value }) : wrong(refused, SSH_ADVICE);
}

function whyNoUser(user: string): string | undefined {
  if (user.length > USER_CHARS_MAX) return `its user is longer than ${USER_CHARS_MAX} characters`;
  if (/^[A-Za-z0-9_.][A-Za-z0-9_.+-]*$/.test(user)) return undefined;
  return 'its user is not made of letters, digits, "_", ".", "+" and "-", with no "-" in front';
}

/** In lower case, which means the same: two ways to write one address are found out. A zone ("%eth0") stays as it is. */
function readHost(host: string, advice: string): Reading<string> {
  const inBrackets = /^\[(.*)\]$/s.exec(host)?.[1];
  if (inBrackets !== undefined) {
    if (isIPv6(inBrackets)) return value(inBrackets.replace(/^[^%]*/, (address) => address.toLowerCase()));
    return wrong("what stands in brackets is no IPv6 address", advice);
  }
  if (host === "") return wrong("it names no host", advice);
  if (isIPv6(host)) return wrong(`an IPv6 address stands in brackets: [${host}]`, advice);
  if (host.length > HOST_CHARS_MAX) return wrong(`its host is longer than ${HOST_CHARS_MAX} characters`, advice);
  const isPlain = host.split(".").every((label) => LABEL.test(label) && label.length <= LABEL_CHARS_MAX);
  if (isPlain) return value(host.toLowerCase());
  return wrong(
    'its host is not made of letters, digits, "_" and "-", in parts with "." between, with no "-" in front',
    advice,
  );
}

/** Underscores: names of ssh's configuration have them. */
const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?$/;

function whyNoPath(path: string, bytesMax: number): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  if (/[\x00-\x1f\x7f-\x9f]/.test(path)) return "its path has control characters";
  if (Buffer.from(path).toString() !== path) return "its path is no text";
  const byteCount = Buffer.byteLength(path);
  return byteCount > bytesMax ? `its path has ${byteCount} bytes, and ${bytesMax} are possible` : undefined;
}

function value<T>(read: T): Reading<T> {
  return { kind: "value", value: read };
}

function formatHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function invalid(text: string, why: string) {
  const shown = displayRaw(rawFromText(text.slice(0, 200)));
  return wireError("address-invalid", `reading the address "${shown}": ${why}`);
}
