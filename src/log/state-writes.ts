/**
 * The writes to the state database, as SQL. Synchronous, and each within a database transaction that the caller holds
 * (group-commit.ts); nothing here begins or ends one.
 */

import { assert } from "../base/assert.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { chunkId, chunkIdRange } from "./chunk-id.js";
import type { Db } from "./db.js";
import { ENTRY_OVERHEAD_BYTES } from "./migrations.js";
import type { CaptureCommit, ChunkWrite, EffectCommit, LimboRow, MailboxRow, RejectionRow } from "./state-types.js";

/** What it takes to change mailboxes and their baselines; common to capturing and applying. */
type BaselineMove = Pick<CaptureCommit, "mailboxes" | "removedMailboxIds" | "chunks">;

export class StateWrites {
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(db: Db) {
    this.#sql = prepareAll(db);
  }

  /** Returns the LSNs. INVARIANT: dense, also over transactions that were rolled back, for the counter rolls back too. */
  appendCaptured(commit: CaptureCommit): number[] {
    for (const { mailbox, bytes } of commit.begunAnew ?? []) {
      this.#sql.replaceEntries.run(bytes, mailbox); // not deleted: LSNs stay dense.
      this.#sql.deleteAllRejections.run(mailbox);
    }
    const lsns = commit.transactions.map(({ mailbox, capturedMs, bytes }) => {
      const lsn = this.#sql.insertEntry.get(mailbox, capturedMs, bytes.length + ENTRY_OVERHEAD_BYTES, bytes)?.lsn;
      assert(lsn !== undefined, "an inserted row has a number");
      return lsn;
    });
    this.#moveBaseline(commit);
    for (const { key, value } of commit.meta ?? []) this.setMeta(key, value);
    return lsns;
  }

  putIntent(bytes: Uint8Array): number {
    const id = this.#sql.insertIntent.get(bytes)?.id;
    assert(id !== undefined, "an inserted row has a number");
    return id;
  }

  recordEffect({ intent, settles = [], cursor, limbo, ...move }: EffectCommit): void {
    for (const id of intent === undefined ? settles : [intent, ...settles]) this.#sql.deleteIntent.run(id);
    if (cursor?.isSet === true) this.#sql.setApplied.run(cursor.logId, cursor.lsn);
    else if (cursor !== undefined) this.#sql.putApplied.run(cursor.logId, cursor.lsn);
    for (const row of limbo) this.#putLimbo(row);
    this.#moveBaseline(move);
  }

  dropLimbo(names: readonly string[]): void {
    for (const name of names) this.#sql.deleteLimbo.run(name);
  }

  putRejection(row: RejectionRow): void {
    const { replica, lsn, mailbox, path, code, message, attempts, firstMs, lastMs } = row;
    this.#sql.deleteRejections.run(replica, mailbox);
    this.#sql.putRejection.run(replica, lsn, mailbox, path, code, message, attempts, firstMs, lastMs);
  }

  dropRejections(replica: string, mailbox: MailboxGuid): void {
    this.#sql.deleteRejections.run(replica, mailbox);
  }

  setMeta(key: string, value: string): void {
    this.#sql.putMeta.run(key, value);
  }

  #moveBaseline({ removedMailboxIds, mailboxes, chunks }: BaselineMove): void {
    for (const id of removedMailboxIds) {
      this.#sql.deleteMailbox.run(id);
      this.#sql.deleteChunks.run(...chunkIdRange(id));
    }
    for (const row of mailboxes) this.#putMailbox(row);
    for (const chunk of chunks) this.#putChunk(chunk);
  }

  #putMailbox({
    id,
    guid,
    path,
    uidValidity,
    uidNext,
    headerExtra,
    keywords,
    fingerprint,
    messages,
  }: MailboxRow): void {
    const names = keywords.join("\n");
    this.#sql.putMailbox.run(id, guid, path, uidValidity, uidNext, headerExtra, names, fingerprint, messages);
  }

  #putChunk({ mailboxId, chunk, count, lookA, lookB, digest, bytes }: ChunkWrite): void {
    const id = chunkId(mailboxId, chunk);
    if (count === 0) this.#sql.deleteChunk.run(id);
    else this.#sql.putChunk.run(id, count, lookA, lookB, digest, bytes);
  }

  #putLimbo({ name, mailbox, path, uid, base, size, cause, removedMs }: LimboRow): void {
    this.#sql.putLimbo.run(name, mailbox, path, uid, base, size, cause, removedMs);
  }
}

function prepareAll(db: Db) {
  return {
    insertEntry: db.prepare<{ lsn: number }>(
      `INSERT INTO entry (mailbox, captured_ms, ends_at, bytes)
       VALUES (?, ?, ? + coalesce((SELECT ends_at FROM entry ORDER BY lsn DESC LIMIT 1), 0), ?) RETURNING lsn`,
    ),
    replaceEntries: db.prepare("UPDATE entry SET bytes = ? WHERE mailbox = ?"),
    putApplied: db.prepare(
      "INSERT INTO applied (log_id, lsn) VALUES (?, ?) ON CONFLICT DO UPDATE SET lsn = max(lsn, excluded.lsn)",
    ),
    setApplied: db.prepare("INSERT OR REPLACE INTO applied (log_id, lsn) VALUES (?, ?)"),
    insertIntent: db.prepare<{ id: number }>("INSERT INTO intent (bytes) VALUES (?) RETURNING id"),
    deleteIntent: db.prepare("DELETE FROM intent WHERE id = ?"),
    // Not REPLACE: that would delete the row of another mailbox that has the same GUID, and its baseline with it.
    putMailbox: db.prepare(
      `INSERT INTO mailbox (id, guid, path, uid_validity, uid_next, header_extra, keywords, fingerprint, messages)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET guid = excluded.guid, path = excluded.path, uid_validity = excluded.uid_validity,
         uid_next = excluded.uid_next, header_extra = excluded.header_extra, keywords = excluded.keywords,
         fingerprint = excluded.fingerprint, messages = excluded.messages`,
    ),
    deleteMailbox: db.prepare("DELETE FROM mailbox WHERE id = ?"),
    putChunk: db.prepare(
      "INSERT OR REPLACE INTO chunk (id, count, look_a, look_b, digest, bytes) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    deleteChunk: db.prepare("DELETE FROM chunk WHERE id = ?"),
    deleteChunks: db.prepare("DELETE FROM chunk WHERE id BETWEEN ? AND ?"),
    putLimbo: db.prepare(
      `INSERT OR REPLACE INTO limbo (name, mailbox, path, uid, base, size, cause, removed_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    deleteLimbo: db.prepare("DELETE FROM limbo WHERE name = ?"),
    putRejection: db.prepare(
      `INSERT OR REPLACE INTO rejection
         (replica, lsn, mailbox, path, code, message, attempts, first_ms, last_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    deleteRejections: db.prepare("DELETE FROM rejection WHERE replica = ? AND mailbox = ?"),
    deleteAllRejections: db.prepare("DELETE FROM rejection WHERE mailbox = ?"),
    putMeta: db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"),
  };
}
