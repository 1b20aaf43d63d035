/**
 * One process per state directory: an exclusive SQLite transaction on a file of its own, held for as long as the process
 * lives. The kernel lets go of it when the process dies, however it dies.
 *
 * Only for a directory whose path nobody else can change: SQLite opens by path, and rolls back a journal that lies beside the file.
 */

import { MailtwinError } from "../base/errors.js";
import { openDb } from "./db.js";
import { logError } from "./errors.js";

/** `path`: the lock file, made if absent. Throws: state-in-use when another process holds it. */
export function holdState(path: string): Disposable {
  const db = openDb(path, "create");
  try {
    db.exec("PRAGMA busy_timeout = 0");
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
