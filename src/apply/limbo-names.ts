/**
 * What things are called in the limbo: a directory for each day (UTC), in it a message by mailbox, UID and base name, a mailbox by
 * its GUID.
 */
import { sha256 } from "../base/hash.js";
import type { RawName } from "../base/raw-name.js";
import { isMailboxGuid, type MailboxGuid } from "../maildir/ids.js";
import type { LimboSubject } from "./mailbox-view.js";

/** As they are made here, with the number of a second one of that name. */
const ENTRY_NAME = /^([0-9a-f]{32})\.(?:mailbox|(\d+)\.([0-9a-f]{16}))(?:-\d+)?$/;

export interface EntryName {
  readonly mailbox: MailboxGuid;
  /** Undefined for a whole mailbox. */
  readonly uid: number | undefined;
  /** Of the base name. */
  readonly hash: string | undefined;
}

/** Undefined for what is none of ours. */
export function readEntryName(name: string): EntryName | undefined {
  const [, mailbox, uid, hash] = ENTRY_NAME.exec(name) ?? [];
  if (!isMailboxGuid(mailbox)) return undefined;
  return { mailbox, uid: uid === undefined ? undefined : Number(uid), hash };
}

export function mailboxName(mailbox: MailboxGuid): string {
  return `${mailbox}.mailbox`;
}

export function messageName(mailbox: MailboxGuid, { uid, base }: Pick<LimboSubject, "uid" | "base">): string {
  return `${mailbox}.${uid}.${hashOfBase(base)}`;
}

export function hashOfBase(base: string): string {
  return sha256(Buffer.from(base, "latin1")).toString("hex", 0, 8);
}

export function dayOf(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 10);
}

export function isDay(name: string): name is RawName {
  return /^\d{4}-\d\d-\d\d$/.test(name);
}
