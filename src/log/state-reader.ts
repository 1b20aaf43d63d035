/**
 * Reads of the state database on a read-only connection of the calling thread. Each call sees the newest commit.
 */
import type { MailboxGuid } from "../maildir/ids.js";
import { chunkId, chunkIdRange, chunkOfId } from "./chunk-id.js";
import type { Db } from "./db.js";
import { ENTRY_OVERHEAD_BYTES } from "./migrations.js";
import { openStateForReading } from "./state-file.js";
import type { StateReader } from "./state-ports.js";
import {
  type EntrySqlRow,
  entryOfRow,
  type IntentSqlRow,
  intentOfRow,
  type LimboSqlRow,
  limboOfRow,
  type MailboxSqlRow,
  mailboxOfRow,
  type RejectionSqlRow,
  type ReplicaSqlRow,
  rejectionOfRow,
  replicaOfRow,
} from "./state-rows.js";
import type {
  ChunkDigest,
  ChunkLook,
  IntentRow,
  LimboRow,
  LogEntry,
  MailboxRow,
  RejectionRow,
  ReplicaRow,
} from "./state-types.js";

/**
 * The database must exist; see `openStateWriter`.
 * Throws: state-unreachable, state-foreign, state-too-new, state-too-old, state-corrupt.
 */
export function openStateReader(path: string): StateReader {
  return new SqlStateReader(openStateForReading(path));
}

class SqlStateReader implements StateReader {
  readonly #db: Db;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(db: Db) {
    this.#db = db;
    this.#sql = prepareAll(db);
  }

  meta(key: string): string | undefined {
    return this.#sql.meta.get(key)?.value;
  }

  mailboxes(): readonly MailboxRow[] {
    return this.#sql.mailboxes.all().map((row) => mailboxOfRow(row));
  }

  mailboxByGuid(guid: MailboxGuid): MailboxRow | undefined {
    const row = this.#sql.mailboxByGuid.get(guid);
    return row === undefined ? undefined : mailboxOfRow(row);
  }

  nextMailboxId(): number {
    return this.#lastNumber("mailbox") + 1;
  }

  chunk(mailboxId: number, chunk: number): Uint8Array | undefined {
    return this.#sql.chunk.get(chunkId(mailboxId, chunk))?.bytes;
  }

  looks(mailboxId: number): readonly ChunkLook[] {
    const rows = this.#sql.looks.all(...chunkIdRange(mailboxId));
    return rows.map(({ id, count, look_a, look_b }) => ({ chunk: chunkOfId(id), count, lookA: look_a, lookB: look_b }));
  }

  digests(mailboxId: number): readonly ChunkDigest[] {
    const rows = this.#sql.digests.all(...chunkIdRange(mailboxId));
    return rows.map(({ id, count, digest }) => ({ chunk: chunkOfId(id), count, digest }));
  }

  entriesAfter(lsn: number, bytesMax: number): readonly LogEntry[] {
    const entries: LogEntry[] = [];
    let bytesLeft = bytesMax;
    for (const row of this.#sql.entriesAfter.iterate(lsn)) {
      bytesLeft -= row.bytes.length;
      if (bytesLeft < 0 && entries.length > 0) break;
      entries.push(entryOfRow(row));
      if (bytesLeft <= 0) break;
    }
    return entries;
  }

  snapshot<T>(read: () => T): T {
    this.#db.exec("BEGIN");
    try {
      return read();
    } finally {
      this.#db.exec("COMMIT");
    }
  }

  lastLsn(): number {
    return this.#lastNumber("entry");
  }

  firstLsn(): number {
    return this.#sql.firstLsn.get()?.lsn ?? this.lastLsn() + 1;
  }

  logBytes(afterLsn = 0): number {
    const last = this.#sql.lastEnd.get();
    if (last === undefined) return 0;
    const before = this.#sql.endUpTo.get(afterLsn);
    if (before !== undefined) return last.ends_at - before.ends_at;
    const first = this.#sql.firstEnd.get() ?? { ...last, size: 0 };
    return last.ends_at - first.ends_at + first.size + ENTRY_OVERHEAD_BYTES;
  }

  oldestEntryMs(afterLsn = 0): number | undefined {
    return this.#sql.capturedAfter.get(afterLsn)?.captured_ms;
  }

  cursor(replica: string): number | undefined {
    return this.#sql.cursor.get(replica)?.lsn;
  }

  replicas(): readonly ReplicaRow[] {
    return this.#sql.replicas.all().map(replicaOfRow);
  }

  hasApplied(logId: string): boolean {
    return this.#sql.applied.get(logId) !== undefined;
  }

  appliedLogs(): readonly string[] {
    return this.#sql.appliedLogs.all().map(({ log_id }) => log_id);
  }

  appliedLsn(logId: string): number {
    return this.#sql.applied.get(logId)?.lsn ?? 0;
  }

  intents(): readonly IntentRow[] {
    return this.#sql.intents.all().map(intentOfRow);
  }

  limbo(): readonly LimboRow[] {
    return this.#sql.limbo.all().map(limboOfRow);
  }

  limboRow(name: string): LimboRow | undefined {
    const row = this.#sql.limboRow.get(name);
    return row === undefined ? undefined : limboOfRow(row);
  }

  oldestLimbo({ removedMs, name }: Pick<LimboRow, "removedMs" | "name">, countMax: number): readonly LimboRow[] {
    return this.#sql.oldestLimbo.all(removedMs, name, countMax).map(limboOfRow);
  }

  uncountedLimbo(afterName: string, countMax: number): readonly LimboRow[] {
    return this.#sql.uncountedLimbo.all(afterName, countMax).map(limboOfRow);
  }

  limboBytes(): number {
    return this.#sql.limboBytes.get()?.bytes ?? 0;
  }

  rejections(replica?: string): readonly RejectionRow[] {
    const rows = replica === undefined ? this.#sql.rejections.all() : this.#sql.rejectionsOf.all(replica);
    return rows.map(rejectionOfRow);
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }

  /** The largest number that a row of the table ever had; 0 if it never had one. */
  #lastNumber(table: "entry" | "mailbox"): number {
    return this.#sql.lastNumber.get(table)?.seq ?? 0;
  }
}

