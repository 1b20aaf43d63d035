/**
 * syncfs(2) through coreutils' `sync -f`: makes durable everything written so far to one file system. For a batch of
 * a thousand files it costs a tenth of an fsync for each.
 *
 * The path is handed over as an open descriptor, not as text: a program's arguments are UTF-8 in Node, paths are not.
 */
import { spawn } from "node:child_process";
import { type FileHandle, open } from "node:fs/promises";
import { baseError } from "./base-errors.js";
import { errnoOf } from "./errors.js";
import { displayRaw, nodePath } from "./raw-name.js";
import { explainSystemError } from "./system-error.js";

export type SyncOutcome =
  | { readonly kind: "synced" }
  /** There is no `sync` program that can do it: sync the files one by one. */
  | { readonly kind: "unavailable" };

const STDERR_CHARS_MAX = 1000;

/**
 * Resolves to "synced" after everything written before the call to the file system that holds `path` (bytes-in-a-string)
 * is on stable storage. An abort kills the program; then nothing is known. Throws: sync-failed, system errors.
 */
export async function syncFileSystem(path: string, signal: AbortSignal): Promise<SyncOutcome> {
  signal.throwIfAborted();
  const place = await openPlace(path);
  try {
    return await runSync(place.fd, displayRaw(path), signal);
  } finally {
    await place.close();
  }
}

async function openPlace(path: string): Promise<FileHandle> {
  try {
    return await open(nodePath(path), "r");
  } catch (error) {
    throw explainSystemError(error, { doing: "opening", path });
  }
}

function runSync(fd: number, shownPath: string, signal: AbortSignal): Promise<SyncOutcome> {
  return new Promise((resolve, reject) => {
    let stderr = "";
    const env = { ...process.env, LC_ALL: "C" }; // its words are read below.
    const child = spawn("sync", ["-f", "/proc/self/fd/3"], { stdio: ["ignore", "ignore", "pipe", fd], env, signal });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(0, STDERR_CHARS_MAX);
    });
    child.on("error", (error) => {
      if (signal.aborted) reject(signal.reason);
      else if (errnoOf(error) === "ENOENT") resolve({ kind: "unavailable" });
      else reject(error);
    });
    child.on("close", (exitCode, killedBy) => {
      if (exitCode === 0) resolve({ kind: "synced" });
      else if (/\boption\b/.test(stderr))
        resolve({ kind: "unavailable" }); // a `sync` that has no -f.
      else reject(syncFailed(shownPath, stderr.trim(), killedBy ?? exitCode));
    });
  });
}

function syncFailed(shownPath: string, stderr: string, exit: string | number | null): Error {
  const why = stderr === "" ? `sync ended with ${exit}` : stderr;
  return baseError("sync-failed", { message: `syncing the file system of ${shownPath}: ${why}` });
}
