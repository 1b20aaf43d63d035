/**
 * One run for each state directory. A run that is refused before it has kept anything takes its lock file away with the directory
 * that it has made, so a lock counts only on the file that still stands at its path.
 */
import { readdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { makePrivateFile } from "../base/private-file.js";
import { holdState, isStateHeld } from "../log/state-lock.js";
import { daemonError } from "./errors.js";

const LOCK_FILE = "lock.db";

/** Throws: state-in-use, destination-in-use. */
export function holdStateDirectory(state: string): Disposable {
  const path = join(state, LOCK_FILE);
  makePrivateFile(path);
  const before = inodeAt(path);
  const held = holdState(path);
  if (inodeAt(path) === before) return held;
  held[Symbol.dispose]();
  const why = "another mailtwin, which was refused, has just taken it away";
  throw daemonError("destination-in-use", `taking the state directory's lock ${path}: ${why}`);
}

/** Whether a run holds it now. Takes nothing, and keeps nobody from taking it. */
export function isStateDirectoryHeld(state: string): boolean {
  return isStateHeld(join(state, LOCK_FILE));
}

/** Call it holding the lock. `made`: by `makePlaces`. What has anything else in it stays. */
export function leaveState(state: string, made: readonly string[]): void {
  try {
    if (!made.includes(state) || readdirSync(state).some((name) => name !== LOCK_FILE)) return;
    rmSync(join(state, LOCK_FILE));
    rmdirSync(state);
  } catch {
    // Why the run was refused is what matters.
  }
}

function inodeAt(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
