/**
 * File names are opaque bytes. In memory they are strings in which each character is one byte (latin1), so that they
 * can be compared, kept in sets and cut without decoding, and a name that is not UTF-8 survives.
 *
 * INVARIANT: every character of a `RawName` is below U+0100, and a `RawName` holds no "/" and no NUL.
 */
import type { Brand } from "./brand.js";

/** One path component as bytes-in-a-string. */
export type RawName = Brand<string, "RawName">;

/** Components joined with "/", relative to some root; "" is the root itself. Never absolute, no "." or "..". */
export type RawPath = Brand<string, "RawPath">;

export const ROOT_PATH = "" as RawPath;

/** Whether `text` can be one component: bytes only, not empty, no "/", no NUL, not "." or "..". */
export function isRawName(text: string): text is RawName {
  if (text.length === 0 || text.length > 255 || text === "." || text === "..") return false;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    if (byte > 0xff || byte === 0x2f || byte === 0) return false;
  }
  return true;
}

/** Whether `text` is a relative path made of valid components ("" is the root). */
export function isRawPath(text: string): text is RawPath {
  return text === "" || (text.length <= 4096 && text.split("/").every(isRawName));
}

export function joinRaw(parent: RawPath, child: RawName): RawPath {
  return (parent === "" ? child : `${parent}/${child}`) as RawPath;
}

/** The directory that holds `path`; the root's is the root. */
export function parentRaw(path: RawPath): RawPath {
  const slash = path.lastIndexOf("/");
  return (slash < 0 ? "" : path.slice(0, slash)) as RawPath;
}

/** The deepest directory on the way to `text` that a path can name: of something whose own path is too long. */
export function nearestRawPath(text: string): RawPath {
  let nearest = text;
  while (!isRawPath(nearest)) nearest = parentRaw(nearest as RawPath);
  return nearest;
}

/** The last component; undefined for the root. */
export function lastRaw(path: RawPath): RawName | undefined {
  return path === "" ? undefined : (path.slice(path.lastIndexOf("/") + 1) as RawName);
}

/** Components of a path, outermost first; the root has none. */
export function splitRaw(path: RawPath): readonly RawName[] {
  return path === "" ? [] : (path.split("/") as RawName[]);
}

/** From what Node gives (UTF-8 text, for example a command-line argument) to bytes-in-a-string. */
export function rawFromText(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** For Node's fs calls: plain ASCII goes as a string, anything else as the very bytes. */
export function nodePath(raw: string): string | Buffer {
  return isAscii(raw) ? raw : Buffer.from(raw, "latin1");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control bytes are what must not reach a terminal.
const UNSAFE_BYTES = /[\x00-\x1f\\\x7f-\xff]/g;
/** The same, what turns the direction of text, breaks lines, or is not seen. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
export const UNSAFE_CHARS = /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
/** A backslash as well, which is what stands before the number of an unsafe one. */
const ESCAPED_CHARS = new RegExp(`${UNSAFE_CHARS.source}|\\\\`, "g");

/** For people: UTF-8 where it is valid, other and control bytes as \xNN. Safe to print on a terminal. */
export function displayRaw(raw: string): string {
  const text = decodeUtf8(raw);
  const shown = text ?? raw;
  return shown.replace(text === undefined ? UNSAFE_BYTES : ESCAPED_CHARS, escapeChar);
}

function escapeChar(char: string): string {
  if (char === "\\") return "\\\\";
  const code = char.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

function decodeUtf8(raw: string): string | undefined {
  if (isAscii(raw)) return raw;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(raw, "latin1"));
  } catch {
    return undefined; // not UTF-8: the caller shows the bytes.
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}
