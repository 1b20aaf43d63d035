/**
 * Work on the source's own files under its lock: what forced numbering and renumbering have in common.
 */
import type { Clock } from "../base/clock.js";
import type { CrashPoint } from "../base/crash-points.js";
import { replaceDurably } from "../base/durable-file.js";
import { displayRaw, type RawPath } from "../base/raw-name.js";
import { type Dotlock, removeLockLeftovers, tryLock } from "../maildir/dotlock.js";
import { isProcessAlive } from "../maildir/dotlock-stale.js";
import { maildirError } from "../maildir/errors.js";
import { NUDGE_FILE, UIDLIST_FILE, UIDLIST_TEMP_FILE } from "../maildir/mailbox-files.js";
import type { Uidlist } from "../maildir/uidlist.js";
import type { UidlistRead } from "../maildir/uidlist-reader.js";
import type { LockedOutcome } from "./capture-types.js";
import { problemOf } from "./errors.js";
import type { InnerMounts } from "./inner-mounts.js";
import { closeMailbox, type MailboxDirs, openMailbox, type StorePlace } from "./open-mailbox.js";
import type { UidlistCache } from "./uidlist-cache.js";

export interface LockSources extends StorePlace {
  readonly uidlists: UidlistCache;
  readonly clock: Clock;
  readonly hostname: string;
  readonly pid: number;
  readonly reach: CrashPoint;
  /** What lies below the mount point of a file system that is not mounted is not the mail, and nothing is written there. */
  readonly mountOf: InnerMounts["standingOf"];
}

export interface LockedMailbox {
  readonly path: RawPath;
  readonly dirs: MailboxDirs;
  readonly lock: Dotlock;
  /** Undefined when there is no uidlist. Read under the lock. */
  readonly uidlist: Uidlist | undefined;
}

/** Opens, locks, reads, works, releases. `prepare` runs before the lock is taken. Failures of the mailbox are outcomes. */
export function underLock<P, T>(
  sources: LockSources,
  path: RawPath,
  prepare: (dirs: MailboxDirs) => P,
  work: (mailbox: LockedMailbox, prepared: P) => T,
): T | LockedOutcome {
  let dirs: MailboxDirs | undefined;
  try {
    dirs = openMailbox(sources, path);
    if (dirs === undefined || sources.mountOf(path) !== "well") return { kind: "absent" };
    return lockAndWork(sources, { path, dirs }, prepare(dirs), work);
  } catch (error) {
    return { kind: "problem", problem: problemOf(path, error) };
  } finally {
    if (dirs !== undefined) closeMailbox(dirs);
  }
}

function lockAndWork<P, T>(
  sources: LockSources,
  { path, dirs }: Pick<LockedMailbox, "path" | "dirs">,
  prepared: P,
  work: (mailbox: LockedMailbox, prepared: P) => T,
): T | LockedOutcome {
  const { pid, hostname, clock } = sources;
  const attempt = tryLock(dirs.mailbox, {
    pid,
    hostname,
    nowMs: clock.nowMs(),
    upMs: process.uptime() * 1000,
    isAlive: isProcessAlive,
  });
  if (attempt.kind === "held") return { kind: "busy", by: attempt.by, ageMs: attempt.ageMs };
  const { lock } = attempt;
  try {
    dirs.cur.unlink(NUDGE_FILE);
    removeLockLeftovers(dirs.mailbox);
    const uidlist = uidlistOf(path, sources.uidlists.read(path, dirs.mailbox));
    const result = work({ path, dirs, lock, uidlist }, prepared);
    lock.release();
    return result;
  } finally {
    lock[Symbol.dispose]();
  }
}

/** Throws: uidlist-damaged, uidlist-unsupported. */
export function uidlistOf(path: RawPath, read: UidlistRead): Uidlist | undefined {
  switch (read.kind) {
    case "absent":
      return undefined;
    case "damaged":
      throw maildirError(
        "uidlist-damaged",
        `reading dovecot-uidlist of mailbox "${displayRaw(path)}": line ${read.line}: ${read.why}`,
        { line: read.line },
      );
    case "unsupported":
      throw maildirError(
        "uidlist-unsupported",
        `reading dovecot-uidlist of mailbox "${displayRaw(path)}": version ${read.version}`,
        { version: read.version },
      );
    case "same":
    case "grown":
    case "replaced":
      return read.uidlist;
  }
}

/** Puts a new uidlist in place, with owner and mode of the old one. Throws: lock-lost, system errors. */
export function replaceUidlist({ dirs, lock }: LockedMailbox, parts: readonly Uint8Array[]): void {
  const { mailbox } = dirs;
  const old = mailbox.stat(UIDLIST_FILE);
  const { uid, gid, mode } = old ?? mailbox.statSelf();
  lock.assertOurs();
  replaceDurably(mailbox, UIDLIST_FILE, parts, {
    tempName: UIDLIST_TEMP_FILE,
    mode: old === undefined ? mode & 0o666 : mode,
    owner: { uid, gid },
    syncDir: true,
  });
}

/** Adds whole lines. Throws: lock-lost, file-changed, system errors. */
export function appendToUidlist({ dirs, lock, uidlist }: LockedMailbox, bytes: Uint8Array): void {
  lock.assertOurs();
  dirs.mailbox.appendFile(UIDLIST_FILE, bytes, uidlist?.byteLength ?? 0);
}
