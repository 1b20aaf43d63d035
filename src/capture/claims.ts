/**
 * Who is the known mailbox that left its place, when others stand elsewhere that have its GUID: a uidlist is a file of its user,
 * who can write into it whose GUID he likes. Pure but for `ClaimTells`.
 *
 * INVARIANT: a mailbox goes from one user to another only where the directory, or a file in it, is known to be the same one.
 * Of several that cannot be told apart none is it.
 */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { FoundMailbox } from "./capture-types.js";

export interface ClaimTells {
  /** First components of paths are users. */
  readonly isTree: boolean;
  readonly rowOf: (guid: MailboxGuid) => MailboxRow | undefined;
  /** The inode of its directory; undefined where that was never noted. */
  readonly knownInoOf: (row: MailboxRow) => number | undefined;
  /** Of the directory at that path. */
  readonly inoAt: (path: RawPath) => number | undefined;
  /** A message of the known mailbox is there, as the very same file. */
  readonly hasFileOf: (row: MailboxRow, path: RawPath) => boolean;
}

/** The same mailboxes; those that are not to be taken for the known one whose GUID they have say so. */
export function markClaims(standing: readonly FoundMailbox[], tells: ClaimTells): readonly FoundMailbox[] {
  const atHome = new Set<MailboxGuid>();
  const claimsByGuid = new Map<MailboxGuid, RawPath[]>();
  for (const { guid, path } of standing) {
    const row = guid === undefined ? undefined : tells.rowOf(guid);
    if (row?.path === path) atHome.add(row.guid);
    else if (row !== undefined) claimsByGuid.set(row.guid, [...(claimsByGuid.get(row.guid) ?? []), path]);
  }
  const knownPathByClaim = new Map<RawPath, RawPath>();
  for (const [guid, paths] of claimsByGuid) {
    const row = tells.rowOf(guid);
    if (row === undefined || atHome.has(guid)) continue;
    const chosen = chooseClaim(row, paths, tells);
    for (const path of paths) if (path !== chosen) knownPathByClaim.set(path, row.path);
  }
  if (knownPathByClaim.size === 0) return standing;
  return standing.map((mailbox) => {
    const claims = knownPathByClaim.get(mailbox.path);
    return claims === undefined ? mailbox : { ...mailbox, claims };
  });
}

function chooseClaim(row: MailboxRow, paths: readonly RawPath[], tells: ClaimTells): RawPath | undefined {
  const isOwn = (path: RawPath): boolean => !tells.isTree || userOf(path) === userOf(row.path);
  const [only] = paths;
  if (paths.length === 1 && only !== undefined && isOwn(only)) return only;
  const ino = tells.knownInoOf(row);
  // Nothing is known of it, and nothing is in it that could get into wrong hands.
  if (paths.length === 1 && ino === undefined && row.messages === 0) return only;
  const isDirectory = (path: RawPath): boolean => ino !== undefined && tells.inoAt(path) === ino;
  let left = paths;
  for (const isLikely of [isDirectory, (path: RawPath) => tells.hasFileOf(row, path), isOwn]) {
    const likely = left.filter(isLikely);
    if (likely.length === 1) return likely[0];
    if (likely.length > 1) left = likely;
  }
  return undefined;
}

/** In a tree of users. */
export function userOf(path: RawPath): string {
  return path.split("/", 1)[0] ?? "";
}
