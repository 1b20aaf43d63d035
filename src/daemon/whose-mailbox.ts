/**
 * Which of the mailboxes that stand on the destination are to be taken for those that were written there: at their own paths all are,
 * elsewhere those that are known to be the same (maildir/renamed.ts). Others only have their GUIDs, which their users can write.
 */
import { openNodeDisk } from "../base/disk-node.js";
import { errnoOf, MailtwinError } from "../base/errors.js";
import { isRawPath, type RawPath, rawFromText } from "../base/raw-name.js";
import type { FoundMailbox } from "../capture/capture-types.js";
import { openStoreDir, openStoreRoot, type StorePlace } from "../capture/open-mailbox.js";
import { decodeChunk } from "../log/baseline-chunk.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxRow } from "../log/state-types.js";
import { holdsAll, isRenamed, type Written } from "../maildir/renamed.js";
import {
  type DirectoryMark,
  isOneUsers,
  markOf,
  oneTree,
  parseMark,
  type TreeOf,
  treesOf,
} from "../maildir/whose-tree.js";

/** `pathsOf`: where else a mailbox may stand by right, since the log leads it there. */
export function believed(
  destination: string,
  found: readonly FoundMailbox[],
  { replica, pathsOf }: { readonly replica: StateReader; readonly pathsOf: (row: MailboxRow) => readonly RawPath[] },
): readonly FoundMailbox[] {
  const rowByGuid = new Map(replica.mailboxes().map((row) => [row.guid, row]));
  const place: StorePlace = { disk: openNodeDisk(), storeRoot: rawFromText(destination) };
  let treeOf: TreeOf | undefined;
  return found.filter(({ guid, path }) => {
    const row = guid === undefined ? undefined : rowByGuid.get(guid);
    if (row === undefined || path === row.path || pathsOf(row).includes(path)) return true;
    treeOf ??= openTrees(place, [...rowByGuid.values(), ...found]);
    const directory = directoryAt(place, path);
    const ownerOf = (at: string): number | undefined => (isRawPath(at) ? directoryAt(place, at)?.uid : undefined);
    const holds = (at: RawPath, messages: ReturnType<Written["messages"]>): boolean => holdsAt(place, at, messages);
    const ports = { treeOf, ownerOf, holds };
    return directory !== undefined && isRenamed(writtenAs(row, replica), { path, directory }, ports);
  });
}

function writtenAs(row: MailboxRow, replica: StateReader): Written {
  const messages = () =>
    replica.looks(row.id).flatMap(({ chunk }) => {
      const bytes = replica.chunk(row.id, chunk);
      return bytes === undefined ? [] : decodeChunk(bytes, row.keywords);
    });
  return { path: row.path, directory: parseMark(row.fingerprint.split(" ")), messages };
}

function openTrees(place: StorePlace, mailboxes: readonly { readonly path: RawPath }[]): TreeOf {
  const root = openStoreRoot(place);
  try {
    const paths = new Set<string>(mailboxes.map(({ path }) => path));
    return isOneUsers(root) ? oneTree : treesOf((path) => paths.has(path));
  } finally {
    root.close();
  }
}

function directoryAt(place: StorePlace, path: RawPath): DirectoryMark | undefined {
  return withDir(place, path, (dir) => markOf(dir.statSelf()));
}

function holdsAt(place: StorePlace, path: RawPath, messages: ReturnType<Written["messages"]>): boolean {
  return withDir(place, path, (dir) => holdsAll(dir, messages)) ?? false;
}

/** What cannot be looked into tells nothing. */
function withDir<T>(
  place: StorePlace,
  path: RawPath,
  use: (dir: NonNullable<ReturnType<typeof openStoreDir>>) => T,
): T | undefined {
  let dir: ReturnType<typeof openStoreDir>;
  try {
    dir = openStoreDir(place, path);
    return dir === undefined ? undefined : use(dir);
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof MailtwinError)) throw error;
    return undefined;
  } finally {
    dir?.close();
  }
}
