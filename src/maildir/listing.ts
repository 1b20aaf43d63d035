/**
 * Which message files are in a mailbox now.
 *
 * `new/` is listed before `cur/`: a message only ever moves from `new/` to `cur/`, so one that moves meanwhile is seen
 * twice rather than missed. Flags may change in either (Dovecot leaves a flagged message in `new/`, as "x:2,S"), and such
 * a rename during the listing can hide a message or show it twice: believe that one is gone only from a stable listing.
 */
import type { Dir } from "../base/disk.js";
import { CUR, NEW, openMessageDir } from "./mailbox-files.js";

export interface MessageListing {
  /** File names, unordered: those in `new/` first, then those in `cur/`. */
  readonly names: readonly string[];
  /** How many of `names` are in `new/`. */
  readonly inNew: number;
  /** Names that can never be mail, though no dot files: with CR or LF, or an empty base name. */
  readonly ignored: readonly string[];
  /** Of `new/` and `cur/`, before they were listed. */
  readonly newMtimeMs: number;
  readonly curMtimeMs: number;
  /** Neither directory changed while it was listed, as far as its mtime tells (a tick is some milliseconds). */
  readonly stable: boolean;
}

/** Throws: mailbox-is-link, mailbox-vanished, system errors. A missing `new/` counts as an empty one. */
export function listMessages(mailbox: Dir): MessageListing {
  const names: string[] = [];
  const ignored: string[] = [];
  const newDir = mailbox.stat(NEW) === undefined ? undefined : openMessageDir(mailbox, NEW);
  try {
    const curDir = openMessageDir(mailbox, CUR);
    try {
      const newMtimeMs = newDir?.statSelf().mtimeMs ?? 0;
      const curMtimeMs = curDir.statSelf().mtimeMs;
      if (newDir !== undefined) sortNames(newDir.list(), names, ignored);
      const inNew = names.length;
      sortNames(curDir.list(), names, ignored);
      const isNewSame = (newDir?.statSelf().mtimeMs ?? 0) === newMtimeMs;
      const stable = isNewSame && curDir.statSelf().mtimeMs === curMtimeMs;
      return { names, inNew, ignored, newMtimeMs, curMtimeMs, stable };
    } finally {
      curDir.close();
    }
  } finally {
    newDir?.close();
  }
}

function sortNames(listed: readonly string[], names: string[], ignored: string[]): void {
  for (const name of listed) {
    const first = name.charCodeAt(0);
    if (first === 0x2e) continue;
    if (first === 0x3a || name.includes("\n") || name.includes("\r")) ignored.push(name);
    else names.push(name);
  }
}
