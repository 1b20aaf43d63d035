/**
 * Mail that the brake holds back, and that a person has brought back at the source as new messages: the name of each says which it was.
 * So that is known wherever the log is, whoever was killed meanwhile, and the same mail is not brought back twice.
 *
 * INVARIANT: who does not know the log's id (which stands in the state directory alone) cannot make such a name, so that no mail user has
 * what is held of his mailbox let go.
 * INVARIANT: a message counts as back when the log has the new one; of a mailbox in whose place another one stands, which the log cannot
 * have before the old one is gone, only when all of its messages are there as files. What counts is on stable storage at the source: who
 * captures is faster than who brings it back, and a power cut then would have the new message go, and the old one be gone.
 */

import type { Dir } from "../base/disk.js";
import { sha256 } from "../base/hash.js";
import type { RawPath } from "../base/raw-name.js";
import type { MailboxBaseline } from "../log/baseline.js";
import type { MailboxRow } from "../log/state-types.js";
import { isUid, type MailboxGuid } from "../maildir/ids.js";
import { CUR, NEW } from "../maildir/mailbox-files.js";
import { chunkOf } from "../txn/chunks.js";
import type { BackAgain } from "./capture-types.js";
import { problemOf } from "./errors.js";
import { isOfStore, openStoreDir, type StorePlace } from "./open-mailbox.js";
import { formatUids, UidSet } from "./uid-set.js";

const NAME = /^\d{1,12}\.M\d{6}P\d{1,10}B(\d{1,10})H([0-9a-f]{32})\./;
const HOST_CHARS_MAX = 64;

export interface BackName {
  readonly seconds: number;
  /** Below a million; names with smaller ones get smaller UIDs. */
  readonly micros: number;
  readonly pid: number;
  readonly hostname: string;
  /** What Dovecot noted of the message's size in its old base name (",S=309,W=323"), or "". */
  readonly noted: string;
}

/** Names of messages that were brought back, of one log. */
export class BackNames {
  readonly #logId: string;

  constructor(logId: string) {
    this.#logId = logId;
  }

  /** The base name under which that message comes back. */
  name(guid: MailboxGuid, uid: number, { seconds, micros, pid, hostname, noted }: BackName): string {
    const host = hostname.replace(/[^A-Za-z0-9.-]/g, "_").slice(0, HOST_CHARS_MAX);
    const mark = `B${uid}H${this.#sealOf(guid, uid)}`;
    return `${seconds}.M${String(micros).padStart(6, "0")}P${pid}${mark}.${host}${noted}`;
  }

  /** The UID of the message of that mailbox that is back under this file or base name; undefined: it is none of those. */
  uidIn(guid: MailboxGuid, name: string): number | undefined {
    const [, digits, seal] = NAME.exec(name) ?? [];
    const uid = Number(digits);
    return isUid(uid) && seal === this.#sealOf(guid, uid) ? uid : undefined;
  }

  #sealOf(guid: MailboxGuid, uid: number): string {
    return sha256(Buffer.from(`brought back ${this.#logId} ${guid} ${uid}`, "latin1")).toString("hex", 0, 16);
  }
}

/** What is held back of a mailbox. */
export interface HeldNow {
  readonly row: MailboxRow;
  /** Undefined: all of it, with its mailbox. */
  readonly uids: ReadonlySet<number> | undefined;
}

export interface BroughtBackSources {
  readonly place: StorePlace;
  readonly logId: () => string | undefined;
  /** Rows as the log has them now. */
  readonly held: () => readonly HeldNow[];
  readonly baselineOf: (row: MailboxRow) => MailboxBaseline;
}

/** What the log of one mailbox has been searched for. */
interface Searched {
  readonly fromUid: number;
  /** Up to there. The log goes through the UIDs of a mailbox upwards. */
  nextUid: number;
  readonly uids: Set<number>;
}

export class BroughtBack {
  readonly #sources: BroughtBackSources;
  readonly #searched = new Map<MailboxGuid, Searched>();

  constructor(sources: BroughtBackSources) {
    this.#sources = sources;
  }

  get held(): readonly HeldNow[] {
    return this.#sources.held();
  }

