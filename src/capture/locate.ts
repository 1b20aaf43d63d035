/**
 * From an event's path to what it may mean. Pure.
 */
import { isRawPath, lastRaw, parentRaw, type RawPath } from "../base/raw-name.js";

export type Place =
  /** A mailbox's side file changed: something happened in it. */
  | { readonly kind: "mailbox"; readonly path: RawPath }
  /** A directory may have come, gone or been renamed: compare the list of mailboxes. */
  | { readonly kind: "structure" }
  | { readonly kind: "nothing" };

/** Side files whose change means that a message came, went or changed. */
const TELLING = new Set(["dovecot-uidlist", "dovecot.index.log", "dovecot-keywords"]);
/** Written by Dovecot all the time and telling nothing about messages. */
const SILENT =
  /^(dovecot\.index(\.cache|\.log\.2)?|dovecot\.list\.index(\.log(\.2)?)?|dovecot\.mailbox\.log|.*\.lock|.*\.tmp|.*\.svbin|maildirsize|subscriptions|dovecot-uidvalidity(\.[0-9a-f]+)?)$/;

/**
 * `relative` is the event's path below the store; `known` tells whether a path is a mailbox that is already known.
 */
export function locate(relative: string, known: (path: RawPath) => boolean): Place {
  if (!isRawPath(relative)) return { kind: "structure" }; // not representable: look at everything.
  const name = lastRaw(relative);
  if (name === undefined) return { kind: "structure" };
  const parent = parentRaw(relative);
  if (TELLING.has(name)) return known(parent) ? { kind: "mailbox", path: parent } : { kind: "structure" };
  if (SILENT.test(name)) return { kind: "nothing" };
  return { kind: "structure" };
}
