/**
 * The message tier: three inotify watches (the mailbox, cur, new) on each of the mailboxes that were active lately. It names
 * the file within a millisecond of its rename.
 *
 * INVARIANT: at most `mailboxesMax` mailboxes are watched; the one that was quiet longest gives way.
 */

import type { RawPath } from "../base/raw-name.js";
import { type DirWatch, watchDir } from "../base/watch-dir.js";
import type { HintedName } from "./capture-types.js";

export interface MessageWatchSinks {
  readonly onMessage: (path: RawPath, hint: HintedName) => void;
  /** The uidlist, or the keywords, changed or a lock went away. */
  readonly onUidlist: (path: RawPath) => void;
  /** Watching this mailbox ended or cannot begin; `error` when the system refused. */
  readonly onEnd: (path: RawPath, error: Error | undefined) => void;
}

const TELLING = new Set(["dovecot-uidlist", "dovecot-keywords", "dovecot-uidlist.lock"]);

export class MessageWatch {
  /** Insertion order is the order of last activity, oldest first. */
  readonly #watched = new Map<RawPath, readonly DirWatch[]>();
  readonly #root: string;
  readonly #sinks: MessageWatchSinks;
  readonly #mailboxesMax: number;

  constructor(options: { readonly root: string; readonly mailboxesMax: number }, sinks: MessageWatchSinks) {
    this.#root = options.root;
    this.#mailboxesMax = options.mailboxesMax;
    this.#sinks = sinks;
  }

  get size(): number {
    return this.#watched.size;
  }

  has(path: RawPath): boolean {
    return this.#watched.has(path);
  }

  /** Returns true when the mailbox was not watched before and is now: what happened earlier was not seen. */
  promote(path: RawPath): boolean {
    const present = this.#watched.get(path);
    if (present !== undefined) {
      this.#watched.delete(path);
      this.#watched.set(path, present);
      return false;
    }
    const watches = this.#open(path);
    if (watches === undefined) return false;
    this.#watched.set(path, watches);
    for (const eldest of this.#watched.keys()) {
      if (this.#watched.size <= this.#mailboxesMax) break;
      this.demote(eldest);
    }
    return true;
  }

  demote(path: RawPath): void {
    for (const watch of this.#watched.get(path) ?? []) watch.close();
    this.#watched.delete(path);
  }

  close(): void {
    for (const path of [...this.#watched.keys()]) this.demote(path);
  }

  #open(path: RawPath): readonly DirWatch[] | undefined {
    const base = path === "" ? this.#root : `${this.#root}/${path}`;
    const onEnd = (error: Error | undefined) => {
      this.demote(path);
      this.#sinks.onEnd(path, error);
    };
    const opened: DirWatch[] = [];
    try {
      for (const dir of ["cur", "new"] as const) {
        opened.push(
          watchDir(`${base}/${dir}`, { onName: (name) => this.#sinks.onMessage(path, { dir, name }), onEnd }),
        );
      }
      const onName = (name: string) => {
        if (TELLING.has(name)) this.#sinks.onUidlist(path);
      };
      opened.push(watchDir(base, { onName, onEnd }));
      return opened;
    } catch (error) {
      for (const watch of opened) watch.close();
      this.#sinks.onEnd(path, error instanceof Error ? error : new Error(String(error)));
      return undefined;
    }
  }
}
