/**
 * A copy of a store on this host: the replica itself, or what was brought here of it, or a backup. What is in it was made by mail users: no
 * link in it is followed, and what is found counts only where its name and size are those that the log has.
 *
 * INVARIANT: mail of one user is never had from the mailbox of another one, whatever its uidlist says.
 */
import type { Dir, FileStat } from "../../base/disk.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { errnoOf, MailtwinError } from "../../base/errors.js";
import { openBelow } from "../../base/open-below.js";
import { isRawName, type RawName, type RawPath, rawFromText, splitRaw } from "../../base/raw-name.js";
import type { BaselineRecord, MailboxRow } from "../../log/state-types.js";
import { discoverMailboxes } from "../../maildir/discover.js";
import { CUR, NEW } from "../../maildir/mailbox-files.js";
import { splitBaseName } from "../../maildir/message-name.js";
import { readUidlistHeader } from "../../maildir/uidlist-ends.js";
import { treesOf } from "../../maildir/whose-tree.js";
import { daemonError } from "../errors.js";

export interface CopyFile {
  readonly dir: Dir;
  readonly name: RawName;
}

export type FoundCopy =
  | { readonly kind: "found"; readonly file: CopyFile }
  /** In words. */
  | { readonly kind: "lacking"; readonly why: string };

/** Where what is held back of one mailbox is had from. */
export interface HeldCopy extends Disposable {
  /** In the order of `records`, which ascend: why it cannot be had; undefined: it can. */
  whyLacking(records: readonly BaselineRecord[]): Promise<readonly (string | undefined)[]>;
  /** Each of `records`, in order. A file stays until the next is asked for. */
  files(records: readonly BaselineRecord[]): AsyncIterable<CopiedMessage>;
}

export interface CopiedMessage {
  readonly record: BaselineRecord;
  readonly found: FoundCopy;
}

/** Where what is held back is had from. */
export interface StoreCopy extends Disposable {
  /** The caller disposes of it. */
  open(mailbox: Pick<MailboxRow, "guid" | "path">): HeldCopy;
  /** Of the directory at that path. */
  stat(path: RawPath): FileStat | undefined;
  /** Whether the mailbox at that path has such a file. */
  has(path: RawPath, name: string): boolean;
  /** Why nobody can say whose a directory at that path is to be; undefined: somebody can, or it stands. */
  whyOwnerless(path: RawPath): string | undefined;
}

export class Copies implements StoreCopy {
  readonly #root: Dir;
  readonly #paths: readonly RawPath[];
  readonly #pathsByGuid = new Map<string, RawPath[]>();
  readonly #treeOf: (path: RawPath) => string;

  /** `path`: absolute and real. Throws: usage. */
  constructor(path: string) {
    const root = openNodeDisk().openRoot(rawFromText(path));
    if (root === undefined)
      throw daemonError("usage", `reading the command line: --from ${path} is not there any more`);
    this.#root = root;
    this.#paths = discoverMailboxes(rawFromText(path)).mailboxes.map((mailbox) => mailbox.path);
    const paths = new Set<string>(this.#paths);
    this.#treeOf = treesOf((each) => paths.has(each));
    for (const each of this.#paths) {
      const guid = this.#trying(each, (dir) => readUidlistHeader(dir)?.guid);
      if (guid !== undefined) this.#pathsByGuid.set(guid, [...(this.#pathsByGuid.get(guid) ?? []), each]);
    }
  }

  /** At its path, and wherever it is by its GUID among its user's mailboxes. The caller closes it. */
  open({ guid, path }: Pick<MailboxRow, "guid" | "path">): MailboxCopy {
    const own = this.#treeOf(path);
    const others = (this.#pathsByGuid.get(guid) ?? []).filter((other) => this.#treeOf(other) === own);
    const dirs: Dir[] = [];
    for (const each of new Set([path, ...others]))
      for (const part of [CUR, NEW]) {
        const dir = this.#trying(each, (mailbox) => mailbox.openDir(part));
        if (dir !== undefined) dirs.push(dir);
      }
    return new MailboxCopy(dirs);
  }

  stat(path: RawPath): FileStat | undefined {
    return this.#trying(path, (dir) => dir.statSelf());
  }

  has(path: RawPath, name: string): boolean {
    return this.#trying(path, (dir) => dir.stat(name)?.kind === "file") ?? false;
  }

  whyOwnerless(): undefined {
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#root.close();
  }

  /** What cannot be looked into has nothing. */
  #trying<T>(path: RawPath, look: (dir: Dir) => T | undefined): T | undefined {
    let dir: Dir | undefined;
    try {
      dir = openBelow(this.#root, splitRaw(path));
      return dir === undefined ? undefined : look(dir);
    } catch (error) {
      if (errnoOf(error) === undefined && !(error instanceof MailtwinError)) throw error;
      return undefined;
    } finally {
      if (dir !== this.#root) dir?.close();
    }
  }
}

export class MailboxCopy implements HeldCopy {
  readonly #dirs: readonly Dir[];
  /** Several where they have the same base name. */
  readonly #filesByBase = new Map<string, CopyFile[]>();

  constructor(dirs: readonly Dir[]) {
    this.#dirs = dirs;
    for (const dir of dirs)
      for (const name of dir.list()) {
        if (!isRawName(name)) continue;
        const base = splitBaseName(name);
        this.#filesByBase.set(base, [...(this.#filesByBase.get(base) ?? []), { dir, name }]);
      }
  }

  async whyLacking(records: readonly BaselineRecord[]): Promise<readonly (string | undefined)[]> {
    return records.map((record) => {
      const found = this.find(record);
      return found.kind === "lacking" ? found.why : undefined;
    });
  }

  async *files(records: readonly BaselineRecord[]): AsyncGenerator<CopiedMessage> {
    for (const record of records) yield { record, found: this.find(record) };
  }

  find({ base, size }: Pick<BaselineRecord, "base" | "size">): FoundCopy {
    const files = this.#filesByBase.get(base) ?? [];
    for (const file of files) {
      const stat = file.dir.stat(file.name);
      if (stat?.kind === "file" && stat.size === size) return { kind: "found", file };
    }
    const why = files.length === 0 ? "it is not in the copy" : `its file in the copy is not one of ${size} bytes`;
    return { kind: "lacking", why };
  }

  [Symbol.dispose](): void {
    for (const dir of this.#dirs) dir.close();
  }
}