  /** What of that is back. Throws: store-missing, store-unreadable, state-corrupt. */
  find(): readonly BackAgain[] {
    const logId = this.#sources.logId() ?? "";
    if (logId === "") return [];
    const names = new BackNames(logId);
    return this.held.flatMap((held) => this.#findOf(held, names));
  }

  #findOf({ row, uids }: HeldNow, names: BackNames): readonly BackAgain[] {
    const { guid } = row;
    if (uids === undefined) return this.#isWholeBack(row, names) ? [{ guid, uids: "*" }] : [];
    const back = this.#search(row, uids, names);
    const found = [...uids].filter((uid) => back.has(uid));
    if (found.length === 0 || !this.#makeDurable(row.path)) return [];
    return [{ guid, uids: formatUids(new UidSet(found)) }];
  }

  /** What came back has a higher UID than it had. */
  #search(row: MailboxRow, uids: ReadonlySet<number>, names: BackNames): ReadonlySet<number> {
    const fromUid = firstOf(uids);
    const before = this.#searched.get(row.guid);
    const searched =
      before !== undefined && before.fromUid <= fromUid
        ? before
        : { fromUid, nextUid: fromUid + 1, uids: new Set<number>() };
    this.#searched.set(row.guid, searched);
    const baseline = this.#sources.baselineOf(row);
    for (const { chunk } of baseline.looks()) {
      if (chunk < chunkOf(searched.nextUid)) continue;
      for (const record of baseline.records(chunk)) {
        if (record.uid < searched.nextUid) continue;
        searched.nextUid = record.uid + 1;
        const uid = names.uidIn(row.guid, record.base);
        if (uid !== undefined) searched.uids.add(uid);
      }
    }
    return searched.uids;
  }

  #isWholeBack(row: MailboxRow, names: BackNames): boolean {
    const standing = this.#namesAt(row.path, (name) => names.uidIn(row.guid, name));
    if (standing.size < row.messages) return false;
    const baseline = this.#sources.baselineOf(row);
    return baseline.looks().every(({ chunk }) => baseline.records(chunk).every(({ uid }) => standing.has(uid)));
  }

  /** Its names. False: it cannot be looked into now. */
  #makeDurable(path: RawPath): boolean {
    let mailbox: Dir | undefined;
    try {
      mailbox = openStoreDir(this.#sources.place, path);
      for (const part of [NEW, CUR]) syncIn(mailbox, part);
      return mailbox !== undefined;
    } catch (error) {
      if (isOfStore(error)) throw error;
      problemOf(path, error); // whoever examines what stands there hears of it, but for a defect.
      return false;
    } finally {
      mailbox?.close();
    }
  }

  /** What cannot be looked into has nothing that is back. What is told of is durable. */
  #namesAt(path: RawPath, uidIn: (name: string) => number | undefined): ReadonlySet<number> {
    const uids = new Set<number>();
    let mailbox: Dir | undefined;
    try {
      mailbox = openStoreDir(this.#sources.place, path);
      for (const part of mailbox === undefined ? [] : [NEW, CUR]) addFrom(mailbox?.openDir(part), uids, uidIn);
    } catch (error) {
      if (isOfStore(error)) throw error;
      problemOf(path, error); // whoever examines what stands there hears of it, but for a defect.
    } finally {
      mailbox?.close();
    }
    return uids;
  }
}

function syncIn(mailbox: Dir | undefined, part: typeof NEW | typeof CUR): void {
  const dir = mailbox?.openDir(part);
  try {
    dir?.sync();
  } finally {
    dir?.close();
  }
}

function addFrom(dir: Dir | undefined, uids: Set<number>, uidIn: (name: string) => number | undefined): void {
  try {
    const before = uids.size;
    for (const name of dir?.list() ?? []) {
      const uid = uidIn(name);
      if (uid !== undefined && dir?.stat(name)?.kind === "file") uids.add(uid);
    }
    if (uids.size > before) dir?.sync();
  } finally {
    dir?.close();
  }
}

function firstOf(uids: ReadonlySet<number>): number {
  let first = Number.POSITIVE_INFINITY;
  for (const uid of uids) first = Math.min(first, uid);
  return first;
}
