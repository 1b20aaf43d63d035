/**
 * Opens the state database: recognises our own file, brings its schema up to date, and sets what makes a commit durable.
 *
 * INVARIANT: a file that is not ours, or is newer than this program, is not written to.
 * INVARIANT: a new database is ours completely (schema, application id, log id) or still empty.
 */
import { randomHex } from "../base/random.js";
import { type Db, openDb, transact } from "./db.js";
import { logError } from "./errors.js";
import { MIGRATIONS, migrate, tablesOf } from "./migrations.js";

/** "mtwn"; file(1) and this module know the file by it. */
export const APPLICATION_ID = 0x6d74776e;

/** The first that was ever released. The application id is set in the same step, so that there is no 0 with it. */
const VERSION_MIN = 1;
/** Larger pages gained nothing for chunks of 14 kB and cost more in the write-ahead log of a single delivery. */
const PAGE_BYTES = 4096;
/** The write-ahead log shrinks back to this after a burst. */
const WAL_BYTES_MAX = 64 * 1024 * 1024;

/** For those that write. Throws: state-foreign, state-too-new, state-unreachable, state-corrupt, state-disk-full. */
export function openStateForWriting(path: string, { create }: { readonly create: boolean }): Db {
  const db = openDb(path, create ? "create" : "write");
  try {
    const version = recognise(db);
    // Only a database without tables takes it; in an older one what was trimmed is used again, and the file keeps its size.
    if (version === 0) db.exec("PRAGMA auto_vacuum = INCREMENTAL");
    db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`);
    db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_MAX}; PRAGMA temp_store = MEMORY`);
    if (version < MIGRATIONS.length) upgrade(db);
    return db;
  } catch (error) {
    db[Symbol.dispose]();
    throw error;
  }
}

/** Read-only. Throws as above, and: state-too-old. */
export function openStateForReading(path: string): Db {
  const db = openDb(path, "read");
  try {
    const version = recognise(db);
    if (version < MIGRATIONS.length) {
      throw logError("state-too-old", `opening the state database ${path}: its version is ${version}`, {
        path,
        version,
      });
    }
    return db;
  } catch (error) {
    db[Symbol.dispose]();
    throw error;
  }
}

/** The schema's version; 0 for an empty file. */
function recognise(db: Db): number {
  const applicationId = pragma(db, "application_id");
  const version = pragma(db, "user_version");
  // Reads the schema too, so that a damaged one shows here and not at the first write.
  const tables = db.prepare<{ count: number }>("SELECT count(*) AS count FROM sqlite_schema").get()?.count ?? 0;
  const { path } = db;
  if (applicationId === APPLICATION_ID) {
    if (version < VERSION_MIN) {
      const why = `its version is ${version}, which no mailtwin wrote`;
      throw logError("state-corrupt", `opening the state database ${path}: ${why}`, { path, version });
    }
    if (version <= MIGRATIONS.length) {
      refuseHalf(db, version);
      return version;
    }
    const why = `its version is ${version}, this program knows up to ${MIGRATIONS.length}`;
    throw logError("state-too-new", `opening the state database ${path}: ${why}`, { path, version });
  }
  if (applicationId === 0 && version === 0 && tables === 0) return 0;
  throw logError("state-foreign", `opening the state database ${path}: it is another program's database`, { path });
}

/** A table that is gone would else show as a defect of ours, in the middle of a run. */
function refuseHalf(db: Db, version: number): void {
  const standing = new Set(
    db
      .prepare<{ name: string }>("SELECT name FROM sqlite_schema")
      .all()
      .map(({ name }) => name),
  );
  const lacking = tablesOf(version).filter((table) => !standing.has(table));
  if (lacking.length === 0) return;
  const why = `of its tables (version ${version}) ${lacking.join(", ")} ${lacking.length === 1 ? "is" : "are"} missing`;
  throw logError("state-corrupt", `opening the state database ${db.path}: ${why}`, { path: db.path, version });
}

function upgrade(db: Db): void {
  transact(db, () => {
    const version = recognise(db); // again, now that nobody else can write.
    migrate(db, version);
    if (version > 0) return;
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    db.prepare("INSERT INTO meta (key, value) VALUES ('log-id', ?)").run(randomHex(16));
  });
}

function pragma(db: Db, name: "application_id" | "user_version"): number {
  return db.prepare<Record<typeof name, number>>(`PRAGMA ${name}`).get()?.[name] ?? 0;
}
