/**
 * Where a mailbox is on this disk: by its GUID, which a rename keeps; its path is only where to look first.
 *
 * INVARIANT: a directory counts as the mailbox only if its uidlist says so (G). What the baseline believes is a hint.
 */
import type { Dir } from "../base/disk.js";
import { openBelow } from "../base/open-below.js";
import type { RawPath } from "../base/raw-name.js";
import { splitRaw } from "../base/raw-name.js";
import { CUR } from "../maildir/mailbox-files.js";
import type { Uidlist } from "../maildir/uidlist.js";
import type { UidlistRead } from "../maildir/uidlist-reader.js";
import type { Transaction } from "../txn/transaction.js";
import { type Divergence, divergence } from "./divergence.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import { isWrongKind } from "./mailbox-place.js";

export type Located =
  /** `dir` is the caller's to close (`closeBelow`). `hasCur` is false where a creation or a move broke off. */
  | {
      readonly kind: "found";
      readonly path: RawPath;
      readonly dir: Dir;
      readonly uidlist: Uidlist;
      readonly hasCur: boolean;
    }
  | { readonly kind: "absent" }
  | { readonly kind: "diverged"; readonly divergence: Divergence };

/** Looks at the paths in turn. */
export function locateMailbox(
  root: Dir,
  known: KnownMailbox,
  txn: Pick<Transaction, "mailbox" | "path" | "structure">,
): Located {
  const from = txn.structure?.kind === "rename" ? txn.structure.from : undefined;
  const paths = new Set([known.baseline?.row.path, txn.path, from, known.standsAt]);
  for (const path of paths) {
    if (path === undefined) continue;
    const located = lookAt(root, known, { ...txn, path });
    if (located.kind !== "absent") return located;
  }
  return { kind: "absent" };
}

function lookAt(root: Dir, known: KnownMailbox, where: Pick<Transaction, "mailbox" | "path">): Located {
  const opened = openMailbox(root, where);
  if (opened.kind !== "opened") return opened;
  const { dir } = opened;
  let isFound = false;
  try {
    const read = known.uidlist.read(dir);
    if ("uidlist" in read && read.uidlist.header.guid === where.mailbox) {
      const hasCur = dir.stat(CUR)?.kind === "directory";
      isFound = true;
      return { kind: "found", path: where.path, dir, uidlist: read.uidlist, hasCur };
    }
    const damage = damageOf(read, where);
    return damage === undefined ? { kind: "absent" } : { kind: "diverged", divergence: damage };
  } finally {
    if (!isFound) closeBelow(root, dir);
  }
}

export type Opened =
  | { readonly kind: "opened"; readonly dir: Dir }
  | { readonly kind: "absent" }
  | { readonly kind: "diverged"; readonly divergence: Divergence };

/** The directory at a path, whatever it is; a link or a file on the way is a divergence. */
export function openMailbox(root: Dir, { mailbox, path }: Pick<Transaction, "mailbox" | "path">): Opened {
  try {
    const dir = openBelow(root, splitRaw(path));
    return dir === undefined ? { kind: "absent" } : { kind: "opened", dir };
  } catch (error) {
    if (!isWrongKind(error)) throw error;
    const why = "a symbolic link or a file stands in its way";
    return { kind: "diverged", divergence: divergence({ kind: "path-refused", mailbox, path, why }) };
  }
}

/** Closes what `openBelow` opened: not the root itself. */
export function closeBelow(root: Dir, dir: Dir): void {
  if (dir !== root) dir.close();
}

/** Undefined for a uidlist that can be read, and for none. */
export function damageOf(
  read: UidlistRead,
  { mailbox, path }: Pick<Transaction, "mailbox" | "path">,
): Divergence | undefined {
  switch (read.kind) {
    case "damaged":
      return divergence({ kind: "uidlist-damaged", mailbox, path, line: read.line, why: read.why });
    case "unsupported":
      return divergence({ kind: "uidlist-damaged", mailbox, path, line: 1, why: `its version is ${read.version}` });
    case "absent":
    case "same":
    case "grown":
    case "replaced":
      return undefined;
  }
}
