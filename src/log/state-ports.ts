/**
 * The two ports of the state database. All writes go through one `StateWriter` (one worker thread that drains its queue
 * into one database transaction: group commit); readers open the file read-only on their own thread.
 */
import type { MailboxGuid } from "../maildir/ids.js";
import type {
  CaptureCommit,
  ChunkDigest,
  ChunkLook,
  EffectCommit,
  IntentRow,
  LimboRow,
  LogEntry,
  MailboxRow,
  RejectionRow,
} from "./state-types.js";

/**
 * Every method resolves after its effect is on stable storage (WAL, synchronous=FULL), in the order of the calls. A failed
 * database transaction rejects each call that was in it and leaves nothing of it.
 */
export interface StateWriter extends AsyncDisposable {
  /** Appends transactions to the log and moves the baseline, atomically. Returns their LSNs: dense, ascending, from 1. */
  appendCaptured(commit: CaptureCommit): Promise<readonly number[]>;
  /** Notes that `replica` has durably applied all up to and including `lsn`. Never moves backwards. */
  setCursor(replica: string, lsn: number): Promise<void>;
  /** Drops log entries up to and including `lsn`. */
  trimLog(lsn: number): Promise<void>;
  putIntent(intent: { readonly bytes: Uint8Array }): Promise<number>;
  recordEffect(effect: EffectCommit): Promise<void>;
  dropLimbo(names: readonly string[]): Promise<void>;
  /** In place of those that this replica has of this mailbox. */
  putRejection(row: RejectionRow): Promise<void>;
  dropRejections(replica: string, mailbox: MailboxGuid): Promise<void>;
  setMeta(key: string, value: string): Promise<void>;
}

/** Synchronous reads of committed state. Sees every write whose promise has resolved. */
export interface StateReader extends Disposable {
  meta(key: string): string | undefined;
  mailboxes(): readonly MailboxRow[];
  mailboxByGuid(guid: MailboxGuid): MailboxRow | undefined;
  nextMailboxId(): number;
  chunk(mailboxId: number, chunk: number): Uint8Array | undefined;
  /** Ascending by chunk. */
  looks(mailboxId: number): readonly ChunkLook[];
  /** Ascending by chunk; the digests that resync compares. */
  digests(mailboxId: number): readonly ChunkDigest[];
  /** Entries after `lsn`, ascending, until `bytesMax` (at least one if there is any). */
  entriesAfter(lsn: number, bytesMax: number): readonly LogEntry[];
  /** What `read` asks of this reader is all of one commit. It is synchronous. */
  snapshot<T>(read: () => T): T;
  /** 0 when the log never had an entry. */
  lastLsn(): number;
  /** Lowest LSN still in the log, or lastLsn() + 1 when it is empty. */
  firstLsn(): number;
  cursor(replica: string): number | undefined;
  /** Replica side: highest LSN of that log that is durably applied here; 0 if none. */
  appliedLsn(logId: string): number;
  intents(): readonly IntentRow[];
  limbo(): readonly LimboRow[];
  rejections(replica?: string): readonly RejectionRow[];
}
