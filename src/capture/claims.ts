/**
 * Who is the known mailbox that left its place, when others stand elsewhere that have its GUID: a uidlist is a file of its user,
 * who can write into it whose GUID he likes. Pure but for `ClaimTells`.
 *
 * INVARIANT: a mailbox goes from one user to another only where it is known to be the same directory, of the same owner; a number that
 * the system gave out again is no proof. Of several that cannot be told apart none is it, nor is any of two users' new ones.
 */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { type DirectoryMark, isSameDirectory, oneTree, type TreeOf, treesOf } from "../maildir/whose-tree.js";
import type { FoundMailbox } from "./capture-types.js";

export interface ClaimTells {
  /** The store is a tree of users. */
  readonly isTree: boolean;
  readonly rowOf: (guid: MailboxGuid) => MailboxRow | undefined;
  /** Whether the log has a mailbox at that path. */
  readonly isKnown: (path: string) => boolean;
  /** Undefined where that was never noted. */
  readonly knownDirectoryOf: (row: MailboxRow) => DirectoryMark | undefined;
  readonly directoryAt: (path: RawPath) => DirectoryMark | undefined;
  /** Whose the nearest directory above it is that still stands. */
  readonly ownerAbove: (path: RawPath) => number | undefined;
  /** A message of the known mailbox is there, as the very same file. */
  readonly hasFileOf: (row: MailboxRow, path: RawPath) => boolean;
}

type Claim = Required<Pick<FoundMailbox, "claims">> & Pick<FoundMailbox, "claimant">;

/** The same mailboxes; those that are not to be taken for the known one whose GUID they have say so. */
export function markClaims(standing: readonly FoundMailbox[], tells: ClaimTells): readonly FoundMailbox[] {
  const atHome = new Set<MailboxGuid>();
  const pathsByGuid = new Map<MailboxGuid, RawPath[]>();
  for (const { guid, path } of standing) {
    if (guid === undefined) continue;
    if (tells.rowOf(guid)?.path === path) atHome.add(guid);
    else pathsByGuid.set(guid, [...(pathsByGuid.get(guid) ?? []), path]);
  }
  const stands = new Set<string>(standing.map(({ path }) => path));
  const treeOf = tells.isTree ? treesOf((path) => stands.has(path) || tells.isKnown(path)) : oneTree;
  const claimByPath = new Map<RawPath, Claim>();
  for (const [guid, paths] of pathsByGuid) {
    const row = tells.rowOf(guid);
    if (atHome.has(guid)) continue;
    const claims = row === undefined ? rivals(paths, tells, treeOf) : judgeClaims(row, paths, tells, treeOf);
    for (const [path, claim] of claims) claimByPath.set(path, claim);
  }
  if (claimByPath.size === 0) return standing;
  return standing.map((mailbox) => ({ ...mailbox, ...claimByPath.get(mailbox.path) }));
}

/** Of these mailboxes those that are to be taken for the known ones whose GUIDs they have. */
export function genuineOf(standing: readonly FoundMailbox[], tells: ClaimTells): readonly FoundMailbox[] {
  return markClaims(standing, tells).filter(({ claims }) => claims === undefined);
}

/** New ones with one GUID: of one user the first one counts; of two, who is the copy cannot be told. */
function rivals(paths: readonly RawPath[], { directoryAt }: ClaimTells, treeOf: TreeOf): [RawPath, Claim][] {
  const [first, second] = paths;
  if (first === undefined || second === undefined) return [];
  const isOfOne =
    new Set(paths.map(treeOf)).size === 1 && new Set(paths.map((path) => directoryAt(path)?.uid)).size === 1;
  if (isOfOne) return [];
  return paths.map((path) => [path, { claims: path === first ? second : first, claimant: "rival" }]);
}

function judgeClaims(
  row: MailboxRow,
  paths: readonly RawPath[],
  tells: ClaimTells,
  treeOf: TreeOf,
): [RawPath, Claim][] {
  const known = tells.knownDirectoryOf(row);
  const isOwn = (path: RawPath): boolean => treeOf(path) === treeOf(row.path);
  const isLikely = (path: RawPath): boolean => {
    const found = tells.directoryAt(path);
    if (found === undefined) return isOwn(path);
    if (known !== undefined && found.uid !== known.uid) return false;
    if (isOwn(path) || (known !== undefined && isSameDirectory(found, known))) return true;
    if (known !== undefined) return found.ino === known.ino && tells.hasFileOf(row, path);
    if (found.uid !== tells.ownerAbove(row.path)) return false;
    // Of an empty one nothing is there that could get into wrong hands.
    return row.messages === 0 ? paths.length === 1 : tells.hasFileOf(row, path);
  };
  const likely = paths.filter(isLikely);
  const chosen = chooseClaim(row, likely, isOwn, tells);
  return paths.flatMap((path): [RawPath, Claim][] => {
    if (path === chosen) return [];
    return [[path, { claims: row.path, ...(likely.includes(path) ? {} : { claimant: "stranger" }) }]];
  });
}

function chooseClaim(
  row: MailboxRow,
  paths: readonly RawPath[],
  isOwn: (path: RawPath) => boolean,
  tells: ClaimTells,
): RawPath | undefined {
  if (paths.length === 1) return paths[0];
  const ino = tells.knownDirectoryOf(row)?.ino;
  const isDirectory = (path: RawPath): boolean => ino !== undefined && tells.directoryAt(path)?.ino === ino;
  let left = paths;
  for (const isLikely of [isDirectory, (path: RawPath) => tells.hasFileOf(row, path), isOwn]) {
    const likely = left.filter(isLikely);
    if (likely.length === 1) return likely[0];
    if (likely.length > 1) left = likely;
  }
  return undefined;
}
