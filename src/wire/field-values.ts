/** Values in a message's head, from bytes and back: each has its bound, and what breaks it is "wire-invalid". */
import { isRawPath, type RawPath, UNSAFE_CHARS } from "../base/raw-name.js";
import { wireError } from "./errors.js";

const NAME_BYTES_MAX = 4096;

export function bytesOf(raw: string): Uint8Array {
  return Buffer.from(raw, "latin1");
}

export function nameIn(bytes: Uint8Array): string {
  if (bytes.length > NAME_BYTES_MAX)
    throw wireError("wire-invalid", "reading a name from the other end: it is too long");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

export function pathIn(bytes: Uint8Array): RawPath {
  const path = nameIn(bytes);
  if (!isRawPath(path))
    throw wireError("wire-invalid", "reading a mailbox path from the other end: it is not a relative path");
  return path;
}

/** Words for people may name a long path; the other end must not refuse the whole message for that. */
export function clipped(text: string): string {
  return text.length <= NAME_BYTES_MAX ? text : `${text.slice(0, NAME_BYTES_MAX - 2)}…`;
}

/** Words of the other end, safe to print: a blank stands for what is not. */
export function textIn(text: string): string {
  if (text.length > NAME_BYTES_MAX)
    throw wireError("wire-invalid", "reading a text from the other end: it is too long");
  return text.replace(UNSAFE_CHARS, " ");
}

export function numberIn(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw wireError("wire-invalid", "reading a number from the other end: it is too large");
  return Number(value);
}

export function hashIn(bytes: Uint8Array, mayBeEmpty: boolean): Uint8Array {
  if (bytes.length === 32 || (mayBeEmpty && bytes.length === 0)) return bytes;
  throw wireError("wire-invalid", "reading a body's hash from the other end: it has the wrong length");
}
