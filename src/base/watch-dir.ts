/**
 * Watches the names in one directory through inotify (node:fs.watch). A hint only: the kernel drops events silently when its
 * queue overflows, order and pairing mean nothing, and a name may be gone when its event arrives.
 */
import { type FSWatcher, watch } from "node:fs";
import { nodePath } from "./raw-name.js";

export interface DirWatch {
  close(): void;
}

export interface DirWatchSinks {
  /**
   * A name (bytes-in-a-string) was created, removed, renamed (`hasMoved`) or written to. What happens to the directory itself is told under its
   * own name.
   */
  readonly onName: (name: string, hasMoved: boolean) => void;
  /** The watch is dead: the directory went away, or the system refuses. */
  readonly onEnd: (error: Error | undefined) => void;
}

/** Throws at once when the watch cannot be set (ENOSPC: fs.inotify.max_user_watches is used up; EMFILE: too many instances). */
export function watchDir(path: string, { onName, onEnd }: DirWatchSinks): DirWatch {
  const watcher: FSWatcher = watch(nodePath(path), { persistent: true, encoding: "latin1" });
  watcher.on("change", (type, name) => {
    if (typeof name === "string") onName(name, type === "rename");
  });
  watcher.on("error", onEnd);
  return { close: () => watcher.close() };
}
