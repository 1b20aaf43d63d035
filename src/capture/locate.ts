/**
 * From the name in an event to what it may mean. Pure.
 */

/** "mailbox": something happened in it. "structure": a directory may have come, gone or been renamed: compare the list of mailboxes. */
export type Meaning = "mailbox" | "structure" | "nothing";

/** Side files whose change means that a message came, went or changed. */
const TELLING = new Set(["dovecot-uidlist", "dovecot.index.log", "dovecot-keywords"]);
/** Written by Dovecot all the time and telling nothing about messages. */
const SILENT =
  /^(dovecot\.index(\.cache|\.log\.2)?|dovecot\.list\.index(\.log(\.2)?)?|dovecot\.mailbox\.log|.*\.lock|.*\.tmp|.*\.svbin|maildirsize|subscriptions|dovecot-uidvalidity(\.[0-9a-f]+)?)$/;

/** `name`: of a file in a directory that is a mailbox or not. */
export function meaningOf(name: string, isInMailbox: boolean): Meaning {
  if (TELLING.has(name)) return isInMailbox ? "mailbox" : "structure";
  return SILENT.test(name) ? "nothing" : "structure";
}
