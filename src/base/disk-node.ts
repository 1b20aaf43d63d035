/**
 * The disk port on node:fs. A directory is a descriptor; its children are /proc/self/fd/N/name, so the kernel starts at
 * the directory that was opened, wherever it has been moved since, and no link on the way can lead elsewhere.
 *
 * INVARIANT: a closed `Dir` never builds a path: its number may belong to another directory by then.
 * INVARIANT: no open of a child can block: everything is opened with O_NONBLOCK, and only regular files are read.
 * Descriptors are close-on-exec by themselves: libuv adds O_CLOEXEC to every open.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  lutimesSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { assert } from "./assert.js";
import { baseError } from "./base-errors.js";
import type { CreateOptions, Dir, Disk, FileStat, NameWalk, ReadFile } from "./disk.js";
import {
  appendWhole,
  fileStatOf,
  fillFile,
  NodeReadFile,
  nodeTime,
  type Owner,
  readWhole,
  withoutGroup,
} from "./disk-node-file.js";
import { makeUnsettled, settleDirectory } from "./disk-node-mkdir.js";
import { openNodeWalk } from "./disk-node-walk.js";
import { errnoOf } from "./errors.js";
import { displayRaw, isRawName, nodePath, type RawName, rawFromText } from "./raw-name.js";
import { type Attempt, explainSystemError, makeSystemError } from "./system-error.js";

const { O_RDONLY, O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
const OPEN_ROOT = O_RDONLY | O_DIRECTORY;
const OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
const OPEN_READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
const OPEN_APPEND = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK;
const OPEN_CREATE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;

const NO_THROW = { throwIfNoEntry: false } as const;
const AS_BYTES = { encoding: "latin1" } as const;

/** The disk that the kernel offers. Throws: proc-missing. */
export function openNodeDisk(): Disk {
  if (!existsSync("/proc/self/fd")) {
    throw baseError("proc-missing", { message: "opening directories: /proc/self/fd is not there" });
  }
  return { openRoot };
}

function openRoot(path: string): Dir | undefined {
  const shownPath = absolute(path);
  try {
    return openDescriptor(nodePath(path), OPEN_ROOT, shownPath);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw explainSystemError(error, { doing: "opening", path: shownPath });
  }
}

/**
 * As `openRoot`, for a path that is free of links (realpath): undefined when absent, ELOOP when a link has come to stand in it since,
 * in whatever component.
 */
export function openReal(path: string): Dir | undefined {
  const dir = openRoot(path);
  if (dir === undefined || nodeDir(dir).standsAt() === dir.shownPath) return dir;
  dir.close();
  throw makeSystemError("ELOOP", { doing: "opening", path: dir.shownPath });
}

