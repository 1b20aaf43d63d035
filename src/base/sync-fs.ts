/**
 * syncfs(2) through coreutils' `sync -f`: makes durable everything written so far to one file system. For a batch of
 * a thousand files it costs a tenth of an fsync for each.
 *
 * Node has no such call, and to fork a process of 300 MB costs 20 ms and a page fault for whatever it writes next. So one
 * small shell is started once, which starts `sync` whenever it reads a line. Its script is constant. The place is handed over
 * as an open descriptor, not as text: a program's arguments are UTF-8 in Node, paths are not.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { baseError } from "./base-errors.js";
import type { Site } from "./disk.js";
import { errnoOf } from "./errors.js";
import { isSite } from "./pinned-roots.js";
import { displayRaw, nodePath } from "./raw-name.js";
import { explainSystemError } from "./system-error.js";

export type SyncOutcome =
  | { readonly kind: "synced" }
  /** There is no `sync` program that can do it, or no shell: sync the files one by one. */
  | { readonly kind: "unavailable" };

/** For each line that it reads: the exit code, a line end, what `sync` said, and a zero byte. */
const SCRIPT = `while read -r _; do said=$(sync -f /proc/self/fd/3 2>&1); printf '%s\\n%s\\000' "$?" "$said"; done`;
const ANSWER_CHARS_MAX = 4000;
const NOT_FOUND = 127;
/** A shell says so of a program that a signal ended, and adds its number. */
const BY_SIGNAL = 128;

interface Waiting {
  readonly resolve: (outcome: SyncOutcome) => void;
  readonly reject: (reason: unknown) => void;
}

/** One file system. One call at a time (`GroupSync` sees to that). */
export class FileSystemSync implements Disposable {
  readonly #path: string;
  readonly #site: Site | undefined;
  #shell: ChildProcess | undefined;
  #waiting: Waiting | undefined;
  #answer = "";
  /** This call's shell, or its `sync`, was killed once already. */
  #wasKilled = false;

  /** `path`: bytes-in-a-string, of a directory on that file system; `site`: which one it must be. */
  constructor(path: string, site?: Site) {
    this.#path = path;
    this.#site = site;
  }

  /**
   * Resolves to "synced" after everything written before the call to the file system is on stable storage. An abort ends
   * it; then nothing is known. Throws: sync-failed, sync-killed, system errors.
   */
  async run(signal: AbortSignal): Promise<SyncOutcome> {
    signal.throwIfAborted();
    const onAbort = (): void => this.#end(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject };
        this.#wasKilled = false;
        this.#ask();
      });
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Ends the shell. */
  [Symbol.dispose](): void {
    this.#end(this.#failed("it was closed"));
  }

  #ask(): void {
    this.#shell ??= this.#start();
    this.#shell.stdin?.write("\n");
  }

  /** No word of the disk: whoever killed it once is asked no more. All that was written before the call is synced by the second one. */
  #killed(what: string): void {
    if (this.#waiting === undefined || this.#wasKilled) {
      const message = `syncing the file system of ${displayRaw(this.#path)}: ${what}, twice in a row`;
      this.#end(baseError("sync-killed", { message }));
      return;
    }
    this.#wasKilled = true;
    this.#stop();
    try {
      this.#ask();
    } catch (error) {
      this.#end(error);
    }
  }

  #start(): ChildProcess {
    const fd = openPlace(this.#path);
    try {
      const { dev, ino } = fstatSync(fd);
      // Else another file system might be synced, and this one be called durable.
      const isIt = this.#site === undefined || isSite({ dev, ino }, this.#site);
      if (!isIt) throw this.#failed("another directory stands there than at the start");
      const env = { ...process.env, LC_ALL: "C" }; // its words are read below.
      const shell = spawn("/bin/sh", ["-c", SCRIPT], { stdio: ["pipe", "pipe", "ignore", fd], env });
      shell.unref(); // it keeps nothing alive; when this process ends, its input does.
      this.#answer = "";
      shell.stdin?.on("error", () => undefined); // it ended: "close" tells.
      shell.stdout?.setEncoding("utf8").on("data", (text: string) => {
        if (this.#shell === shell) this.#receive(text);
      });
      shell.on("error", (error) => {
        if (errnoOf(error) === "ENOENT") this.#settle(({ resolve }) => resolve({ kind: "unavailable" }));
        else this.#end(error);
      });
      shell.on("close", (exitCode, killedBy) => {
        if (this.#shell !== shell) return;
        if (killedBy === null) this.#end(this.#failed(`the shell ended with ${exitCode}`));
        else this.#killed(`the shell was ended by ${killedBy}`);
      });
      return shell;
    } finally {
      closeSync(fd);
    }
  }

  #receive(text: string): void {
    this.#answer = (this.#answer + text).slice(0, ANSWER_CHARS_MAX);
    const isWhole = text.includes("\0") || this.#answer.length === ANSWER_CHARS_MAX;
    if (!isWhole) return;
    const end = this.#answer.indexOf("\n");
    const exitCode = Number(this.#answer.slice(0, end));
    const said = this.#answer
      .slice(end + 1)
      .replace(/\0.*$/s, "")
      .trim();
    this.#answer = "";
    const isUnavailable = exitCode === NOT_FOUND || /\boption\b/.test(said); // a `sync` that has no -f.
    if (exitCode === 0) this.#settle(({ resolve }) => resolve({ kind: "synced" }));
    else if (exitCode > BY_SIGNAL) this.#killed(`sync was ended by signal ${exitCode - BY_SIGNAL}`);
    else if (isUnavailable) this.#settle(({ resolve }) => resolve({ kind: "unavailable" }));
    else this.#settle(({ reject }) => reject(this.#failed(said === "" ? `sync ended with ${exitCode}` : said)));
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) how(waiting);
  }

  #stop(): void {
    const shell = this.#shell;
    this.#shell = undefined;
    shell?.stdin?.destroy();
    shell?.kill("SIGKILL");
  }

  #end(reason: unknown): void {
    this.#stop();
    this.#settle(({ reject }) => reject(reason));
  }

  #failed(why: string): Error {
    return baseError("sync-failed", { message: `syncing the file system of ${displayRaw(this.#path)}: ${why}` });
  }
}

function openPlace(path: string): number {
  try {
    return openSync(nodePath(path), constants.O_RDONLY | constants.O_DIRECTORY); // a pipe would never open.
  } catch (error) {
    throw explainSystemError(error, { doing: "opening", path });
  }
}
