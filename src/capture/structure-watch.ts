/**
 * The structure tier: one inotify watch on each directory that a look at the whole store has been in, and none on cur, new or tmp, so its
 * cost does not grow with the number of messages. It tells of new, renamed and removed mailboxes, and that something happened in one.
 *
 * It walks nothing and knows no depth: which directories there are says who looks (discover-store.ts), within his own limits.
 *
 * What it gets wrong (so nothing relies on it): an inotify overflow is silent; what happens in a directory before its watch stands is
 * missed, so another look has to follow; a link in the place of a directory is followed, and gives hints that mean nothing. The sweep
 * makes up for all of it.
 */
import { nextTurn } from "../base/clock.js";
import { errnoOf } from "../base/errors.js";
import { isRawName, joinRaw, lastRaw, type RawPath } from "../base/raw-name.js";
import { type DirWatch, watchDir } from "../base/watch-dir.js";
import type { FoundDirectory } from "../maildir/discover.js";

export interface StructureSinks {
  /** Something happened to that name (bytes-in-a-string) in that directory. */
  readonly onName: (dir: RawPath, name: string) => void;
  /** The system refuses watches: told when it begins to. What could be watched is. */
  readonly onFailure: (error: Error) => void;
}

interface Watched {
  readonly ino: number;
  readonly watch: DirWatch;
}

/** So many directories are watched at a time, between which others have their turn: some 5 ms. */
const SLICE = 256;
/** It went away meanwhile: the next look tells. */
const GONE = new Set(["ENOENT", "ENOTDIR"]);
/** No other directory could be watched either. */
const EXHAUSTED = new Set(["ENOSPC", "EMFILE", "ENFILE", "ENOMEM"]);

export class StructureWatch {
  readonly #root: string;
  readonly #sinks: StructureSinks;
  readonly #watched = new Map<RawPath, Watched>();
  /** Where another directory may stand by now than the one that is watched. */
  readonly #moved = new Set<RawPath>();
  #failure: Error | undefined;
  #isClosed = false;

  /** `root`: absolute, bytes-in-a-string. */
  constructor(root: string, sinks: StructureSinks) {
    this.#root = root;
    this.#sinks = sinks;
  }

  get size(): number {
    return this.#watched.size;
  }

  /** Why not all is watched that should be. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /**
   * Watches these directories, and no others. Returns whether one is watched that was not before: what happened in it until then was not
   * seen. One call at a time.
   */
  async cover(directories: readonly FoundDirectory[]): Promise<boolean> {
    const gone = new Set(this.#watched.keys());
    const news: FoundDirectory[] = [];
    for (const directory of directories) {
      const { path, ino } = directory;
      gone.delete(path);
      if (this.#watched.get(path)?.ino !== ino || this.#moved.has(path)) news.push(directory);
    }
    this.#moved.clear();
    const before = this.#failure;
    this.#failure = undefined;
    const hasNews = await this.#watchAll(news);
    for (const path of gone) this.#end(path); // last: one that was renamed stays watched.
    const { failure } = this;
    if (failure !== undefined && before === undefined) this.#sinks.onFailure(failure);
    return hasNews;
  }

  close(): void {
    this.#isClosed = true;
    for (const path of [...this.#watched.keys()]) this.#end(path);
  }

  async #watchAll(directories: readonly FoundDirectory[]): Promise<boolean> {
    let count = 0;
    for (const [at, directory] of directories.entries()) {
      if (at % SLICE === SLICE - 1) await nextTurn();
      if (this.#isClosed) return false;
      try {
        this.#watch(directory);
        count += 1;
      } catch (error) {
        const code = errnoOf(error) ?? "";
        if (GONE.has(code)) continue;
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
        if (EXHAUSTED.has(code)) break;
      }
    }
    return count > 0;
  }

  #watch({ path, ino }: FoundDirectory): void {
    const name = lastRaw(path);
    const onName = (changed: string, hasMoved: boolean): void => {
      if (hasMoved && changed === name) this.#noteMoved(path);
      if (hasMoved && isRawName(changed)) this.#noteMoved(joinRaw(path, changed));
      this.#sinks.onName(path, changed);
    };
    // It died, and says why; the next look watches it anew.
    const onEnd = (): void => this.#noteMoved(path);
    const watch = watchDir(path === "" ? this.#root : `${this.#root}/${path}`, { onName, onEnd });
    this.#end(path); // after: where it is the same directory the kernel's watch stays.
    this.#watched.set(path, { ino, watch });
  }

  #noteMoved(path: RawPath): void {
    if (this.#watched.has(path)) this.#moved.add(path);
  }

  #end(path: RawPath): void {
    this.#watched.get(path)?.watch.close();
    this.#watched.delete(path);
  }
}
