/**
 * Opens the state database that a command of this directory reads, read-only. Whoever writes it may run meanwhile: nothing here keeps it
 * from writing, or holds anything open between two reads.
 */
import { lstatSync } from "node:fs";
import { errnoOf } from "../../base/errors.js";
import { displayRaw, rawFromText } from "../../base/raw-name.js";
import type { StateReader } from "../../log/state-ports.js";
import { openStateReader } from "../../log/state-reader.js";
import { daemonError } from "../errors.js";

/** Throws: log-missing, and the codes of opening a state database. */
export function openLog(path: string): StateReader {
  if (inodeOf(path) === undefined)
    throw daemonError("log-missing", `reading the replication log: there is no ${displayRaw(rawFromText(path))}`);
  return openStateReader(path);
}

/** Of the file at that path; undefined if there is none. */
export function inodeOf(path: string): number | undefined {
  try {
    return lstatSync(path).ino;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
    throw error;
  }
}
