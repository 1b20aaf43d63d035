/**
 * Recognises a message whose body the log has already: Dovecot's COPY and MOVE make a hard link and keep the base name,
 * so the same inode stands in the baseline of another mailbox (or of this one, after a copy within it).
 *
 * Only a hint to the replica, which then need not be sent the body; nothing breaks where it is not found. So the search
 * is bounded, and made only for files that look like links: more than one name, a G in the record, or an arrival date
 * long before the inode was last touched.
 */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxBaseline } from "../log/baseline.js";
import type { BaselineRecord, MailboxRow } from "../log/state-types.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { fieldOf } from "../maildir/uidlist-write.js";
import type { TreeOf } from "../maildir/whose-tree.js";
import type { BodyOrigin } from "../txn/transaction.js";
import type { Finding, PresentMessage } from "./finding.js";

const LINKED_AFTER_MS = 60_000;
/** How long an expunged message is remembered: a MOVE expunges its source after the link is made. */
const EXPUNGED_MS_MAX = 60_000;
const EXPUNGED_MAX = 16_384;
const SIBLINGS_MAX = 256;
/** Uidlists of other mailboxes that one search reads, in bytes. */
const SIBLING_BYTES_MAX = 24 * 1024 * 1024;
/** Fruitless searches of one outcome for files that only have an old date: a restored or imported mailbox is full of them. */
const OLD_MISSES_MAX = 256;

export interface OriginSources {
  readonly treeOf: TreeOf;
  readonly rows: () => Iterable<MailboxRow>;
  readonly baselineOf: (row: MailboxRow) => MailboxBaseline;
  /** As it is now; undefined where there is none that can be read. */
  readonly readUidlist: (path: RawPath) => Uidlist | undefined;
}

interface Expunged {
  readonly origin: BodyOrigin;
  readonly owner: string;
  readonly size: number;
  readonly mtimeS: number;
  readonly atMs: number;
}

export class OriginFinder {
  readonly #sources: OriginSources;
  readonly #expungedByIno = new Map<number, Expunged>();
  /** Where bodies were found lately, the latest first. */
  #lately: readonly MailboxGuid[] = [];

  constructor(sources: OriginSources) {
    this.#sources = sources;
  }

