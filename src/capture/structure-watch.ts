/**
 * The structure tier: one subscription on the whole store that never looks into cur, new or tmp, so its cost does not grow
 * with the number of messages. It reports new, renamed and removed mailboxes, and that something happened in one.
 *
 * What it gets wrong (so nothing relies on it): an inotify overflow is silent, a create and unlink inside one batch is no
 * event at all, what was put into a new directory before its watch existed is missed. The sweep makes up for all of it.
 */
import watcher from "@parcel/watcher";
import { rawFromText } from "../base/raw-name.js";

export interface StructureWatch extends AsyncDisposable {
  /**
   * Watches anew: directories that were moved in, or filled before their watch stood, are not watched otherwise. What
   * happens meanwhile is not seen: sweep afterwards.
   */
  refresh(): Promise<void>;
}

export interface StructureSinks {
  /** Path relative to the store, bytes-in-a-string ("" is the store itself). */
  readonly onPath: (relative: string) => void;
  readonly onFailure: (error: Error) => void;
}

const ATTEMPTS_MAX = 20;
const MESSAGE_DIRS = [
  "**/cur",
  "**/new",
  "**/tmp",
  "**/cur/**",
  "**/new/**",
  "**/tmp/**",
  "**/.mailtwin*",
  "**/.mailtwin*/**",
];

/** `root` is the store's absolute path as text. Throws when the system has no watches left. */
export async function openStructureWatch(root: string, { onPath, onFailure }: StructureSinks): Promise<StructureWatch> {
  const onBatch: watcher.SubscribeCallback = (error, events) => {
    if (error !== null) {
      onFailure(error);
      return;
    }
    for (const event of events) onPath(rawFromText(event.path.slice(root.length + 1)));
  };
  const open = () => retrying(() => watcher.subscribe(root, onBatch, { ignore: MESSAGE_DIRS, backend: "inotify" }));
  let subscription = await open();
  return {
    async refresh() {
      // A second subscription of the same directory would share the first one's view of the tree.
      await subscription.unsubscribe();
      subscription = await open();
    },
    async [Symbol.asyncDispose]() {
      await subscription.unsubscribe();
    },
  };
}

/** It walks the tree and gives up when a directory vanishes under it: then it walks again. */
async function retrying<T>(attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (attempts >= ATTEMPTS_MAX || !/No such file or directory/.test(String(error))) throw error;
    }
  }
}
