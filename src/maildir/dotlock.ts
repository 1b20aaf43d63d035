/**
 * dovecot-uidlist.lock: the one lock over a mailbox's uidlist, keywords and file names, shared with Dovecot.
 *
 * Taken by linking a file with "PID:HOSTNAME" in it to its name, released by unlinking it. Dovecot overrides the
 * lock of a process that it cannot see, so the lock may be lost while it is held:
 * INVARIANT: a lock is unlinked only while it is ours. "Ours" is decided by an inode that we keep open, since the
 * kernel gives the number of a freed one to the next file.
 * INVARIANT: a lock of ours never stands without its content: one that a killed process had left empty would name nobody, and
 * stop the mailbox for 120 s. What it may leave is a file of another name (`isLockLeftover`), which is nobody's lock.
 * Nothing here waits. Hold it for milliseconds: deliveries do not wait for it, IMAP clients do.
 * SOURCE: Dovecot's file-dotlock.c.
 */
import type { Dir, FileStat, ReadFile } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { randomHex } from "../base/random.js";
import { displayRaw } from "../base/raw-name.js";
import { decideStale, type LockWitness } from "./dotlock-stale.js";
import { maildirError } from "./errors.js";
import { UIDLIST_FILE, UIDLIST_LOCK_FILE } from "./mailbox-files.js";

export interface LockOptions {
  /** A process that Dovecot can see: same pid namespace. */
  readonly pid: number;
  /** As gethostname() gives it to Dovecot. */
  readonly hostname: string;
  /** Wall clock, the one of the file times. */
  readonly nowMs: number;
  /** How long this process has been running: tells a lock of our own from one that a predecessor left. */
  readonly upMs?: number;
  readonly isAlive: (pid: number) => boolean;
}

export type LockAttempt =
  | { readonly kind: "locked"; readonly lock: Dotlock }
  | {
      readonly kind: "held";
      /** The lock's content as it may be shown ("1427:mail1"): escaped and cut, since whoever may write there wrote it. */
      readonly by: string;
      /** Since its last change; 0 when the clock says that this is in the future. */
      readonly ageMs: number;
      readonly inode: number;
      /**
       * True when it was stale and has just been removed. Try again after OVERRIDE_PAUSE_MS, not at once: another
       * process may have come to the same conclusion and would remove a lock that we had just made.
       */
      readonly overridden: boolean;
    };

export const OVERRIDE_PAUSE_MS = 150;

const CONTENT_BYTES_MAX = 512;
/** A process id, and what of a host name tells hosts apart. */
const SHOWN_CHARS_MAX = 80;
const ATTEMPTS_MAX = 8;

/**
 * Tries once. `control` is the mailbox directory, or its control directory.
 * Throws: system errors (EACCES, EROFS, ENOSPC ...), lock-held when what stands there is no file and never will go away.
 */
export function tryLock(control: Dir, options: LockOptions): LockAttempt {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const held = inspectLock(control, options); // first: whoever waits for a lock writes nothing.
    if (held !== undefined) return held;
    const lock = createLock(control, options);
    if (lock !== undefined) return { kind: "locked", lock };
  }
  return { kind: "held", by: "", ageMs: 0, inode: 0, overridden: false };
}

/** Undefined when another was faster. */
function createLock(control: Dir, options: LockOptions): Dotlock | undefined {
  const created = makeLockFile(control, options);
  if (created === undefined) return undefined;
  const file = openCreated(control, created);
  if (file !== undefined && isSameInode(file.stat, created)) return new Dotlock(control, file);
  file?.close(); // overridden within microseconds; try again.
  return undefined;
}

function makeLockFile(control: Dir, { pid, hostname }: LockOptions): FileStat | undefined {
  const { uid, gid } = control.statSelf();
  const content = Buffer.from(`${pid}:${hostname}`, "latin1");
  // Owned like the mailbox and readable: Dovecot must be able to see whose it is.
  const make = (name: string): FileStat => control.createFile(name, [content], { mode: 0o644, owner: { uid, gid } });
  const name = newLockName();
  const made = make(name);
  let outcome: ReturnType<typeof linkAsLock>;
  try {
    outcome = linkAsLock(control, name, made);
    control.unlink(name);
  } catch (error) {
    unlinkIfSame(control, made);
    control.unlink(name);
    throw error;
  }
  if (outcome === "linked") return made;
  return outcome === "taken" ? undefined : unlessThere(() => make(UIDLIST_LOCK_FILE));
}

/** As `link` says where a file system has no hard links: there the lock is created exclusively, and may be left empty. */
const WITHOUT_LINKS = new Set(["EPERM", "EOPNOTSUPP"]);

