/**
 * The door for mailbox paths: relative to the store, "" for its root, components as opaque bytes.
 *
 * A path that passes can be created on the other side without hiding one of Dovecot's files or one of ours. It says
 * nothing about the layout: "alice/.Work.2024" (Maildir++) and "alice/Work/2024" (fs) are both paths.
 */
import { displayRaw, isRawPath, type RawPath, splitRaw } from "../base/raw-name.js";
import { maildirError } from "./errors.js";

const RESERVED = new Set([
  "cur",
  "new",
  "tmp",
  "maildirfolder",
  "maildirsize",
  "subscriptions",
  // Where Dovecot moves a mailbox that it is deleting.
  "..DOVECOT-TRASHED",
]);
const DOVECOT_FILE =
  /^dovecot(?:-(?:uidlist|keywords|uidvalidity|acl|acl-list|attributes)|\.index|\.list\.index|\.mailbox\.log)(?:[.-]|$)/;
const OWN_PREFIX = ".mailtwin";

/** Whether a directory of that name is passed over, and no mailbox may have it: Dovecot's, ours, or part of a mailbox. */
export function isReservedName(name: string): boolean {
  return (
    RESERVED.has(name) ||
    name.startsWith(OWN_PREFIX) ||
    DOVECOT_FILE.test(name) ||
    /^(?:subscriptions|mailboxes)\.lock/.test(name)
  );
}

/** Whether a component can be part of a mailbox path. */
export function isMailboxComponent(name: string): boolean {
  return !isReservedName(name) && !name.includes("\n") && !name.includes("\r");
}

/** Whether `text` is a mailbox path. */
export function isMailboxPath(text: string): text is RawPath {
  return isRawPath(text) && splitRaw(text).every(isMailboxComponent);
}

/** Throws: mailbox-name-invalid. */
export function parseMailboxPath(text: string): RawPath {
  if (isMailboxPath(text)) return text;
  throw maildirError(
    "mailbox-name-invalid",
    `checking a mailbox path: "${displayRaw(text.slice(0, 200))}" cannot be one`,
    {
      lengthBytes: text.length,
    },
  );
}
