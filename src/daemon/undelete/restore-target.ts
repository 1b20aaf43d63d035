/**
 * Where mail of the limbo is put back: into its mailbox at the source, which may have another name by now; where that is gone, into its
 * user's INBOX; or into a Maildir that the operator names.
 *
 * INVARIANT: it stays with its user, whatever GUIDs say: only a mailbox in the tree of the path that it was removed from gets it.
 */
import type { Dir } from "../../base/disk.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { openBelow } from "../../base/open-below.js";
import { displayRaw, isRawPath, type RawPath, rawFromText, splitRaw } from "../../base/raw-name.js";
import type { MailboxRow } from "../../log/state-types.js";
import { CUR } from "../../maildir/mailbox-files.js";
import { treesOf } from "../../maildir/whose-tree.js";
import type { Removed } from "./removed-mail.js";

export interface Target {
  /** The mailbox, for as long as the caller does not close it; undefined: it has gone. Throws: ELOOP for a link on the way, other system errors. */
  readonly open: () => Dir | undefined;
  /** For people. */
  readonly shown: string;
  /** Why it is not the mailbox that it was removed from. */
  readonly instead?: string;
}

/** In the order in which they are tried. `known`: the mailboxes that the source has, by its log. */
export function pathsFor(
  { row }: Pick<Removed, "row">,
  known: readonly Pick<MailboxRow, "guid" | "path">[],
): readonly RawPath[] {
  const paths = new Set<string>(known.map(({ path }) => path));
  const treeOf = treesOf((path) => paths.has(path));
  const root = treeOf(row.path);
  const now = known.find(({ guid, path }) => guid === row.mailbox && treeOf(path) === root)?.path;
  const own = now ?? row.path;
  return [...new Set([own, row.path, ...[root].filter(isRawPath)])].filter((path) => treeOf(path) === root);
}

/** Undefined where none of them stands. Throws: ELOOP for a link on the way, other system errors. */
export function openAtSource(store: string, paths: readonly RawPath[]): Target | undefined {
  for (const [rank, path] of paths.entries()) {
    const open = () => openIn(store, path);
    if (!isMailbox(open)) continue;
    const isLast = rank > 0 && rank === paths.length - 1;
    return { open, shown: shownPath(path), ...(isLast ? { instead: "its mailbox is gone at the source" } : {}) };
  }
  return undefined;
}

function openIn(store: string, path: RawPath): Dir | undefined {
  const root = openNodeDisk().openRoot(rawFromText(store));
  if (root === undefined || path === "") return root;
  try {
    return openBelow(root, splitRaw(path));
  } finally {
    root.close();
  }
}

function isMailbox(open: Target["open"]): boolean {
  const mailbox = open();
  try {
    return mailbox?.stat(CUR)?.kind === "directory";
  } finally {
    mailbox?.close();
  }
}

/** A Maildir that stands, or an empty directory, or one that is made. */
export function openNamed(path: string): Target {
  const open = () => openNodeDisk().openRoot(rawFromText(path));
  return { open, shown: displayRaw(rawFromText(path)) };
}

function shownPath(path: RawPath): string {
  return path === "" ? "INBOX" : displayRaw(path);
}
