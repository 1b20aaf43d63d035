/**
 * The limit of open files (ulimit -n), for those whose errors do not tell that it was reached: SQLite, the start of a thread.
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { errnoOf } from "./errors.js";

/** Whoever failed has closed again what it had opened on the way: a database file, its log, the log's index, a directory. */
const OPENED_ON_THE_WAY = 4;

/** Whether the limit is reached now, or nearly: call it right after the failure. */
export function isOutOfFiles(): boolean {
  const fds: number[] = [];
  try {
    while (fds.length < OPENED_ON_THE_WAY) fds.push(openSync("/", "r"));
    return false;
  } catch (error) {
    return isFilesErrno(errnoOf(error));
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** EMFILE: this process has too many; ENFILE: the system has. */
export function isFilesErrno(errno: string | undefined): boolean {
  return errno === "EMFILE" || errno === "ENFILE";
}

/** How many this process may have open; undefined where /proc does not tell. Node has raised it as far as it may already. */
export function openFilesMax(): number | undefined {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}
