/**
 * The two ports of the state database. Writes go through one `StateWriter` (one worker thread that drains its queue into one
 * database transaction: group commit), but for what the threads of capture and apply record themselves (own-writes.ts); readers
 * open the file read-only on their own thread.
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
  ReplicaRow,
  TrimCommit,
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
  /**
   * Marks replicas and drops log entries. The marks are durable with the first entries that go; a long log goes in several
   * database transactions, between which other writes have their turn, and then the file shrinks.
   *
   * INVARIANT: no entry goes that a replica lacks which is not marked, whatever `upTo` says.
   */
  trim(commit: TrimCommit): Promise<void>;
  /**
   * The log is kept for this replica from now on: all that it still has. If the beginning is gone the replica is marked, and
   * where the meta value "was-replica" is "1". Nothing happens to one that has a row.
   */
  addReplica(replica: string, nowMs: number): Promise<void>;
  /** It is no replica of this log any more: its cursor and its rejections go. */
  forgetReplica(replica: string): Promise<void>;
  /**
   * It was compared, and has all up to and including `lsn`: its cursor is that, be it further back than before, and the mark is gone.
   * False, and nothing happens, when the log does not have all that follows, or the replica was forgotten.
   */
  clearResync(replica: string, lsn: number): Promise<boolean>;
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
  /** Ascending by chunk: what comparisons narrow down with. */
  digests(mailboxId: number): readonly ChunkDigest[];
  /** Entries after `lsn`, ascending, until `bytesMax` (at least one if there is any). */
  entriesAfter(lsn: number, bytesMax: number): readonly LogEntry[];
  /** What `read` asks of this reader is all of one commit. It is synchronous. */
  snapshot<T>(read: () => T): T;
  /** 0 when the log never had an entry. */
  lastLsn(): number;
  /** Lowest LSN still in the log, or lastLsn() + 1 when it is empty. */
  firstLsn(): number;
  /** How much the entries after that one (default: all) take in the database; as counted when they were appended. Reads none of them. */
  logBytes(afterLsn?: number): number;
  /** When the first entry after that one (default: of all) was captured; undefined if there is none. */
  oldestEntryMs(afterLsn?: number): number | undefined;
  cursor(replica: string): number | undefined;
  /** By name. */
  replicas(): readonly ReplicaRow[];
  /** Replica side: highest LSN of that log that is durably applied here; 0 if none. */
  appliedLsn(logId: string): number;
  /** Replica side: whether anything of that log was applied here, or a comparison with its source was begun. */
  hasApplied(logId: string): boolean;
  /** Replica side: the logs of which that is so. */
  appliedLogs(): readonly string[];
  intents(): readonly IntentRow[];
  limbo(): readonly LimboRow[];
  limboRow(name: string): LimboRow | undefined;
  /** Those after that place, the oldest first. */
  oldestLimbo(after: Pick<LimboRow, "removedMs" | "name">, countMax: number): readonly LimboRow[];
  /** Those without a UID and a size, by name, after that one. */
  uncountedLimbo(afterName: string, countMax: number): readonly LimboRow[];
  /** As their rows have it. */
  limboBytes(): number;
  rejections(replica?: string): readonly RejectionRow[];
}
