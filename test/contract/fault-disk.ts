/**
 * A disk that fails on command: wraps a real one and makes the n-th call of an operation end with an errno.
 *
 * INVARIANT: without a fault it behaves as what it wraps (the contract suite runs over it).
 * INVARIANT: `createFile` and `appendFile` fail as the port promises: nothing of the attempt is left. A failure of any
 * other operation may come "after" the effect, as with a reply that was lost; callers must survive both.
 */
import { assert } from "../../src/base/assert.js";
import { baseError } from "../../src/base/base-errors.js";
import type { CreateOptions, Dir, Disk, FileStat, NameWalk, ReadFile } from "../../src/base/disk.js";
import type { RawName } from "../../src/base/raw-name.js";
import { makeSystemError } from "../../src/base/system-error.js";

export type DiskOperation = "openRoot" | Exclude<keyof Dir, "dev" | "ino" | "shownPath">;
export type FaultErrno =
  | "EACCES"
  | "EAGAIN"
  | "EBADF"
  | "EBUSY"
  | "EDQUOT"
  | "EEXIST"
  | "EIO"
  | "EMFILE"
  | "ENOENT"
  | "ENOMEM"
  | "ENOSPC"
  | "EOPNOTSUPP"
  | "EPERM"
  | "EROFS"
  | "ESTALE"
  | "EXDEV";

export interface Fault {
  readonly operation: DiskOperation;
  /** What the caller sees; "short-write" only for `appendFile`. */
  readonly error: FaultErrno | "short-write";
  /** 1 is the next matching call (default). It fails once, unless `lasting`. */
  readonly nth?: number;
  readonly lasting?: boolean;
  /** Only calls whose first name matches count. */
  readonly name?: RegExp;
  /** Default "before": the call has no effect. */
  readonly when?: "before" | "after";
}

export interface DiskCall {
  readonly operation: DiskOperation;
  /** Absolute path of the child, or of the directory for operations on itself. */
  readonly path: string;
  readonly toPath?: string;
  /** A file that was synced when it was created. */
  readonly isSynced?: true;
}

interface ArmedFault extends Fault {
  left: number;
  fired: boolean;
}

export class FaultDisk implements Disk {
  readonly calls: DiskCall[] = [];
  readonly #inner: Disk;
  #faults: ArmedFault[] = [];

  constructor(inner: Disk) {
    this.#inner = inner;
  }

  /** Returns a question: has this fault happened? A test that does not ask may test nothing. */
  inject(fault: Fault): () => boolean {
    const undoes = fault.operation === "createFile" || fault.operation === "appendFile";
    assert(fault.when !== "after" || !undoes, `a failed ${fault.operation} leaves nothing behind`);
    assert(fault.error !== "short-write" || fault.operation === "appendFile", "only an append can be short");
    const armed: ArmedFault = { ...fault, left: fault.nth ?? 1, fired: false };
    this.#faults.push(armed);
    return () => armed.fired;
  }

  clearFaults(): void {
    this.#faults = [];
  }

  openRoot(path: string): Dir | undefined {
    return this.perform({ operation: "openRoot", path }, path, () => {
      const dir = this.#inner.openRoot(path);
      return dir === undefined ? undefined : new FaultDir(this, dir);
    });
  }

  /** Internal to this file: records the call, then runs it, fails it, or both. */
  perform<T>(call: DiskCall, name: string, run: () => T): T {
    this.calls.push(call);
    const fault = this.#due(call.operation, name);
    if (fault === undefined) return run();
    if (fault.when === "after") run();
    throw errorOf(fault, call);
  }

  #due(operation: DiskOperation, name: string): Fault | undefined {
    let due: ArmedFault | undefined;
    for (const fault of this.#faults) {
      if (fault.operation !== operation || fault.name?.test(name) === false) continue;
      fault.left -= 1;
      if (fault.left === 0 || (fault.left < 0 && fault.lasting === true)) due ??= fault;
    }
    if (due !== undefined) due.fired = true;
    return due;
  }
}