function linkAsLock(control: Dir, name: string, made: FileStat): "linked" | "taken" | "no-links" {
  try {
    control.link(name, control, UIDLIST_LOCK_FILE);
    return "linked";
  } catch (error) {
    const errno = errnoOf(error) ?? "";
    if (isLock(control, made)) return "linked"; // done, and the answer was lost (NFS).
    // ENOENT: the new file was taken for a leftover by whoever had the lock meanwhile.
    if (errno === "EEXIST" || errno === "ENOENT") return "taken";
    if (WITHOUT_LINKS.has(errno)) return "no-links";
    throw error;
  }
}

function unlessThere<T>(create: () => T): T | undefined {
  try {
    return create();
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return undefined;
    throw error;
  }
}

/** A lock that cannot be opened (no descriptor is left) would stay for as long as this process lives: it goes again. */
function openCreated(control: Dir, created: FileStat): ReadFile | undefined {
  try {
    return openIfFile(control, UIDLIST_LOCK_FILE);
  } catch (error) {
    unlinkIfSame(control, created);
    throw error;
  }
}

function unlinkIfSame(control: Dir, file: FileStat): void {
  if (isLock(control, file)) control.unlink(UIDLIST_LOCK_FILE);
}

/** Whether that file is what stands in the lock's place. */
function isLock(control: Dir, file: FileStat): boolean {
  const now = control.stat(UIDLIST_LOCK_FILE);
  return now !== undefined && isSameInode(now, file);
}

function inspectLock(control: Dir, options: LockOptions): LockAttempt | undefined {
  const stat = control.stat(UIDLIST_LOCK_FILE);
  if (stat === undefined) return undefined;
  if (stat.kind === "directory") {
    throw maildirError(
      "lock-held",
      `locking the uidlist of ${displayRaw(control.shownPath)}: a directory stands in the lock's place`,
    );
  }
  const content = stat.kind === "file" ? readContent(control, stat) : "";
  if (content === undefined) return undefined;
  const lockAgeMs = options.nowMs - lastChangeMs(stat, options.nowMs);
  const uidlist = control.stat(UIDLIST_FILE);
  const uidlistAgeMs = uidlist === undefined ? lockAgeMs : options.nowMs - lastChangeMs(uidlist, options.nowMs);
  const unchangedMs = Math.min(lockAgeMs, uidlistAgeMs);
  const witness: LockWitness = options;
  const decision = decideStale({ content, lockAgeMs, unchangedMs }, witness);
  const overridden = decision.kind === "stale" && removeStale(control, stat, options.pid);
  return { kind: "held", by: shownHolder(content), ageMs: Math.max(0, lockAgeMs), inode: stat.ino, overridden };
}

function shownHolder(content: string): string {
  const text = content.replace(/\s+$/, "");
  return text.length <= SHOWN_CHARS_MAX ? displayRaw(text) : `${displayRaw(text.slice(0, SHOWN_CHARS_MAX))}...`;
}

/** The later of mtime and ctime, but an mtime in the future says nothing (it may carry other facts). */
function lastChangeMs(stat: FileStat, nowMs: number): number {
  return stat.mtimeMs <= nowMs ? Math.max(stat.mtimeMs, stat.ctimeMs) : stat.ctimeMs;
}

/** Undefined when the lock changed hands meanwhile. */
function readContent(control: Dir, stat: FileStat): string | undefined {
  const file = openIfFile(control, UIDLIST_LOCK_FILE);
  if (file === undefined) return undefined;
  try {
    if (!isSameInode(file.stat, stat)) return undefined;
    const bytes = Buffer.alloc(CONTENT_BYTES_MAX);
    return bytes.toString("latin1", 0, file.read(bytes, 0));
  } finally {
    file.close();
  }
}

/**
 * Of a lock that is to be: unlike any other, also where processes of two namespaces have the same number. Dovecot and capture
 * pass over such a name (`dovecot-uidlist.` is no folder in either layout, `.lock` no news).
 */
function newLockName(): string {
  return `dovecot-uidlist.new-${randomHex(8)}.lock`;
}

function staleLockName(pid: number): string {
  return `dovecot-uidlist.stale-${pid}.lock`;
}

/**
 * Whether a file is a lock that was to be, or a stale one that was moved aside: it stays only if a process was killed in these
 * microseconds. Whoever holds the lock may remove it. Another process may be about to link it: it makes a new one then.
 */
export function isLockLeftover(name: string): boolean {
  return /^dovecot-uidlist\.(?:new-[0-9a-f]{16}|stale-\d+)\.lock$/.test(name);
}

/** Names that are looked at, and files that are removed, in one hold of the lock: who plants them by the thousand keeps nobody waiting. */
const LOOKED_AT_MAX = 10_000;
const LEFTOVERS_REMOVED_MAX = 100;

/**
 * Only under the lock. A directory of such a name is its owner's, and stays. Returns whether the next hold
 * may find more. Behind the first LOOKED_AT_MAX names of the directory nothing is looked for: that would have each hold wait.
 */
