/**
 * Owner, group and mode of what is twinned, compared between two stores: every directory that leads to mail or holds it, every
 * message, and the side files that Dovecot shares among all who may use a mailbox.
 *
 * Dovecot's indexes and logs are made on each side by its own Dovecot and are none of the twin's.
 */
import { listStore, type StoreFile } from "../lab/files.js";

const SIDE_FILES: ReadonlySet<string> = new Set(["dovecot-uidlist", "dovecot-keywords", "maildirfolder"]);
/** Replaced as a whole by whoever changes them, whose they are then: in a mailbox of many users the owner says nothing. */
const REPLACED: ReadonlySet<string> = new Set(["dovecot-uidlist", "dovecot-keywords"]);
const GROUP_WRITE = 0o020;

/** In words, for what both stores have; empty when equal. A name that only one has is not this comparison's concern. */
export function ownershipDifferences(source: string, replica: string): readonly string[] {
  const wanted = ownershipOf(source);
  return [...ownershipOf(replica)].flatMap(([path, is]) => {
    const should = wanted.get(path);
    return should === undefined || should === is ? [] : [`${path}: ${is} on the replica, ${should} at the source`];
  });
}

/** "0640 2001:2001" by path, bytes as latin1; "0660 *:2001" where everybody of the group may replace the file. */
export function ownershipOf(store: string): ReadonlyMap<string, string> {
  return new Map(listStore(store).flatMap((file) => (isTwinned(file) ? [[file.path, wordsOf(file)]] : [])));
}

function wordsOf({ path, stats: { mode, uid, gid } }: StoreFile): string {
  const isAnyones = (mode & GROUP_WRITE) !== 0 && REPLACED.has(path.slice(path.lastIndexOf("/") + 1));
  return `${(mode & 0o7777).toString(8).padStart(4, "0")} ${isAnyones ? "*" : uid}:${gid}`;
}

function isTwinned({ path, kind }: StoreFile): boolean {
  if (kind === "directory") return true;
  const [above, name] = path.split("/").slice(-2);
  return above === "cur" || above === "new" || SIDE_FILES.has(name ?? "");
}
