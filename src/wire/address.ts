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
 * INVARIANT: parseAddress(formatAddress(x)) is x.
 */
import { isIPv6 } from "node:net";
import { unreachable } from "../base/assert.js";
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

export interface TlsAddress {
  readonly kind: "tls";
  readonly host: string;
  readonly port: number;
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

/** Throws: address-invalid. */
export function parseAddress(text: string): Address {
  if (text.length > ADDRESS_CHARS_MAX) throw invalid(text, `it is longer than ${ADDRESS_CHARS_MAX} characters`);
  const rest = (prefix: string): string | undefined =>
    text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
  const [tls, ssh, unix] = [rest("tls://"), rest("ssh://"), rest("unix:")];
  if (tls !== undefined) return parseTls(text, tls);
  if (ssh !== undefined) return parseSsh(text, ssh);
  if (unix !== undefined) return parseUnix(text, unix);
  throw invalid(text, "it begins with none of tls://, ssh:// and unix:");
}

export function formatAddress(address: Address): string {
  switch (address.kind) {
    case "tls":
      return `tls://${formatHost(address.host)}:${address.port}`;
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
  refusePath(text, path, PATH_BYTES_MAX);
  return { address: { kind: "ssh", port: undefined, ...parseUserAndHost(text, where) }, path };
}

function parseTls(text: string, rest: string): TlsAddress {
  const { host, port } = splitPort(text, rest);
  return { kind: "tls", host: parseHost(text, host), port: port ?? TLS_PORT_DEFAULT };
}

function parseSsh(text: string, rest: string): SshAddress {
  const { host, port } = splitPort(text, rest);
  return { kind: "ssh", port, ...parseUserAndHost(text, host) };
}

function parseUnix(text: string, path: string): UnixAddress {
  if (!path.startsWith("/")) throw invalid(text, "the path of a socket is absolute: unix:/run/mailtwin/socket");
  refusePath(text, path, SOCKET_PATH_BYTES_MAX);
  const components = path.slice(1).split("/");
  const isPlain = components.every((component) => component !== "" && component !== "." && component !== "..");
  if (!isPlain) throw invalid(text, 'its path has an empty component, "." or ".."');
  return { kind: "unix", path };
}

/** The last ":" outside of brackets. */
function splitPort(text: string, rest: string): { readonly host: string; readonly port: number | undefined } {
  const [, host = "", digits] = /^(.*?)(?::([^:\]]*))?$/s.exec(rest) ?? [];
  if (digits === undefined) return { host, port: undefined };
  const port = /^[1-9][0-9]{0,4}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65_535) throw invalid(text, "its port is not a number from 1 to 65535");
  return { host, port };
}

function parseUserAndHost(text: string, where: string): { readonly user: string | undefined; readonly host: string } {
  const at = where.lastIndexOf("@");
  const host = parseHost(text, where.slice(at + 1));
  return { user: at < 0 ? undefined : parseUser(text, where.slice(0, at)), host };
}

function parseUser(text: string, user: string): string {
  if (user.length > USER_CHARS_MAX) throw invalid(text, `its user is longer than ${USER_CHARS_MAX} characters`);
  if (/^[A-Za-z0-9_.][A-Za-z0-9_.+-]*$/.test(user)) return user;
  throw invalid(text, 'its user is not made of letters, digits, "_", ".", "+" and "-", with no "-" in front');
}

function parseHost(text: string, host: string): string {
  const inBrackets = /^\[(.*)\]$/s.exec(host)?.[1];
  if (inBrackets !== undefined) {
    if (isIPv6(inBrackets)) return inBrackets;
    throw invalid(text, "what stands in brackets is no IPv6 address");
  }
  if (host === "") throw invalid(text, "it names no host");
  if (isIPv6(host)) throw invalid(text, `an IPv6 address stands in brackets: [${host}]`);
  if (host.length > HOST_CHARS_MAX) throw invalid(text, `its host is longer than ${HOST_CHARS_MAX} characters`);
  const isPlain = host.split(".").every((label) => LABEL.test(label) && label.length <= LABEL_CHARS_MAX);
  if (isPlain) return host;
  throw invalid(
    text,
    'its host is not made of letters, digits, "_" and "-", in parts with "." between, with no "-" in front',
  );
}

/** Underscores: names of ssh's configuration have them. */
const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?$/;

function refusePath(text: string, path: string, bytesMax: number): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  if (/[\x00-\x1f\x7f-\x9f]/.test(path)) throw invalid(text, "its path has control characters");
  if (Buffer.from(path).toString() !== path) throw invalid(text, "its path is no text");
  const byteCount = Buffer.byteLength(path);
  if (byteCount > bytesMax) throw invalid(text, `its path has ${byteCount} bytes, and ${bytesMax} are possible`);
}

function formatHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function invalid(text: string, why: string) {
  const shown = displayRaw(rawFromText(text.slice(0, 200)));
  return wireError("address-invalid", `reading the address "${shown}": ${why}`);
}
