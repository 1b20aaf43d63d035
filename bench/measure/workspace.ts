/**
 * The directory that one run of the harness works in.
 *
 * INVARIANT: nothing is deleted before the run ends. An `rm -rf` shortly before makes creating files several times slower
 * for minutes on some file systems, so every destination is a new directory and all go together at the very end.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DEFAULT_TREE, type TreeOptions } from "../generate/shape.js";
import { generateTree } from "../generate/tree.js";

/** Left free whatever a workload needs. */
const FREE_BYTES_MIN = 10e9;
/** A file takes whole blocks and an inode. */
const OVERHEAD_BYTES_PER_MAIL = 4608;
const SAY_EVERY_MAILS = 100_000;

export class Workspace implements Disposable {
  readonly root: string;
  readonly #treeByOptions = new Map<string, string>();
  readonly #say: (line: string) => void;
  readonly #keep: boolean;
  readonly #lasting: string | undefined;
  #sequence = 0;

  /**
   * `parent`: where to work (default: `lasting`, or the system's temporary directory). `keep`: leave everything for a look.
   * `lasting`: a directory for trees that are used again by later runs; what is there is never removed. One run at a time.
   */
  constructor(options: {
    readonly parent?: string | undefined;
    readonly lasting?: string | undefined;
    readonly keep?: boolean;
    readonly say: (line: string) => void;
  }) {
    const parent = options.parent ?? options.lasting ?? tmpdir();
    mkdirSync(parent, { recursive: true });
    this.root = mkdtempSync(join(parent, "bench-"));
    this.#lasting = options.lasting === undefined ? undefined : resolve(options.lasting);
    this.#say = options.say;
    this.#keep = options.keep ?? false;
  }

  /** A path that does not exist yet. */
  fresh(name: string): string {
    this.#sequence++;
    return join(this.root, `${name}-${this.#sequence}`);
  }

  /** The place of this name that outlives the run, whether or not something is there; undefined without a lasting directory. */
  lasting(name: string): string | undefined {
    return this.#lasting === undefined ? undefined : join(this.#lasting, name);
  }

  /** A generated tree, made at most once a run, or once for all runs in a lasting directory; nobody may change it. */
  tree(wanted: Partial<TreeOptions>): string {
    const options = { ...DEFAULT_TREE, ...wanted };
    const key = Object.values(options).join("-");
    const known = this.#treeByOptions.get(key);
    if (known !== undefined) return known;
    const path = this.#lastingTree(key, options) ?? this.makeTree(this.fresh("tree"), options);
    this.#treeByOptions.set(key, path);
    return path;
  }

  /** Generates a tree at a path that does not exist yet; returns the path. */
  makeTree(path: string, wanted: Partial<TreeOptions>): string {
    const options = { ...DEFAULT_TREE, ...wanted };
    this.needSpace(treeBytes(options));
    this.#say(`making a tree of ${options.mails} mails`);
    generateTree(path, options, ({ mails }) => {
      if (mails % SAY_EVERY_MAILS === 0) this.#say(`  ${mails} mails`);
    });
    return path;
  }

  /** Its mark is written when it is complete: what an interrupted run left is not taken, and not removed either. */
  #lastingTree(key: string, options: TreeOptions): string | undefined {
    const path = this.lasting(`tree-${key}`);
    if (path === undefined) return undefined;
    const mark = `${path}.complete`;
    if (existsSync(mark)) this.#say(`using ${path} again`);
    else if (existsSync(path)) return undefined;
    else {
      this.makeTree(path, options);
      writeFileSync(mark, `${JSON.stringify(options)}\n`);
    }
    return path;
  }

  /** Throws unless the file system has this much to spare. */
  needSpace(bytes: number): void {
    const { bavail, bsize } = statfsSync(this.root);
    const free = bavail * bsize - FREE_BYTES_MIN;
    if (free < bytes)
      throw new Error(
        `${this.root}: ${gigabytes(bytes)} GB are needed, ${gigabytes(Math.max(0, free))} GB may be used`,
      );
  }

  [Symbol.dispose](): void {
    if (this.#keep) this.#say(`kept: ${this.root}`);
    else rmSync(this.root, { recursive: true, force: true });
  }
}

/** About what a tree takes on disk. */
export function treeBytes(wanted: Partial<TreeOptions>): number {
  const { mails, meanBytes } = { ...DEFAULT_TREE, ...wanted };
  return mails * (meanBytes + OVERHEAD_BYTES_PER_MAIL);
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}
