/**
 * One process per state directory: an exclusive SQLite transaction on a file of its own, held for as long as the process
 * lives. The kernel lets go of it when the process dies, however it dies.
 *
 * Only for a directory whose path nobody else can change: SQLite opens by path, and rolls back a journal that lies beside the file.
 */

import { MailtwinError } from "../base/errors.js";
import { openDb } from "./db.js";
import { logError } from "./errors.js";

/** Who only looks whether it is held (`isStateHeld`) is in the way for less than that. */
const LOOKED_AT_MS_MAX = 100;

/** `path`: the lock file, made if absent. Throws: state-in-use when another process holds it. */
export function holdState(path: string): Disposable {
  const db = openDb(path, "create");
  try {
    db.exec(`PRAGMA busy_timeout = ${LOOKED_AT_MS_MAX}`);
    db.exec("PRAGMA journal_mode = MEMORY"); // nothing is ever written to it: no second file, which would be made by its path.
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db[Symbol.dispose]();
    if (!(error instanceof MailtwinError)) throw error;
    if (error.code === "state-disk-full") {
      throw logError("state-disk-full", `taking the lock ${path}: there is no space left on its disk`, { path }, error);
    }
    if (error.code !== "state-busy") throw error;
    throw logError("state-in-use", `taking the state directory's lock ${path}: another mailtwin holds it`);
  }
  return db;
}

/** Whether a process holds it, this one or another. Never waits; false also where that cannot be told. */
export function isStateHeld(path: string): boolean {
  try {
    using db = openDb(path, "read");
    db.exec("PRAGMA busy_timeout = 0");
    db.prepare("SELECT 1 FROM sqlite_master").get();
    return false;
  } catch (error) {
    return error instanceof MailtwinError && error.code === "state-busy";
  }
}