export function removeLockLeftovers(control: Dir): boolean {
  using walk = control.walk();
  const leftovers: string[] = [];
  let isWhole = false;
  for (let seen = 0; seen < LOOKED_AT_MAX && leftovers.length < LEFTOVERS_REMOVED_MAX && !isWhole; ) {
    const names = walk.next(LEFTOVERS_REMOVED_MAX);
    seen += names.length;
    isWhole = names.length === 0;
    leftovers.push(...names.filter((name) => isLockLeftover(name) && control.stat(name)?.kind !== "directory"));
  }
  for (const name of leftovers.slice(0, LEFTOVERS_REMOVED_MAX)) control.unlink(name);
  return leftovers.length >= LEFTOVERS_REMOVED_MAX;
}

/**
 * Moves the stale lock aside before removing it, so that what is removed is what was judged: should a live lock have
 * come in its place in that very moment, it is put back. False when nothing was removed.
 */
function removeStale(control: Dir, judged: FileStat, pid: number): boolean {
  const now = control.stat(UIDLIST_LOCK_FILE);
  if (now === undefined || !isSameInode(now, judged) || now.ctimeMs !== judged.ctimeMs) return false;
  const aside = moveAside(control, pid);
  if (aside === undefined) return false;
  const moved = control.stat(aside);
  const isJudged = moved !== undefined && isSameInode(moved, judged);
  if (!isJudged && moved !== undefined) putBack(control, aside);
  control.unlink(aside);
  return isJudged;
}

/** Under a name of its own where somebody has put a directory in the way. Undefined when it is gone. */
function moveAside(control: Dir, pid: number): string | undefined {
  const name = staleLockName(pid);
  const aside = control.stat(name)?.kind === "directory" ? newLockName() : name;
  try {
    control.rename(UIDLIST_LOCK_FILE, control, aside);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  return aside;
}

function putBack(control: Dir, aside: string): void {
  try {
    control.link(aside, control, UIDLIST_LOCK_FILE);
  } catch (error) {
    // Somebody has the lock already, and may have cleaned up, too: that is how its old holder learns.
    if (!["EEXIST", "ENOENT"].includes(errnoOf(error) ?? "")) throw error;
  }
}

function openIfFile(control: Dir, name: string): ReadFile | undefined {
  try {
    return control.openFile(name);
  } catch (error) {
    if (errnoOf(error) === "ELOOP") return undefined;
    throw error;
  }
}

function isSameInode(a: FileStat, b: FileStat): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

/** A lock that is held. Its owner calls `release` once, or disposes of it. */
export class Dotlock {
  readonly inode: number;
  readonly #control: Dir;
  #file: ReadFile | undefined;

  /** Only for `tryLock`. `file` is the open lock file; it is closed with the lock. */
  constructor(control: Dir, file: ReadFile) {
    this.#control = control;
    this.#file = file;
    this.inode = file.stat.ino;
  }

  /** Asks the disk. Do so before each rename over the uidlist. False after `release`. */
  stillOurs(): boolean {
    if (this.#file === undefined) return false;
    const now = this.#control.stat(UIDLIST_LOCK_FILE);
    return now !== undefined && isSameInode(now, this.#file.stat);
  }

  /** Throws: lock-lost. */
  assertOurs(): void {
    if (this.stillOurs()) return;
    throw maildirError(
      "lock-lost",
      `holding the uidlist lock of ${displayRaw(this.#control.shownPath)}: it is not ours any more`,
    );
  }

  /** Shows others that we are alive; every 10 s where a hold takes longer. `nowS`: whole seconds. Throws: lock-lost. */
  touch(nowS: number): void {
    this.assertOurs();
    this.#control.setMtime(UIDLIST_LOCK_FILE, nowS);
  }

  /**
   * Throws: lock-lost; the lock file is then left alone, and what was done under the lock is in doubt. Throws system errors
   * when it cannot be removed: a lock that stays behind with the number of a living process stops the mailbox until that
   * process ends, so it is tried twice.
   */
  release(): void {
    try {
      if (this.#remove()) return;
    } finally {
      this.#close();
    }
    throw maildirError(
      "lock-lost",
      `releasing the uidlist lock of ${displayRaw(this.#control.shownPath)}: it was not ours any more`,
    );
  }

  /** Gives the lock back if it is still held and ours; silent otherwise. */
  [Symbol.dispose](): void {
    try {
      this.#remove();
    } finally {
      this.#close();
    }
  }

  /**
   * False when it was not ours. Between the look and the removal another could have replaced it, and would lose its lock;
   * there is no call that removes a name only if it is a certain file. That takes a holder that was judged dead (or was of
   * another host, and idle for 120 s), and stopped between these two calls: Dovecot, which looks and unlinks in the same way
   * (file_dotlock_delete), and we never override the lock of a process that is alive.
   */
  #remove(): boolean {
    if (!this.stillOurs()) return false;
    try {
      return this.#control.unlink(UIDLIST_LOCK_FILE);
    } catch (error) {
      if (!this.stillOurs()) throw error; // gone in spite of the error, or another's by now.
    }
    return this.#control.unlink(UIDLIST_LOCK_FILE);
  }

  #close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}