function openDescriptor(path: string | Buffer, flags: number, shownPath: string): NodeDir {
  const fd = openSync(path, flags);
  try {
    return new NodeDir(fd, fileStatOf(fstatSync(fd)), shownPath);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Not normalised: with links in the path, "a/../b" is not "b". */
function absolute(path: string): string {
  const full = path.startsWith("/") ? path : `${rawFromText(process.cwd())}/${path}`;
  const trimmed = full.replace(/\/+$/, "");
  return trimmed === "" ? "/" : trimmed;
}

class NodeDir implements Dir {
  readonly dev: number;
  readonly ino: number;
  readonly shownPath: string;
  readonly #prefix: string;
  #fd: number;

  constructor(fd: number, stat: FileStat, shownPath: string) {
    this.#fd = fd;
    this.#prefix = `/proc/self/fd/${fd}/`;
    this.dev = stat.dev;
    this.ino = stat.ino;
    this.shownPath = shownPath;
  }

  /** Where the kernel says that it is. */
  standsAt(): string {
    this.#assertOpen();
    return readlinkSync(this.#prefix.slice(0, -1), AS_BYTES);
  }

  openDir(name: RawName): Dir | undefined {
    const path = this.#path(name);
    try {
      return openDescriptor(path, OPEN_DIR, this.#shown(name));
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT") return undefined;
      // The kernel says ENOTDIR for a link too when a directory was asked for.
      const isLink = errno === "ENOTDIR" && lstatSync(path, NO_THROW)?.isSymbolicLink() === true;
      if (isLink) throw makeSystemError("ELOOP", this.#attempt("opening", name));
      throw explainSystemError(error, this.#attempt("opening", name));
    }
  }

  list(): string[] {
    this.#assertOpen();
    try {
      return readdirSync(this.#prefix, AS_BYTES);
    } catch (error) {
      throw explainSystemError(error, { doing: "listing", path: this.shownPath });
    }
  }

  walk(): NameWalk {
    this.#assertOpen();
    try {
      return openNodeWalk(this.#prefix, this.shownPath);
    } catch (error) {
      throw explainSystemError(error, { doing: "listing", path: this.shownPath });
    }
  }

  stat(name: string): FileStat | undefined {
    const path = this.#path(name);
    try {
      const stats = lstatSync(path, NO_THROW);
      return stats === undefined ? undefined : fileStatOf(stats);
    } catch (error) {
      throw explainSystemError(error, this.#attempt("looking at", name));
    }
  }

  statSelf(): FileStat {
    this.#assertOpen();
    return fileStatOf(fstatSync(this.#fd));
  }

  readFile(name: string, bytesMax: number): Buffer | undefined {
    const attempt = this.#attempt("reading", name);
    return this.#withRegularFile(name, attempt, (fd, stat) => {
      if (stat.size > bytesMax) throw makeSystemError("EFBIG", attempt);
      return readWhole(fd, stat.size);
    });
  }

  openFile(name: string): ReadFile | undefined {
    const attempt = this.#attempt("opening", name);
    const fd = this.#openExisting(name, OPEN_READ, attempt);
    if (fd === undefined) return undefined;
    try {
      return new NodeReadFile(fd, regularStat(fd, attempt), attempt.path);
    } catch (error) {
      closeSync(fd);
      throw explainSystemError(error, attempt);
    }
  }

  createFile(name: string, parts: readonly Uint8Array[], options: CreateOptions): FileStat {
    const path = this.#path(name);
    const attempt = this.#attempt("creating", name);
    let fd = -1;
    try {
      fd = openSync(path, OPEN_CREATE, withoutGroup(options.mode & 0o777));
    } catch (error) {
      throw explainSystemError(error, attempt);
    }
    try {
      const stat = fillFile(fd, parts, options);
      const closing = fd;
      fd = -1; // close releases the number even where it reports a failed write (NFS).
      closeSync(closing);
      return stat;
    } catch (error) {
      if (fd >= 0) closeSync(fd);
      throw withRemoval(explainSystemError(error, attempt), () => this.unlink(name));
    }
  }

  appendFile(name: string, bytes: Uint8Array, sizeBefore: number): void {
    const attempt = this.#attempt("appending to", name);
    const fd = this.#openExisting(name, OPEN_APPEND, attempt);
    if (fd === undefined) throw makeSystemError("ENOENT", attempt);
    try {
      regularStat(fd, attempt);
      appendWhole(fd, bytes, sizeBefore, attempt);
    } catch (error) {
      throw explainSystemError(error, attempt);
    } finally {
      closeSync(fd);
    }
  }

  rename(name: string, to: Dir, toName: string): void {
    const [source, target] = [this.#path(name), nodeDir(to).#path(toName)];
    try {
      renameSync(source, target);
    } catch (error) {
      throw explainSystemError(error, this.#attempt("renaming", name, nodeDir(to).#shown(toName)));
    }
  }

  link(name: string, to: Dir, toName: string): void {
    const [source, target] = [this.#path(name), nodeDir(to).#path(toName)];
    try {
      linkSync(source, target);
    } catch (error) {
      throw explainSystemError(error, this.#attempt("linking", name, nodeDir(to).#shown(toName)));
    }
  }

  unlink(name: string): boolean {
    return this.#unlessAbsent("removing", name, (path) => unlinkSync(path));
  }

  mkdir(name: string, mode: number, owner?: Owner): void {
    const path = this.#path(name);
    const attempt = this.#attempt("creating", name);
    try {
      makeUnsettled(path);
    } catch (error) {
      throw explainSystemError(error, attempt);
    }
    try {
      settleDirectory(path, { mode, owner }, attempt);
    } catch (error) {
      throw withRemoval(explainSystemError(error, attempt), () => this.rmdir(name));
    }
  }

  rmdir(name: string): boolean {
    return this.#unlessAbsent("removing", name, (path) => rmdirSync(path));
  }

  setMtime(name: string, mtimeS: number): void {
    const path = this.#path(name);
    const time = nodeTime(mtimeS);
    try {
      lutimesSync(path, time, time);
    } catch (error) {
      throw explainSystemError(error, this.#attempt("setting the time of", name));
    }
  }

  readlink(name: string): string | undefined {
    const path = this.#path(name);
    try {
      return readlinkSync(path, AS_BYTES);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw explainSystemError(error, this.#attempt("reading the link", name));
    }
  }

  symlink(target: string, name: string): void {
    const path = this.#path(name);
    try {
      symlinkSync(nodePath(target), path);
    } catch (error) {
      throw explainSystemError(error, this.#attempt("creating the link", name));
    }
  }

  sync(): void {
    this.#assertOpen();
    try {
      fsyncSync(this.#fd);
    } catch (error) {
      throw explainSystemError(error, { doing: "syncing", path: this.shownPath });
    }
  }

  syncFile(name: string): void {
    const attempt = this.#attempt("syncing", name);
    const done = this.#withRegularFile(name, attempt, (fd) => {
      fsyncSync(fd);
      return true;
    });
    if (done === undefined) throw makeSystemError("ENOENT", attempt);
  }

  close(): void {
    this.#assertOpen();
    const fd = this.#fd;
    this.#fd = -1;
    closeSync(fd);
  }

  #assertOpen(): void {
    assert(this.#fd >= 0, "the directory is closed");
  }

  #path(name: string): string | Buffer {
    this.#assertOpen();
    if (!isRawName(name)) assert(false, `not the name of a child: ${displayRaw(name)}`);
    return nodePath(this.#prefix + name);
  }

  #shown(name: string): string {
    return this.shownPath === "/" ? `/${name}` : `${this.shownPath}/${name}`;
  }

  #attempt(doing: string, name: string, to?: string): Attempt {
    const path = this.#shown(name);
    return to === undefined ? { doing, path } : { doing, path, to };
  }

  #openExisting(name: string, flags: number, attempt: Attempt): number | undefined {
    const path = this.#path(name);
    try {
      return openSync(path, flags);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw explainSystemError(error, attempt);
    }
  }

  #withRegularFile<T>(name: string, attempt: Attempt, use: (fd: number, stat: FileStat) => T): T | undefined {
    const fd = this.#openExisting(name, OPEN_READ, attempt);
    if (fd === undefined) return undefined;
    try {
      return use(fd, regularStat(fd, attempt));
    } catch (error) {
      throw explainSystemError(error, attempt);
    } finally {
      closeSync(fd);
    }
  }

  #unlessAbsent(doing: string, name: string, remove: (path: string | Buffer) => void): boolean {
    const path = this.#path(name);
    try {
      remove(path);
      return true;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return false;
      throw explainSystemError(error, this.#attempt(doing, name));
    }
  }
}

function nodeDir(dir: Dir): NodeDir {
  assert(dir instanceof NodeDir, "both directories must come from the same disk");
  return dir;
}

function regularStat(fd: number, attempt: Attempt): FileStat {
  const stat = fileStatOf(fstatSync(fd));
  if (stat.kind === "file") return stat;
  throw makeSystemError(stat.kind === "directory" ? "EISDIR" : "EINVAL", attempt);
}

/** Takes back what a failed call created; the reason of a removal that fails too travels as the cause. */
function withRemoval(error: unknown, remove: () => void): unknown {
  try {
    remove();
  } catch (removalError) {
    if (error instanceof Error && error.cause === undefined) error.cause = removalError;
  }
  return error;
}
