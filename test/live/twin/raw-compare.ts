/**
 * Compares two stores as files, with the judge of the benchmarks, which shares no code with the program's own reading of
 * Maildir: for stores that no Dovecot serves, and for mailboxes too large to read over IMAP again and again.
 *
 * Files beside the mail (subscriptions, the UIDVALIDITY counter) are not carried and not compared.
 */
import { lstatSync, type Stats } from "node:fs";
import { compareStores, DEFAULT_COMPARE } from "../../../bench/equal/compare-stores.js";
import type { DifferenceKind } from "../../../bench/equal/difference.js";
import { listStore } from "../lab/files.js";

export interface RawDifference {
  readonly kind: DifferenceKind;
  readonly words: string;
}

/** What differs between the mail of two stores; empty when equal. */
export function rawDifferences(
  source: string,
  replica: string,
  options: { readonly bodies?: boolean } = {},
): readonly RawDifference[] {
  const comparison = compareStores(source, replica, { ...DEFAULT_COMPARE, bodies: options.bodies ?? true });
  return comparison.differences.filter(({ kind }) => kind !== "side-file");
}

/**
 * Everything about a tree that a program may not change when it only reads: names, kinds, sizes, owners, modes, inodes
 * and times of change, directories included.
 */
export function treeState(root: string): readonly string[] {
  const line = (path: string, stats: Stats): string => {
    const { mode, uid, gid, size, ino, mtimeMs, ctimeMs } = stats;
    return `${path} ${mode.toString(8)} ${uid}:${gid} ${size} ino=${ino} mtime=${mtimeMs} ctime=${ctimeMs}`;
  };
  return [line(".", lstatSync(root)), ...listStore(root).map(({ path, stats }) => line(path, stats))];
}
