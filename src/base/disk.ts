/**
 * The disk port: the only file-system calls of the program that touch mail, all synchronous (they run in worker threads),
 * all relative to an open directory, none following a symbolic link below the root that the operator named.
 *
 * "openat" semantics without native code: a child is addressed as /proc/self/fd/N/name. Linux only.
 */
import type { RawName } from "./raw-name.js";

export interface FileStat {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
  readonly nlink: number;
  /** Permission bits only (07777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Milliseconds with fraction (sub-microsecond precision is lost in the double). */
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** When the inode was made; no program can set it. 0 where the file system does not say. */
  readonly birthtimeMs: number;
}

export interface CreateOptions {
  /** Only 0777 of it: no file gets a set-id bit or the sticky bit. */
  readonly mode: number;
  /**
   * Set on the open file before anything is written to it. Without root only the group can be set, to one that the process is
   * in; where that fails, the mode allows the group no more than everybody.
   */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Whole seconds; set after the last write (INTERNALDATE). */
  readonly mtimeS?: number;
  /** fsync before close. */
  readonly sync?: boolean;
}

/** An open directory. Every `name` is a child of it. Methods throw Node's system errors unless stated otherwise. */
export interface Dir {
  readonly dev: number;
  readonly ino: number;
  /** For messages and for tools that want a path (watchers): what it was opened as, absolute, bytes-in-a-string. */
  readonly shownPath: string;
  /** Undefined when absent. Throws ELOOP for a symbolic link, ENOTDIR for anything else that is no directory. */
  openDir(name: RawName): Dir | undefined;
  /** All entries except "." and "..", unordered, as bytes-in-strings (latin1). */
  list(): string[];
  /** The same entries in pieces, for directories of any size: nothing of them is kept. The caller closes it. */
  walk(): NameWalk;
  /** lstat; undefined when absent. Accepts no path. */
  stat(name: string): FileStat | undefined;
  /** fstat of the directory itself. */
  statSelf(): FileStat;
  /** Whole file; undefined when absent. Throws EFBIG above `bytesMax`, ELOOP on a link, EISDIR, EINVAL (no regular file). */
  readFile(name: string, bytesMax: number): Buffer | undefined;
  /** Opens for reading without following links; undefined when absent. Throws ELOOP, EISDIR, EINVAL as `readFile`. */
  openFile(name: string): ReadFile | undefined;
  /** Creates exclusively (EEXIST if there), writes, applies options, closes. On failure the new file is removed. */
  createFile(name: string, parts: readonly Uint8Array[], options: CreateOptions): FileStat;
  /**
   * Appends with a single write and fdatasync; on any failure truncates back to `sizeBefore` and throws. Throws
   * file-changed (nothing written: the size is not `sizeBefore`), short-write, append-torn; ENOENT: it creates nothing.
   */
  appendFile(name: string, bytes: Uint8Array, sizeBefore: number): void;
  rename(name: string, to: Dir, toName: string): void;
  /** Refuses to replace (EEXIST). */
  link(name: string, to: Dir, toName: string): void;
  /** False when it was absent. */
  unlink(name: string): boolean;
  /** Throws EEXIST also when somebody exchanged it for something else before it had its owner. Of `mode` only 03777 count. */
  mkdir(name: string, mode: number, owner?: { readonly uid: number; readonly gid: number }): void;
  /** False when it was absent. */
  rmdir(name: string): boolean;
  /** Whole seconds, without following links. */
  setMtime(name: string, mtimeS: number): void;
  readlink(name: string): string | undefined;
  symlink(target: string, name: string): void;
  /** fsync of the directory: names that were created, renamed or removed before are durable afterwards. */
  sync(): void;
  /** fsync of a child file. */
  syncFile(name: string): void;
  close(): void;
}

/**
 * A listing under way, with a descriptor of its own. A name that is there all the time comes once; one that comes, goes or
 * is renamed meanwhile may come or not (POSIX readdir).
 */
export interface NameWalk extends Disposable {
  /** Up to `countMax` further names; an empty array means that there are no more. */
  next(countMax: number): string[];
  /** May be called again. */
  [Symbol.dispose](): void;
}

export interface ReadFile {
  readonly stat: FileStat;
  /** Fresh fstat. */
  statNow(): FileStat;
  /** Reads up to `into.length` bytes at `position`; returns the count, 0 at the end. */
  read(into: Uint8Array, position: number): number;
  close(): void;
}

/** Which directory it is, whatever stands at its path later. */
export interface Site {
  readonly dev: number;
  readonly ino: number;
}

/** The port. The node implementation is `openNodeDisk`; tests wrap it to inject faults. */
export interface Disk {
  /** Opens a directory that the operator named (links in this path are followed, once). Undefined when absent. */
  openRoot(path: string): Dir | undefined;
}