function errorOf(fault: Fault, { operation, path, toPath }: DiskCall): Error {
  const doing = `${operation} (injected)`;
  if (fault.error === "short-write") {
    return baseError("short-write", { message: `${doing} ${path}: only a part could be written` });
  }
  return makeSystemError(fault.error, toPath === undefined ? { doing, path } : { doing, path, to: toPath });
}

class FaultDir implements Dir {
  readonly dev: number;
  readonly ino: number;
  readonly shownPath: string;
  readonly inner: Dir;
  readonly #disk: FaultDisk;

  constructor(disk: FaultDisk, inner: Dir) {
    this.#disk = disk;
    this.inner = inner;
    this.dev = inner.dev;
    this.ino = inner.ino;
    this.shownPath = inner.shownPath;
  }

  openDir(name: RawName): Dir | undefined {
    return this.#child("openDir", name, () => {
      const dir = this.inner.openDir(name);
      return dir === undefined ? undefined : new FaultDir(this.#disk, dir);
    });
  }
  list(): string[] {
    return this.#self("list", () => this.inner.list());
  }
  walk(): NameWalk {
    return this.#self("walk", () => this.inner.walk());
  }
  stat(name: string): FileStat | undefined {
    return this.#child("stat", name, () => this.inner.stat(name));
  }
  statSelf(): FileStat {
    return this.#self("statSelf", () => this.inner.statSelf());
  }
  readFile(name: string, bytesMax: number): Buffer | undefined {
    return this.#child("readFile", name, () => this.inner.readFile(name, bytesMax));
  }
  openFile(name: string): ReadFile | undefined {
    return this.#child("openFile", name, () => this.inner.openFile(name));
  }
  createFile(name: string, parts: readonly Uint8Array[], options: CreateOptions): FileStat {
    const call = { operation: "createFile", path: `${this.shownPath}/${name}` } as const;
    return this.#disk.perform(options.sync === true ? { ...call, isSynced: true } : call, name, () =>
      this.inner.createFile(name, parts, options),
    );
  }
  appendFile(name: string, bytes: Uint8Array, sizeBefore: number): void {
    this.#child("appendFile", name, () => this.inner.appendFile(name, bytes, sizeBefore));
  }
  rename(name: string, to: Dir, toName: string): void {
    this.#pair("rename", name, to, toName, (inner) => this.inner.rename(name, inner, toName));
  }
  link(name: string, to: Dir, toName: string): void {
    this.#pair("link", name, to, toName, (inner) => this.inner.link(name, inner, toName));
  }
  unlink(name: string): boolean {
    return this.#child("unlink", name, () => this.inner.unlink(name));
  }
  mkdir(name: string, mode: number, owner?: { readonly uid: number; readonly gid: number }): void {
    this.#child("mkdir", name, () => this.inner.mkdir(name, mode, owner));
  }
  rmdir(name: string): boolean {
    return this.#child("rmdir", name, () => this.inner.rmdir(name));
  }
  setMtime(name: string, mtimeS: number): void {
    this.#child("setMtime", name, () => this.inner.setMtime(name, mtimeS));
  }
  readlink(name: string): string | undefined {
    return this.#child("readlink", name, () => this.inner.readlink(name));
  }
  symlink(target: string, name: string): void {
    this.#child("symlink", name, () => this.inner.symlink(target, name));
  }
  sync(): void {
    this.#self("sync", () => this.inner.sync());
  }
  syncFile(name: string): void {
    this.#child("syncFile", name, () => this.inner.syncFile(name));
  }
  close(): void {
    this.#self("close", () => this.inner.close());
  }

  #child<T>(operation: DiskOperation, name: string, run: () => T): T {
    return this.#disk.perform({ operation, path: `${this.shownPath}/${name}` }, name, run);
  }

  #self<T>(operation: DiskOperation, run: () => T): T {
    return this.#disk.perform({ operation, path: this.shownPath }, "", run);
  }

  #pair(operation: "rename" | "link", name: string, to: Dir, toName: string, run: (inner: Dir) => void): void {
    assert(to instanceof FaultDir, "both directories must come from the same disk");
    const call = { operation, path: `${this.shownPath}/${name}`, toPath: `${to.shownPath}/${toName}` };
    this.#disk.perform(call, name, () => run(to.inner));
  }
}
