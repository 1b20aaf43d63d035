/**
 * The schema of the state database, as steps from one version to the next. A step that was ever released is not edited;
 * a change is a further step. `user_version` counts the steps that were done.
 *
 * Texts are bytes-in-strings. LSNs, mailbox ids and intent ids are never used twice, also when their rows are gone.
 */
import type { Db } from "./db.js";

/** SQL that leads from version i to version i + 1. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE entry (
    lsn INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox TEXT NOT NULL,
    captured_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;

  CREATE TABLE cursor (
    replica TEXT PRIMARY KEY,
    lsn INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE applied (
    log_id TEXT PRIMARY KEY,
    lsn INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL,
    uid_validity INTEGER NOT NULL,
    uid_next INTEGER NOT NULL,
    header_extra TEXT NOT NULL,
    keywords TEXT NOT NULL, -- joined by line breaks
    fingerprint TEXT NOT NULL,
    messages INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE chunk (
    id INTEGER PRIMARY KEY, -- mailbox id * 2^26 + chunk, so that a mailbox is one range
    count INTEGER NOT NULL,
    look_a INTEGER NOT NULL,
    look_b INTEGER NOT NULL,
    digest BLOB NOT NULL,
    bytes BLOB NOT NULL -- last: reading the columns before it does not read its pages
  ) STRICT;

  CREATE TABLE intent (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bytes BLOB NOT NULL
  ) STRICT;

  CREATE TABLE limbo (
    name TEXT PRIMARY KEY,
    mailbox TEXT NOT NULL,
    path TEXT NOT NULL,
    uid INTEGER NOT NULL,
    base TEXT NOT NULL,
    size INTEGER NOT NULL,
    cause TEXT NOT NULL,
    removed_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE rejection (
    replica TEXT NOT NULL,
    lsn INTEGER NOT NULL,
    mailbox TEXT NOT NULL,
    path TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (replica, lsn)
  ) STRICT, WITHOUT ROWID;
  `,
  // How large the log is, without reading it: what lies between two entries is the difference of their sums. 64 bytes are what a
  // row has beside its bytes. Before `bytes`, whose pages are then not read. A replica that the log no longer waits for.
  `
  ALTER TABLE entry RENAME TO entry_1;

  CREATE TABLE entry (
    lsn INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox TEXT NOT NULL,
    captured_ms INTEGER NOT NULL,
    ends_at INTEGER NOT NULL, -- bytes of the log up to and with this entry
    bytes BLOB NOT NULL
  ) STRICT;

  INSERT INTO entry (lsn, mailbox, captured_ms, ends_at, bytes)
    SELECT lsn, mailbox, captured_ms, sums.ends_at, bytes
    FROM (SELECT lsn, sum(length(bytes) + 64) OVER (ORDER BY lsn) AS ends_at FROM entry_1) AS sums JOIN entry_1 USING (lsn)
    ORDER BY lsn;
  DELETE FROM sqlite_sequence WHERE name = 'entry';
  INSERT INTO sqlite_sequence (name, seq) SELECT 'entry', seq FROM sqlite_sequence WHERE name = 'entry_1';
  DROP TABLE entry_1;

  ALTER TABLE cursor ADD COLUMN resync_since_ms INTEGER; -- NULL: the log is kept for it
  ALTER TABLE cursor ADD COLUMN resync_why TEXT;
  `,
  // What goes from the limbo first, and how large all of it is, without reading the table; whole mailboxes that nobody has counted.
  `
  CREATE INDEX limbo_age ON limbo (removed_ms, name, size);
  CREATE INDEX limbo_uncounted ON limbo (name) WHERE uid = 0 AND size = 0;
  `,
  // Digests of chunks are what comparisons narrow down with, all fields of a record in them that last; before, a GUID that is the file
  // name was not told. An empty one is not known, and is made anew when its chunk is written.
  `
  UPDATE chunk SET digest = x'';
  `,
];

/** What an entry takes in the database beside its bytes. */
export const ENTRY_OVERHEAD_BYTES = 64;

/** Does the steps that are missing. The caller holds a database transaction. */
export function migrate(db: Db, fromVersion: number, steps: readonly string[] = MIGRATIONS): void {
  for (const step of steps.slice(fromVersion)) db.exec(step);
  db.exec(`PRAGMA user_version = ${steps.length}`);
}

/** The tables that a database of that version has. */
export function tablesOf(version: number, steps: readonly string[] = MIGRATIONS): readonly string[] {
  const tables = new Set<string>();
  for (const [, verb, table = ""] of steps
    .slice(0, version)
    .join("\n")
    .matchAll(/\b(CREATE|DROP) TABLE (\w+)/g)) {
    if (verb === "CREATE") tables.add(table);
    else tables.delete(table);
  }
  return [...tables];
}
