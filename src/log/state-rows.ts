/**
 * From rows as SQLite gives them to the shapes of state-types.ts. Identities pass their doors again: a database that
 * someone repaired by hand must not bring an impossible UID or path into the program.
 */
import { isRawPath, type RawPath } from "../base/raw-name.js";
import { isMailboxGuid, isUidValidity, type MailboxGuid } from "../maildir/ids.js";
import { logError } from "./errors.js";
import {
  type IntentRow,
  type LimboRow,
  type LogEntry,
  type MailboxRow,
  RESYNC_WHYS,
  type RejectionRow,
  type ReplicaRow,
  type ResyncWhy,
} from "./state-types.js";

export type MailboxSqlRow = {
  readonly id: number;
  readonly guid: string;
  readonly path: string;
  readonly uid_validity: number;
  readonly uid_next: number;
  readonly header_extra: string;
  readonly keywords: string;
  readonly fingerprint: string;
  readonly messages: number;
};

export type EntrySqlRow = {
  readonly lsn: number;
  readonly mailbox: string;
  readonly captured_ms: number;
  readonly bytes: Uint8Array;
};

export type IntentSqlRow = { readonly id: number; readonly bytes: Uint8Array };

export type LimboSqlRow = {
  readonly name: string;
  readonly mailbox: string;
  readonly path: string;
  readonly uid: number;
  readonly base: string;
  readonly size: number;
  readonly cause: string;
  readonly removed_ms: number;
};

export type ReplicaSqlRow = {
  readonly replica: string;
  readonly lsn: number;
  readonly resync_since_ms: number | null;
  readonly resync_why: string | null;
};

export type RejectionSqlRow = {
  readonly replica: string;
  readonly lsn: number;
  readonly mailbox: string;
  readonly path: string;
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
  readonly first_ms: number;
  readonly last_ms: number;
};

/** Throws: state-corrupt. So do the others. */
export function mailboxOfRow(row: MailboxSqlRow): MailboxRow {
  return {
    id: row.id,
    guid: guidOf(row.guid),
    path: pathOf(row.path),
    uidValidity: isUidValidity(row.uid_validity) ? row.uid_validity : corrupt("UIDVALIDITY", row.uid_validity),
    uidNext: row.uid_next,
    headerExtra: row.header_extra,
    keywords: row.keywords === "" ? [] : row.keywords.split("\n"),
    fingerprint: row.fingerprint,
    messages: row.messages,
  };
}

export function entryOfRow(row: EntrySqlRow): LogEntry {
  return { lsn: row.lsn, mailbox: guidOf(row.mailbox), capturedMs: row.captured_ms, bytes: row.bytes };
}

export function intentOfRow({ id, bytes }: IntentSqlRow): IntentRow {
  return { id, bytes };
}

export function limboOfRow(row: LimboSqlRow): LimboRow {
  const { name, uid, base, size, cause, removed_ms: removedMs } = row;
  return { name, mailbox: guidOf(row.mailbox), path: pathOf(row.path), uid, base, size, cause, removedMs };
}

export function rejectionOfRow(row: RejectionSqlRow): RejectionRow {
  const { replica, lsn, code, message, attempts, first_ms: firstMs, last_ms: lastMs } = row;
  const [mailbox, path] = [guidOf(row.mailbox), pathOf(row.path)];
  return { replica, lsn, mailbox, path, code, message, attempts, firstMs, lastMs };
}

export function replicaOfRow({ replica, lsn, resync_since_ms, resync_why }: ReplicaSqlRow): ReplicaRow {
  const needsResyncWhy = resync_since_ms === null ? undefined : whyOf(resync_why ?? "");
  return { replica, lsn, needsResyncSinceMs: resync_since_ms ?? undefined, needsResyncWhy };
}

function whyOf(text: string): ResyncWhy {
  return RESYNC_WHYS.find((why) => why === text) ?? corrupt("reason for a resync", text);
}

function guidOf(text: string): MailboxGuid {
  return isMailboxGuid(text) ? text : corrupt("mailbox GUID", text);
}

function pathOf(text: string): RawPath {
  return isRawPath(text) ? text : corrupt("path", text);
}

function corrupt(what: string, value: string | number): never {
  throw logError("state-corrupt", `reading the state database: a row has an impossible ${what}`, { value });
}
