/**
 * The identities that Dovecot gives: UID, UIDVALIDITY, mailbox GUID, base name. One door each; only this file casts.
 *
 * A UID of 4294967295 makes a uidlist "broken", and after 4294967294 the next APPEND ends Dovecot's process. So the
 * limit here leaves room for 65,535 messages that Dovecot itself may still number.
 */
import type { Brand } from "../base/brand.js";
import { displayRaw } from "../base/raw-name.js";
import { maildirError } from "./errors.js";

/** Names a message within one mailbox and UIDVALIDITY, for ever. 1..UID_MAX. */
export type Uid = Brand<number, "Uid">;

/** Which numbering of a mailbox its UIDs belong to. 1..4294967295. */
export type UidValidity = Brand<number, "UidValidity">;

/** What a mailbox is, across renames: 32 lower-case hexadecimal digits. */
export type MailboxGuid = Brand<string, "MailboxGuid">;

/** A message file's name up to the ":", as bytes-in-a-string. It never changes while the message lives. */
export type BaseName = Brand<string, "BaseName">;

export const UID_MAX = 0xffff_0000;
export const UIDVALIDITY_MAX = 0xffff_ffff;
export const BASE_NAME_BYTES_MAX = 255;

export function isUid(value: unknown): value is Uid {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= UID_MAX;
}

/** Throws: uid-out-of-range. */
export function parseUid(value: number): Uid {
  if (isUid(value)) return value;
  throw maildirError("uid-out-of-range", `checking a UID: ${value} is not in 1..${UID_MAX}`, { value });
}

export function isUidValidity(value: unknown): value is UidValidity {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= UIDVALIDITY_MAX;
}

/** Throws: uidvalidity-invalid. */
export function parseUidValidity(value: number): UidValidity {
  if (isUidValidity(value)) return value;
  throw maildirError("uidvalidity-invalid", `checking a UIDVALIDITY: ${value} is not in 1..${UIDVALIDITY_MAX}`, {
    value,
  });
}

export function isMailboxGuid(value: unknown): value is MailboxGuid {
  return typeof value === "string" && /^[0-9a-f]{32}$/.test(value);
}

/** Capital digits, which Dovecot reads but never writes, become small ones. Throws: guid-invalid. */
export function parseMailboxGuid(text: string): MailboxGuid {
  const lower = text.toLowerCase();
  if (isMailboxGuid(lower)) return lower;
  throw maildirError(
    "guid-invalid",
    `checking a mailbox GUID: "${displayRaw(text.slice(0, 80))}" is not 32 hex digits`,
  );
}

/**
 * Whether Dovecot could take `text` for the base name of a message: 1..255 bytes, no "/", ":", NUL, CR or LF, and no
 * dot in front (such files are never mail).
 */
export function isBaseName(text: unknown): text is BaseName {
  if (typeof text !== "string" || text.length === 0 || text.length > BASE_NAME_BYTES_MAX) return false;
  if (text.charCodeAt(0) === 0x2e) return false;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    if (byte > 0xff || byte === 0x2f || byte === 0x3a || byte === 0x0a || byte === 0x0d || byte === 0) return false;
  }
  return true;
}

/** Throws: message-name-invalid. */
export function parseBaseName(text: string): BaseName {
  if (isBaseName(text)) return text;
  throw maildirError(
    "message-name-invalid",
    `checking a message's base name: "${displayRaw(text.slice(0, 80))}" cannot be one`,
    { lengthBytes: text.length },
  );
}
