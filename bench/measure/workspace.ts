/**
 * The directory that one run of the harness works in.
 *
 * INVARIANT: nothing is deleted before the run ends. An `rm -rf` shortly before makes creating files several times slower
 * for minutes on some file systems, so every destination is a new directory and all go together at the very end.
 */
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_TREE, type TreeOptions } from "../generate/shape.js";
import { generateTree } from "../generate/tree.js";

/** Left free whatever a workload needs. */
const FREE_BYTES_MIN = 10e9;
/** A file takes whole blocks and an inode. */
const OVERHEAD_BYTES_PER_MAIL = 4608;

export class Workspace implements Disposable {
  readonly root: string;
  readonly #treeByOptions = new Map<string, string>();
  readonly #say: (line: string) => void;
  readonly #keep: boolean;
  #sequence = 0;

  /** `parent`: where to work (default: the system's temporary directory). `keep`: leave everything for a look. */
  constructor(options: {
    readonly parent?: string | undefined;
    readonly keep?: boolean;
    readonly say: (line: string) => void;
  }) {
    const parent = options.parent ?? tmpdir();
    mkdirSync(parent, { recursive: true });
    this.root = mkdtempSync(join(parent, "bench-"));
    this.#say = options.say;
    this.#keep = options.keep ?? false;
  }

  /** A path that does not exist yet. */
  fresh(name: string): string {
    this.#sequence++;
    return join(this.root, `${name}-${this.#sequence}`);
  }

  /** A generated tree, made at most once a run; nobody may change it. */
  tree(wanted: Partial<TreeOptions>): string {
    const options = { ...DEFAULT_TREE, ...wanted };
    const key = JSON.stringify(options);
    return this.#treeByOptions.get(key) ?? this.#remember(key, this.freshTree(wanted));
  }

  /** A generated tree of one's own. */
  freshTree(wanted: Partial<TreeOptions>): string {
    const options = { ...DEFAULT_TREE, ...wanted };
    this.needSpace(treeBytes(options));
    const path = this.fresh("tree");
    this.#say(`making a tree of ${options.mails} mails`);
    generateTree(path, options);
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

  #remember(key: string, path: string): string {
    this.#treeByOptions.set(key, path);
    return path;
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
