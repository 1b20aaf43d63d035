/**
 * From an event's path to what it may mean. Pure.
 */
import { isRawPath, lastRaw, parentRaw, type RawPath } from "../base/raw-name.js";

export type Place =
  /** A mailbox's side file changed: something happened in it. Several where the name is not UTF-8 and may be any of theirs. */
  | { readonly kind: "mailbox"; readonly paths: readonly RawPath[] }
  /** A directory may have come, gone or been renamed: compare the list of mailboxes. */
  | { readonly kind: "structure" }
  | { readonly kind: "nothing" };

/** Side files whose change means that a message came, went or changed. */
const TELLING = new Set(["dovecot-uidlist", "dovecot.index.log", "dovecot-keywords"]);
/** Written by Dovecot all the time and telling nothing about messages. */
const SILENT =
  /^(dovecot\.index(\.cache|\.log\.2)?|dovecot\.list\.index(\.log(\.2)?)?|dovecot\.mailbox\.log|.*\.lock|.*\.tmp|.*\.svbin|maildirsize|subscriptions|dovecot-uidvalidity(\.[0-9a-f]+)?)$/;

/**
 * `relative` is the event's path below the store; `known` tells which known mailboxes the path of an event may mean.
 */
export function locate(relative: string, known: (path: RawPath) => readonly RawPath[]): Place {
  if (!isRawPath(relative)) return { kind: "structure" }; // not representable: look at everything.
  const name = lastRaw(relative);
  if (name === undefined) return { kind: "structure" };
  const parent = parentRaw(relative);
  if (TELLING.has(name)) {
    const paths = known(parent);
    return paths.length > 0 ? { kind: "mailbox", paths } : { kind: "structure" };
  }
  if (SILENT.test(name)) return { kind: "nothing" };
  return { kind: "structure" };
}