function prepareAll(db: Db) {
  return {
    meta: db.prepare<{ value: string }>("SELECT value FROM meta WHERE key = ?"),
    mailboxes: db.prepare<MailboxSqlRow>("SELECT * FROM mailbox ORDER BY id"),
    mailboxByGuid: db.prepare<MailboxSqlRow>("SELECT * FROM mailbox WHERE guid = ?"),
    lastNumber: db.prepare<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = ?"),
    chunk: db.prepare<{ bytes: Uint8Array }>("SELECT bytes FROM chunk WHERE id = ?"),
    looks: db.prepare<{ id: number; count: number; look_a: number; look_b: number }>(
      "SELECT id, count, look_a, look_b FROM chunk WHERE id BETWEEN ? AND ? ORDER BY id",
    ),
    digests: db.prepare<{ id: number; count: number; digest: Uint8Array }>(
      "SELECT id, count, digest FROM chunk WHERE id BETWEEN ? AND ? ORDER BY id",
    ),
    entriesAfter: db.prepare<EntrySqlRow>(
      "SELECT lsn, mailbox, captured_ms, bytes FROM entry WHERE lsn > ? ORDER BY lsn",
    ),
    firstLsn: db.prepare<{ lsn: number }>("SELECT lsn FROM entry ORDER BY lsn LIMIT 1"),
    lastEnd: db.prepare<{ ends_at: number }>("SELECT ends_at FROM entry ORDER BY lsn DESC LIMIT 1"),
    firstEnd: db.prepare<{ ends_at: number; size: number }>(
      "SELECT ends_at, length(bytes) AS size FROM entry ORDER BY lsn LIMIT 1",
    ),
    endUpTo: db.prepare<{ ends_at: number }>("SELECT ends_at FROM entry WHERE lsn <= ? ORDER BY lsn DESC LIMIT 1"),
    capturedAfter: db.prepare<{ captured_ms: number }>(
      "SELECT captured_ms FROM entry WHERE lsn > ? ORDER BY lsn LIMIT 1",
    ),
    replicas: db.prepare<ReplicaSqlRow>(
      "SELECT replica, lsn, resync_since_ms, resync_why FROM cursor ORDER BY replica",
    ),
    cursor: db.prepare<{ lsn: number }>("SELECT lsn FROM cursor WHERE replica = ?"),
    applied: db.prepare<{ lsn: number }>("SELECT lsn FROM applied WHERE log_id = ?"),
    appliedLogs: db.prepare<{ log_id: string }>("SELECT log_id FROM applied ORDER BY log_id"),
    intents: db.prepare<IntentSqlRow>("SELECT id, bytes FROM intent ORDER BY id"),
    limbo: db.prepare<LimboSqlRow>("SELECT * FROM limbo ORDER BY removed_ms, name"),
    limboRow: db.prepare<LimboSqlRow>("SELECT * FROM limbo WHERE name = ?"),
    oldestLimbo: db.prepare<LimboSqlRow>(
      "SELECT * FROM limbo WHERE (removed_ms, name) > (?, ?) ORDER BY removed_ms, name LIMIT ?",
    ),
    uncountedLimbo: db.prepare<LimboSqlRow>(
      "SELECT * FROM limbo WHERE uid = 0 AND size = 0 AND name > ? ORDER BY name LIMIT ?",
    ),
    limboBytes: db.prepare<{ bytes: number }>("SELECT coalesce(sum(size), 0) AS bytes FROM limbo"),
    rejections: db.prepare<RejectionSqlRow>("SELECT * FROM rejection ORDER BY replica, lsn"),
    rejectionsOf: db.prepare<RejectionSqlRow>("SELECT * FROM rejection WHERE replica = ? ORDER BY lsn"),
  };
}
