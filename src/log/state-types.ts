/**
 * Shapes of the state database's rows, as other rooms see them.
 *
 * One database per site and store: a source keeps there its replication log, cursors and baseline; a replica keeps its
 * intents, its applied cursor and the baseline of what it applied.
 */
import type { RawPath } from "../base/raw-name.js";
import type { BaseName, MailboxGuid, Uid, UidValidity } from "../maildir/ids.js";

/** One message as the baseline knows it: what the log covers (source) or what was applied (replica), on this host. */
export interface BaselineRecord {
  readonly uid: Uid;
  readonly base: BaseName;
  /** The file name's info as last seen on this host, with the colon (":2,Sa"), or "". Local: letters are this host's. */
  readonly info: string;
  /** Names of the letters in `info`, ascending. */
  readonly keywords: readonly string[];
  readonly size: number;
  readonly mtimeS: number;
  readonly fields: string;
  /** Inode number on this host; 0 = unknown. Recognises hard links (COPY, MOVE). */
  readonly ino: number;
}

export interface MailboxRow {
  /** Given by the caller: 1 + the largest ever used (see `StateReader.nextMailboxId`). */
  readonly id: number;
  readonly guid: MailboxGuid;
  readonly path: RawPath;
  readonly uidValidity: UidValidity;
  readonly uidNext: number;
  readonly headerExtra: string;
  /** Keyword names that the chunks of this mailbox refer to by index. Append only. */
  readonly keywords: readonly string[];
  /** The mailbox's fingerprint when the baseline was taken, opaque to this room; "" = never trust. */
  readonly fingerprint: string;
  readonly messages: number;
}

/** A chunk to be stored; `count` 0 removes it. */
export interface ChunkWrite {
  readonly mailboxId: number;
  readonly chunk: number;
  readonly count: number;
  /** Two 32-bit halves of the order-free sum over (uid, file name) of its messages: tells cheaply that a listing equals it. */
  readonly lookA: number;
  readonly lookB: number;
  /** 16 bytes: order-free digest of the message states (txn/digest). */
  readonly digest: Uint8Array;
  /** Encoded BaselineRecords. */
  readonly bytes: Uint8Array;
}

export interface ChunkLook {
  readonly chunk: number;
  readonly count: number;
  readonly lookA: number;
  readonly lookB: number;
}

export interface ChunkDigest {
  readonly chunk: number;
  readonly count: number;
  /** 16 bytes: order-free digest of the message states with their fields (txn/digest); empty where an older version wrote the chunk. */
  readonly digest: Uint8Array;
}

/** What moves together in ONE database transaction when something was captured: log first, baseline second. */
export interface CaptureCommit {
  readonly mailboxes: readonly MailboxRow[];
  readonly removedMailboxIds: readonly number[];
  readonly chunks: readonly ChunkWrite[];
  readonly transactions: readonly {
    readonly mailbox: MailboxGuid;
    readonly capturedMs: number;
    readonly bytes: Uint8Array;
  }[];
  /** Values of the table `meta`. */
  readonly meta?: readonly { readonly key: string; readonly value: string }[];
  /** Mailboxes that begin anew: these bytes replace all that the log still has of them, and what was refused of them is forgotten. */
  readonly begunAnew?: readonly { readonly mailbox: MailboxGuid; readonly bytes: Uint8Array }[];
}

/** What moves together when a transaction was applied on a replica. */
export interface EffectCommit {
  /** The intent that this effect fulfils. */
  readonly intent?: number;
  /** Intents that killed processes had left for that mailbox, and which are done with as well. */
  readonly settles?: readonly number[];
  /** It never falls, unless `isSet`. */
  readonly cursor?: { readonly logId: string; readonly lsn: number; readonly isSet?: boolean };
  readonly mailboxes: readonly MailboxRow[];
  readonly removedMailboxIds: readonly number[];
  readonly chunks: readonly ChunkWrite[];
  readonly limbo: readonly LimboRow[];
}

/** Of a commit that moves no mail: it sets a cursor, or is done with an intent. */
export const NO_EFFECT = {
  mailboxes: [],
  removedMailboxIds: [],
  chunks: [],
  limbo: [],
} as const satisfies EffectCommit;

/** An expunged or removed body that can still be had back. */
export interface LimboRow {
  /** File name inside the limbo directory. */
  readonly name: string;
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
  /** 0 for a whole mailbox. */
  readonly uid: number;
  readonly base: string;
  readonly size: number;
  /** Why it went: "expunge", "delete", "foreign", "reset". */
  readonly cause: string;
  readonly removedMs: number;
}

export interface IntentRow {
  readonly id: number;
  readonly bytes: Uint8Array;
}

export interface LogEntry {
  readonly lsn: number;
  readonly mailbox: MailboxGuid;
  readonly capturedMs: number;
  readonly bytes: Uint8Array;
}

/** One replica of this log. It has a row from when it is configured, and what comes then is kept for it. */
export interface ReplicaRow {
  readonly replica: string;
  /** Its cursor. */
  readonly lsn: number;
  /** Since when the log is not kept for it any more, so that it has to be compared; undefined: it can be sent what it lacks. */
  readonly needsResyncSinceMs: number | undefined;
  readonly needsResyncWhy: ResyncWhy | undefined;
}

/**
 * "log-size", "log-age": it lagged behind more than the limits of the log allow. "added": it came when the log had been trimmed
 * already. "asked": by a person, or by the other end. "role-changed": its source was a replica meanwhile.
 */
export type ResyncWhy = (typeof RESYNC_WHYS)[number];
export const RESYNC_WHYS = ["log-size", "log-age", "added", "asked", "role-changed"] as const;

/** Which replicas the log no longer waits for, and how far it is trimmed then. */
export interface TrimCommit {
  /** 0: nothing is trimmed. What a replica lacks that is not marked stays all the same. */
  readonly upTo: number;
  /** One that is marked already stays as it is marked. */
  readonly needsResync: readonly { readonly replica: string; readonly why: ResyncWhy }[];
  readonly nowMs: number;
}

export interface RejectionRow {
  readonly replica: string;
  readonly lsn: number;
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
  readonly code: string;
  /** In words, for people. */
  readonly message: string;
  readonly attempts: number;
  readonly firstMs: number;
  readonly lastMs: number;
}
