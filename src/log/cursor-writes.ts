/**
 * The writes to the log that are about who still needs it: cursors, marks, and what goes. Synchronous, and each within a database
 * transaction that the caller holds (group-commit.ts).
 *
 * INVARIANT: `trimSlice` leaves what a replica lacks that is not marked, and marks are in the same transaction as what they let go.
 * A trim goes in slices, since what one transaction removes has to go through SQLite's write-ahead log first: a log of 200 MB that
 * went at once took 293 MB more of the disk, and 1.5 s in which nothing else was written.
 */
import type { Db } from "./db.js";
import type { TrimCommit } from "./state-types.js";

/** What one slice removes at most. */
const SLICE_ENTRIES_MAX = 1000;
const SLICE_BYTES_MAX = 4 * 1024 * 1024;
/** Pages that stay free for what comes next, 8 MiB; the file shrinks by what is free beyond. */
const FREE_PAGES_KEPT = 2048;
const SHRINK_PAGES_MAX = 512;

export class CursorWrites {
  readonly #db: Db;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(db: Db) {
    this.#db = db;
    this.#sql = prepareAll(db);
  }

  setCursor(replica: string, lsn: number): void {
    this.#sql.putCursor.run(replica, lsn);
  }

  addReplica(replica: string, nowMs: number): void {
    const lsn = this.#firstLsn() - 1;
    const why = this.#wasReplica() ? "role-changed" : lsn === 0 ? null : "added";
    this.#sql.addCursor.run(replica, lsn, why === null ? null : nowMs, why);
  }

  forgetReplica(replica: string): void {
    this.#sql.deleteCursor.run(replica);
    this.#sql.deleteRejections.run(replica);
  }

  /** Whether it is so: see the port. */
  clearResync(replica: string, lsn: number): boolean {
    if (lsn + 1 < this.#firstLsn() || lsn > this.#lastLsn()) return false;
    return this.#sql.clearResync.get(lsn, replica) !== undefined;
  }

  /** Marks, and drops the lowest entries. Returns whether there are more to drop. */
  trimSlice({ upTo, needsResync, nowMs }: TrimCommit): boolean {
    for (const { replica, why } of needsResync) this.#sql.mark.run(nowMs, why, replica);
    return this.dropSlice(Math.min(upTo, this.#sql.leastCursor.get()?.lsn ?? upTo));
  }

  /** Drops the lowest entries up to and including `lsn`. Returns whether there are more to drop. */
  dropSlice(lsn: number): boolean {
    const first = this.#sql.firstEntry.get();
    if (first === undefined || first.lsn > lsn) return false;
    const most = Math.min(lsn, first.lsn + SLICE_ENTRIES_MAX - 1);
    const last = this.#sql.lastWithin.get(most, first.ends_at + SLICE_BYTES_MAX)?.lsn ?? first.lsn;
    this.#sql.deleteEntries.run(last);
    return last < lsn && this.#firstLsn() <= lsn;
  }

  /** Gives the file system back some of what is free in the file. Returns whether there is more to give. */
  shrinkSlice(): boolean {
    const surplus = this.#freePages() - FREE_PAGES_KEPT;
    if (surplus <= 0) return false;
    this.#db.exec(`PRAGMA incremental_vacuum(${Math.min(surplus, SHRINK_PAGES_MAX)})`);
    const left = this.#freePages() - FREE_PAGES_KEPT;
    return left > 0 && left < surplus; // a database of an older version does not shrink.
  }

  /** What a new replica says that it has may be of before: its own store was a source since. */
  #wasReplica(): boolean {
    return this.#sql.wasReplica.get()?.value === "1";
  }

  #firstLsn(): number {
    return this.#sql.firstEntry.get()?.lsn ?? this.#lastLsn() + 1;
  }

  #lastLsn(): number {
    return this.#sql.lastLsn.get()?.seq ?? 0;
  }

  #freePages(): number {
    return this.#sql.freePages.get()?.freelist_count ?? 0;
  }
}

function prepareAll(db: Db) {
  return {
    putCursor: db.prepare(
      "INSERT INTO cursor (replica, lsn) VALUES (?, ?) ON CONFLICT DO UPDATE SET lsn = max(lsn, excluded.lsn)",
    ),
    addCursor: db.prepare(
      `INSERT INTO cursor (replica, lsn, resync_since_ms, resync_why) VALUES (?, ?, ?, ?)
       ON CONFLICT DO NOTHING`,
    ),
    wasReplica: db.prepare<{ value: string }>("SELECT value FROM meta WHERE key = 'was-replica'"),
    deleteCursor: db.prepare("DELETE FROM cursor WHERE replica = ?"),
    deleteRejections: db.prepare("DELETE FROM rejection WHERE replica = ?"),
    clearResync: db.prepare<{ lsn: number }>(
      "UPDATE cursor SET lsn = ?, resync_since_ms = NULL, resync_why = NULL WHERE replica = ? RETURNING lsn",
    ),
    mark: db.prepare(
      "UPDATE cursor SET resync_since_ms = ?, resync_why = ? WHERE replica = ? AND resync_since_ms IS NULL",
    ),
    leastCursor: db.prepare<{ lsn: number | null }>("SELECT min(lsn) AS lsn FROM cursor WHERE resync_since_ms IS NULL"),
    firstEntry: db.prepare<{ lsn: number; ends_at: number }>("SELECT lsn, ends_at FROM entry ORDER BY lsn LIMIT 1"),
    lastLsn: db.prepare<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'entry'"),
    lastWithin: db.prepare<{ lsn: number }>(
      "SELECT lsn FROM entry WHERE lsn <= ? AND ends_at <= ? ORDER BY lsn DESC LIMIT 1",
    ),
    deleteEntries: db.prepare("DELETE FROM entry WHERE lsn <= ?"),
    freePages: db.prepare<{ freelist_count: number }>("PRAGMA freelist_count"),
  };
}
