/**
 * The port to SQLite: all that this program asks of it. It has the shape of `node:sqlite`, so that Node's own module
 * takes the package's place by one import once Node 20 is no longer supported.
 *
 * Every call throws operating failures by their code (errors.ts); what else SQLite reports (a broken constraint, wrong
 * SQL) is a programmer's error and is thrown as it is.
 */
import { pathToFileURL } from "node:url";
import { DatabaseSync } from "@photostructure/sqlite";
import { isOutOfFiles } from "../base/open-files.js";
import { makePrivateFile } from "../base/private-file.js";
import { rawFromText } from "../base/raw-name.js";
import { makeSystemError } from "../base/system-error.js";
import { type LogErrorCode, logError } from "./errors.js";

export type SqlValue = string | number | Uint8Array | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface Statement<Row extends SqlRow> {
  run(...values: readonly SqlValue[]): void;
  get(...values: readonly SqlValue[]): Row | undefined;
  all(...values: readonly SqlValue[]): Row[];
  /** Rows as they are read. Ending the loop early is fine; a write to the same table in between is not. */
  iterate(...values: readonly SqlValue[]): Iterable<Row>;
}

export interface Db extends Disposable {
  readonly path: string;
  readonly inTransaction: boolean;
  exec(sql: string): void;
  /** Throws on the first use, not here, what cannot be prepared. */
  prepare<Row extends SqlRow = SqlRow>(sql: string): Statement<Row>;
}

/** How long a statement waits for another connection's lock. Some are our own threads': a disk may take seconds over a commit. */
const BUSY_MS = 15_000;

/** "create": makes the file if it is absent, for its owner alone; SQLite makes those beside it likewise. Throws: state-unreachable and the other codes of this room. */
export function openDb(path: string, mode: "create" | "write" | "read"): Db {
  const sqlMode = { create: "rwc", write: "rw", read: "ro" }[mode];
  const location = `${pathToFileURL(path).href}?mode=${sqlMode}`;
  if (mode === "create") makePrivateFile(path); // SQLite would ask for 0644, and it has lists of all mail in it.
  const db = guard(path, "opening", () => new DatabaseSync(location, { readOnly: mode === "read", timeout: BUSY_MS }));
  return {
    path,
    get inTransaction() {
      return db.isTransaction;
    },
    exec: (sql) => guard(path, "using", () => db.exec(sql)),
    prepare: (sql) => prepare(path, () => db.prepare(sql)),
    [Symbol.dispose]: () => {
      if (db.isOpen) db.close();
    },
  };
}

/** Runs `write` as one database transaction, durable when this returns. What it throws leaves nothing behind. */
export function transact<T>(db: Db, write: () => T): T {
  try {
    db.exec("BEGIN IMMEDIATE");
    const result = write();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    // SQLite has ended the transaction by itself after some errors, a full disk among them.
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

type Prepared = ReturnType<InstanceType<typeof DatabaseSync>["prepare"]>;

function prepare<Row extends SqlRow>(path: string, make: () => Prepared): Statement<Row> {
  let made: Prepared | undefined;
  const use = <T>(run: (statement: Prepared) => T): T =>
    guard(path, "using", () => {
      made ??= make();
      return run(made);
    });
  return {
    run: (...values) => void use((statement) => statement.run(...values)),
    get: (...values) => use((statement) => statement.get(...values) as Row | undefined),
    all: (...values) => use((statement) => statement.all(...values) as Row[]),
    *iterate(...values) {
      const rows = use((statement) => statement.iterate(...values) as IterableIterator<Row>);
      try {
        for (;;) {
          const next = guard(path, "reading", () => rows.next());
          if (next.done === true) return;
          yield next.value;
        }
      } finally {
        rows.return?.();
      }
    },
  };
}

function guard<T>(path: string, doing: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw explain(error, path, doing);
  }
}

const CANNOT_OPEN = 14;
/** By SQLite's primary result code. */
const CODE_BY_RESULT: ReadonlyMap<number, LogErrorCode> = new Map([
  [3, "state-unreachable"], // PERM
  [5, "state-busy"], // BUSY
  [6, "state-busy"], // LOCKED
  [8, "state-unreachable"], // READONLY
  [10, "state-io-failed"], // IOERR
  [11, "state-corrupt"], // CORRUPT
  [13, "state-disk-full"], // FULL
  [CANNOT_OPEN, "state-unreachable"],
  [26, "state-foreign"], // NOTADB
]);
/** IOERR_SHMSIZE: there was no space for the index of the write-ahead log. */
const NO_SPACE_FOR_INDEX = 4874;

function explain(error: unknown, path: string, doing: string): unknown {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return error;
  const result = error.errcode;
  if ((result & 0xff) === CANNOT_OPEN && isOutOfFiles())
    // SQLite does not say why it could not.
    return makeSystemError("EMFILE", { doing: `${doing} the state database`, path: rawFromText(path) });
  const code = result === NO_SPACE_FOR_INDEX ? "state-disk-full" : CODE_BY_RESULT.get(result & 0xff);
  if (code === undefined) return error;
  return logError(code, `${doing} the state database ${path}: ${error.message}`, { path, result }, error);
}