  noteExpunged(
    { guid, path }: Pick<MailboxRow, "guid" | "path">,
    records: readonly BaselineRecord[],
    nowMs: number,
  ): void {
    const owner = this.#sources.treeOf(path);
    for (const { uid, base, size, mtimeS, ino } of records) {
      if (ino === 0) continue;
      this.#expungedByIno.delete(ino);
      this.#expungedByIno.set(ino, { origin: { mailbox: guid, uid, base }, owner, size, mtimeS, atMs: nowMs });
    }
    for (const ino of this.#expungedByIno.keys()) {
      if (this.#expungedByIno.size <= EXPUNGED_MAX) return;
      this.#expungedByIno.delete(ino);
    }
  }

  /** Which of these messages of that mailbox, which has them no more, stand in another one of its user: they moved there, or were copied. */
  standing(own: MailboxRow, findings: readonly Pick<Finding, "uid" | "before">[]): ReadonlySet<Uid> {
    const siblings = new Siblings(this.#sources, own, this.#lately);
    const found = findings.filter(({ before }) => before !== undefined && siblings.has(before));
    return new Set(found.map(({ uid }) => uid));
  }

  /** A search for the messages of one outcome; uidlists of other mailboxes are read at most once. */
  begin(request: SearchRequest): (message: PresentMessage) => BodyOrigin | undefined {
    const siblings = new Siblings(this.#sources, request.own, this.#lately);
    let missesLeft = OLD_MISSES_MAX;
    return (message) => {
      const recalled = this.#recall(message, request);
      if (recalled !== undefined) return recalled;
      if (!isLinked(message) && (missesLeft === 0 || !isOldAndNew(message))) return undefined;
      const origin = findWithin(request, message) ?? siblings.find(message);
      if (origin !== undefined) this.#remember(origin.mailbox);
      else if (!isLinked(message)) missesLeft -= 1;
      return origin;
    };
  }

  /** The system gives a freed inode number to whoever makes the next file: another owner's is never the same message. */
  #recall({ base, stat }: PresentMessage, { own, nowMs }: SearchRequest): BodyOrigin | undefined {
    const expunged = this.#expungedByIno.get(stat.ino);
    if (expunged === undefined || nowMs - expunged.atMs > EXPUNGED_MS_MAX) return undefined;
    const isSame = stat.size === expunged.size && Math.floor(stat.mtimeMs / 1000) === expunged.mtimeS;
    const isOwn = expunged.owner === this.#sources.treeOf(own.path);
    return isSame && isOwn && expunged.origin.base === base ? expunged.origin : undefined;
  }

  #remember(guid: MailboxGuid): void {
    if (this.#lately[0] !== guid) this.#lately = [guid, ...this.#lately.filter((other) => other !== guid)].slice(0, 8);
  }
}

export interface SearchRequest {
  readonly own: MailboxRow;
  readonly ownUidlist: Uidlist;
  readonly ownBaseline: MailboxBaseline;
  readonly nowMs: number;
}

function isLinked({ stat, fields }: PresentMessage): boolean {
  return stat.nlink > 1 || fieldOf(fields, "G") !== undefined;
}

/** An old message that came here lately. */
function isOldAndNew({ stat }: PresentMessage): boolean {
  return stat.ctimeMs - stat.mtimeMs > LINKED_AFTER_MS;
}

/** A copy within one mailbox has a new base name, and the old one as its GUID. */
function findWithin(
  { own, ownUidlist, ownBaseline }: SearchRequest,
  { uid, fields, stat }: PresentMessage,
): BodyOrigin | undefined {
  const base = fieldOf(fields, "G");
  const index = base === undefined ? -1 : ownUidlist.indexOfBase(base);
  const record = index < 0 ? undefined : ownBaseline.record(ownUidlist.uidAt(index));
  if (record === undefined || record.base !== base || record.ino !== stat.ino || record.uid === uid) return undefined;
  return { mailbox: own.guid, uid: record.uid, base: record.base };
}

/** The other mailboxes of the same owner. */
class Siblings {
  readonly #sources: OriginSources;
  readonly #own: MailboxRow;
  readonly #lately: readonly MailboxGuid[];
  #rows: readonly MailboxRow[] | undefined;
  readonly #uidlistByGuid = new Map<MailboxGuid, Uidlist | undefined>();
  #bytesLeft = SIBLING_BYTES_MAX;

  constructor(sources: OriginSources, own: MailboxRow, lately: readonly MailboxGuid[]) {
    this.#sources = sources;
    this.#own = own;
    this.#lately = lately;
  }

  find({ base, stat }: PresentMessage): BodyOrigin | undefined {
    this.#rows ??= this.#choose(1);
    for (const row of this.#rows) {
      const uidlist = this.#uidlist(row);
      const index = uidlist?.indexOfBase(base) ?? -1;
      if (uidlist === undefined || index < 0) continue;
      const record = this.#sources.baselineOf(row).record(uidlist.uidAt(index));
      if (record?.base === base && record.ino === stat.ino)
        return { mailbox: row.guid, uid: record.uid, base: record.base };
    }
    return undefined;
  }

  /** Also one that was found there and is not in the log yet. */
  has({ base, ino }: BaselineRecord): boolean {
    this.#rows ??= this.#choose(0);
    return this.#rows.some((row) => {
      const uidlist = this.#uidlist(row);
      const index = uidlist?.indexOfBase(base) ?? -1;
      if (uidlist === undefined || index < 0) return false;
      const uid = uidlist.uidAt(index);
      return uid >= row.uidNext || this.#sources.baselineOf(row).record(uid)?.ino === ino;
    });
  }

  #uidlist(row: MailboxRow): Uidlist | undefined {
    if (!this.#uidlistByGuid.has(row.guid)) {
      const uidlist = this.#bytesLeft > 0 ? this.#sources.readUidlist(row.path) : undefined;
      this.#bytesLeft -= uidlist?.byteLength ?? 0;
      this.#uidlistByGuid.set(row.guid, uidlist?.header.guid === row.guid ? uidlist : undefined);
    }
    return this.#uidlistByGuid.get(row.guid);
  }

  #choose(messagesMin: number): readonly MailboxRow[] {
    const owner = this.#sources.treeOf(this.#own.path);
    const rank = new Map(this.#lately.map((guid, index) => [guid, index]));
    const rankOf = ({ guid }: MailboxRow): number => rank.get(guid) ?? this.#lately.length;
    const rows = [...this.#sources.rows()].filter(
      (row) => row.guid !== this.#own.guid && row.messages >= messagesMin && this.#sources.treeOf(row.path) === owner,
    );
    return rows.sort((a, b) => rankOf(a) - rankOf(b)).slice(0, SIBLINGS_MAX);
  }
}
