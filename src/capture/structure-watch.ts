/**
 * The structure tier: one subscription on the whole store that never looks into cur, new or tmp, so its cost does not grow
 * with the number of messages. It reports new, renamed and removed mailboxes, and that something happened in one.
 *
 * What it gets wrong (so nothing relies on it): an inotify overflow is silent, a create and unlink inside one batch is no
 * event at all, what was put into a new directory before its watch existed is missed. The sweep makes up for all of it.
 *
 * INVARIANT: it is not asked for a watch where the system has no inotify instance left: it would hold the main thread for ever.
 */
import watcher from "@parcel/watcher";
import { probeInotify } from "../base/inotify-probe.js";
import { rawFromText } from "../base/raw-name.js";

export interface StructureWatch extends AsyncDisposable {
  /** False where the system refused it: nothing is told then. */
  readonly isSet: boolean;
  /**
   * Watches anew: directories that were moved in, or filled before their watch stood, are not watched otherwise. What
   * happens meanwhile is not seen: sweep afterwards. Throws when it cannot be set, and nothing is told any more.
   */
  refresh(): Promise<void>;
}

export interface StructureSinks {
  /** Path relative to the store, bytes-in-a-string ("" is the store itself), in which what is no UTF-8 is U+FFFD (`isToldAs`). */
  readonly onPath: (relative: string) => void;
  readonly onFailure: (error: Error) => void;
}

const ATTEMPTS_MAX = 20;
const SAME_ROOT = "/proc/self/root";
/** Leaves room for the mailboxes below it. */
const SPELLING_BYTES_MAX = 2048;
/** One expression: the library tries each on every event, and globs become such as take it eight times as long. */
const MESSAGE_DIRS = [/(?:^|\/)(?:cur|new|tmp|\.mailtwin[^/]*)(?:\/|$)/];

/** `root` is the store's absolute path as text. Where it cannot be set `onFailure` hears why, and `refresh` tries again. */
export async function openStructureWatch(
  root: string,
  { onPath, onFailure }: StructureSinks,
  probe = probeInotify,
): Promise<StructureWatch> {
  let watched = root;
  const open = async () => {
    await probe(rawFromText(root));
    const prefix = watched.length + 1;
    const onBatch: watcher.SubscribeCallback = (error, events) => {
      if (error !== null) {
        onFailure(error);
        return;
      }
      for (const event of events) onPath(rawFromText(event.path.slice(prefix)));
    };
    return await retrying(() => watcher.subscribe(watched, onBatch, { ignore: MESSAGE_DIRS, backend: "inotify" }));
  };
  let subscription: watcher.AsyncSubscription | undefined;
  try {
    subscription = await open();
  } catch (error) {
    onFailure(error instanceof Error ? error : new Error(String(error)));
  }
  return {
    get isSet() {
      return subscription !== undefined;
    },
    async refresh() {
      const before = subscription;
      subscription = undefined;
      // A second subscription of the same directory would share the first one's view of the tree.
      if (before !== undefined && !(await hasEnded(before))) watched = nextSpelling(root, watched);
      subscription = await open();
    },
    async [Symbol.asyncDispose]() {
      if (subscription !== undefined) await hasEnded(subscription);
    },
  };
}

/**
 * False when it gave up in the middle: a directory that was renamed and then removed is a watch that the kernel has dropped
 * already ("Unable to remove watcher: Invalid argument"). No events come then, but its view of the tree stays in memory.
 */
async function hasEnded(subscription: watcher.AsyncSubscription): Promise<boolean> {
  try {
    await subscription.unsubscribe();
    return true;
  } catch (error) {
    if (!/Unable to remove watcher/.test(String(error))) throw error;
    return false;
  }
}

/** The same directory by another path: views of a tree are shared by path. */
function nextSpelling(root: string, watched: string): string {
  const next = `${SAME_ROOT}${watched}`;
  return Buffer.byteLength(next) > SPELLING_BYTES_MAX ? root : next;
}

/** It walks the tree and gives up when a directory vanishes under it: then it walks again. */
async function retrying<T>(attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (!/No such file or directory|Not a directory/.test(String(error))) throw error;
      if (attempts >= ATTEMPTS_MAX)
        throw new Error("its directories come and go while they are to be watched", { cause: error });
    }
  }
}
