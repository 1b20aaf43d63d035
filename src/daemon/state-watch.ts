/**
 * A state directory that is worked with stands at its path: who removes it, its lock or a database of it, or puts another one there,
 * leaves a process that goes on writing into files without a name. All of that would be lost at its end, and another process could begin
 * with the same stores meanwhile. Looked at every two seconds; a look costs some calls of lstat(2).
 *
 * INVARIANT: what is looked for is what was there at the first look, by device and inode; what comes later (a -wal) is looked for from
 * then on. A database that this process does not have open is others' business: its -wal comes and goes as they open and close it.
 */
import { lstatSync } from "node:fs";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "../base/clock.js";
import { errnoOf } from "../base/errors.js";
import { displayRaw, rawFromText } from "../base/raw-name.js";
import { daemonError } from "./errors.js";

/** Half of the few seconds within which it is to be noticed. */
const LOOK_MS = 2_000;
type DatabaseName = "source.db" | "replica.db";

export interface StateWatchOptions {
  readonly state: string;
  /** Those in it that this process has open for as long as it watches. */
  readonly databases: readonly DatabaseName[];
  readonly clock: Pick<Clock, "setTimer">;
  /** Called at most once, with state-gone. */
  readonly onGone: (error: Error) => void;
}

/** Begins with a look, and looks until it is disposed of. Dispose of it before the databases are closed: that removes files. */
export function watchState(options: StateWatchOptions): Disposable {
  const watch = new StateWatch(options);
  watch.next();
  return watch;
}

/** A store that was open in this process does not begin anew by itself. Throws: state-gone. */
export function refuseForgotten(state: string, database: DatabaseName): void {
  if (lstatSync(join(state, database), { throwIfNoEntry: false }) === undefined)
    throw stateGone(state, `there is no ${database} in it any more`);
}

class StateWatch implements Disposable {
  readonly #options: StateWatchOptions;
  /** By path. */
  readonly #known = new Map<string, string>();
  #timer: Timer | undefined;
  #hasEnded = false;

  constructor(options: StateWatchOptions) {
    this.#options = options;
    for (const path of this.#paths()) {
      const stats = lstatSync(path, { throwIfNoEntry: false, bigint: true });
      if (stats !== undefined) this.#known.set(path, `${stats.dev}:${stats.ino}`);
    }
  }

  next(): void {
    this.#timer = this.#options.clock.setTimer(LOOK_MS, () => void this.#look());
  }

  [Symbol.dispose](): void {
    this.#hasEnded = true;
    this.#timer?.cancel();
  }

  #paths(): readonly string[] {
    const { state, databases } = this.#options;
    const files = databases.flatMap((name) => [name, `${name}-wal`]); // without its -wal it lacks what was written last.
    return [state, ...["lock.db", ...files].map((name) => join(state, name))];
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    for (const path of this.#paths()) {
      const now = await fileAt(path);
      if (this.#hasEnded) return;
      const known = this.#known.get(path);
      if (now === known || now === "unknown") continue;
      if (known === undefined && now !== undefined) this.#known.set(path, now);
      else return this.#tell(path, now);
    }
    this.next();
  }

  #tell(path: string, now: string | undefined): void {
    const { state, onGone } = this.#options;
    this.#hasEnded = true;
    const what = path === state ? "it" : path.slice(state.length + 1);
    onGone(stateGone(state, now === undefined ? `${what} is not there any more` : `${what} is another one now`));
  }
}

function stateGone(state: string, why: string): Error {
  return daemonError("state-gone", `working with the state directory ${displayRaw(rawFromText(state))}: ${why}`);
}

/** Undefined if there is none. "unknown": the system does not say now. */
async function fileAt(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await lstat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    const errno = errnoOf(error);
    return errno === "ENOENT" || errno === "ENOTDIR" ? undefined : "unknown";
  }
}
