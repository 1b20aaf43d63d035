/**
 * Gives files without a record their UIDs, where Dovecot has not done so for too long (R13): under its lock, in its order
 * of names, from its next UID.
 *
 * The listing is made before the lock is taken; under the lock each file is only looked at once more, so the hold is
 * bounded by the number of records to be added, not by the size of the mailbox.
 */

import type { MailtwinError } from "../base/errors.js";
import { randomHex } from "../base/random.js";
import { displayRaw, joinRaw, type RawPath, ROOT_PATH, splitRaw } from "../base/raw-name.js";
import { isBaseName, parseMailboxGuid, parseUid, parseUidValidity, UID_MAX, UIDVALIDITY_MAX } from "../maildir/ids.js";
import { visitMessages } from "../maildir/listing.js";
import { UIDLIST_FILE, UIDLIST_LOCK_FILE } from "../maildir/mailbox-files.js";
import { splitBaseName } from "../maildir/message-name.js";
import { dovecotOrder } from "../maildir/numbering.js";
import { formatUidlistHeader } from "../maildir/uidlist-header.js";
import { encodeRecords, planUidlistRewrite, type UidlistRecord } from "../maildir/uidlist-write.js";
import type { HintedName, NumberOutcome } from "./capture-types.js";
import { captureError } from "./errors.js";
import { findFile, findOddity, likelyPlaces } from "./find-files.js";
import { type MailboxDirs, openStoreDir, type StorePlace } from "./open-mailbox.js";
import { appendToUidlist, type LockedMailbox, type LockSources, replaceUidlist, underLock } from "./under-lock.js";
import { findTrace } from "./whose-numbers.js";

/** Of what cannot be numbered so many are named. */
const NAMED_MAX = 5;

export interface NumberRequest {
  readonly path: RawPath;
  /** Records to be added at most. */
  readonly countMax: number;
  /** Whether the log has a mailbox there: then only Dovecot may begin a new uidlist. */
  readonly isKnown: boolean;
  /** Why we may not begin one either where the log has none, with what `findTrace` says; undefined: we may. */
  readonly refusal: (trace: string | undefined) => MailtwinError | undefined;
}

export function numberFiles(sources: LockSources, request: NumberRequest): NumberOutcome {
  const { path, countMax } = request;
  const prepare = (dirs: MailboxDirs) => {
    // Nothing is written to a mailbox that is not ours to number, not even a lock. While there is one Dovecot is at work.
    const isBare = dirs.mailbox.stat(UIDLIST_FILE) === undefined && dirs.mailbox.stat(UIDLIST_LOCK_FILE) === undefined;
    if (isBare) refuseToBegin(dirs, request);
    return listPlaces(sources, path, dirs);
  };
  return underLock(sources, path, prepare, (mailbox, placeByBase): NumberOutcome => {
    sources.reach("capture.numbered-locked");
    if (mailbox.uidlist === undefined) refuseToBegin(mailbox.dirs, request);
    const chosen = chooseFiles(mailbox, placeByBase, countMax);
    const { bases, more, notFiles } = chosen;
    const uidNext = addRecords(sources, mailbox, bases);
    sources.reach("capture.numbered-written");
    const hasBegun = mailbox.uidlist === undefined && bases.length > 0;
    const isIdentified = hasBegun || (mailbox.uidlist !== undefined && mailbox.uidlist.header.guid === undefined);
    const outcome = { kind: "numbered" as const, count: bases.length, more, uidNext, notFiles };
    return isIdentified ? { ...outcome, isIdentified } : outcome;
  });
}

/** Throws: uidlist-lost, uidlist-missing, uidlist-elsewhere. */
function refuseToBegin({ mailbox }: MailboxDirs, { path, isKnown, refusal }: NumberRequest): void {
  if (isKnown)
    throw captureError("uidlist-lost", `numbering the mailbox "${displayRaw(path)}": its dovecot-uidlist is gone`);
  const refused = refusal(findTrace(mailbox));
  if (refused !== undefined) throw refused;
}

/** Files without a record, as things were before the lock. */
function listPlaces(
  { uidlists }: LockSources,
  path: RawPath,
  { mailbox }: MailboxDirs,
): ReadonlyMap<string, HintedName> {
  const read = uidlists.read(path, mailbox);
  const uidlist = "uidlist" in read ? read.uidlist : undefined;
  const placeByBase = new Map<string, HintedName>();
  visitMessages(mailbox, (name, dir) => {
    const base = splitBaseName(name);
    if ((uidlist?.indexOfBase(base) ?? -1) < 0) placeByBase.set(base, { dir, name });
  });
  return placeByBase;
}

/** Files that are still there and still without a record, in Dovecot's order. */
function chooseFiles({ dirs, uidlist }: LockedMailbox, placeByBase: ReadonlyMap<string, HintedName>, countMax: number) {
  const waiting = [...placeByBase.keys()].filter((base) => isBaseName(base) && (uidlist?.indexOfBase(base) ?? -1) < 0);
  const notFiles: string[] = [];
  const bases = dovecotOrder(waiting)
    .slice(0, countMax)
    .filter(isBaseName)
    .filter((base) => {
      const place = placeByBase.get(base);
      const seenAt = place === undefined ? [] : [place];
      if (findFile(dirs, base, [...seenAt, ...likelyPlaces(base, undefined)]) !== undefined) return true;
      const oddity = notFiles.length < NAMED_MAX ? findOddity(dirs, seenAt) : undefined;
      if (oddity !== undefined) notFiles.push(`${oddity.dir}/${oddity.name}`);
      return false;
    });
  return { bases, more: waiting.length > countMax, notFiles };
}

function addRecords(
  sources: LockSources,
  mailbox: LockedMailbox,
  bases: ReturnType<typeof chooseFiles>["bases"],
): number {
  const { uidlist, path } = mailbox;
  const first = uidlist?.nextUid ?? 1;
  if (uidlist === undefined && bases.length === 0) return first; // an identity without mail is Dovecot's to give.
  const uidNext = first + bases.length;
  if (uidNext > UID_MAX)
    throw captureError(
      "uids-exhausted",
      `numbering the mailbox "${displayRaw(path)}": the next UID would be ${uidNext}`,
    );
  const records = bases.map((base, index): UidlistRecord => ({ uid: parseUid(first + index), fields: "", base }));
  if (uidlist === undefined) {
    replaceUidlist(mailbox, [newHeader(sources, path, uidNext), encodeRecords(records, 0)]);
    return uidNext;
  }
  const { guid, version } = uidlist.header;
  if (guid === undefined || version === 1 || !uidlist.endsWithNewline) {
    const header = guid === undefined ? { header: { guid: parseMailboxGuid(randomHex(16)) } } : {};
    replaceUidlist(mailbox, planUidlistRewrite(uidlist, { ...header, drop: new Set(), add: records }));
  } else if (records.length > 0) appendToUidlist(mailbox, encodeRecords(records, uidlist.lastUid));
  return uidNext;
}

function newHeader(sources: LockSources, path: RawPath, nextUid: number): Buffer {
  const counter = readValidityCounter(sources, path);
  const nowS = Math.floor(sources.clock.nowMs() / 1000);
  const uidValidity = parseUidValidity(Math.min(UIDVALIDITY_MAX, Math.max(nowS, counter + 1)));
  const guid = parseMailboxGuid(randomHex(16));
  return Buffer.from(formatUidlistHeader({ uidValidity, nextUid, guid, extra: "" }), "latin1");
}

/** Of the Maildir that the mailbox belongs to: in it or in a directory above, inside the store. 0 when there is none. */
function readValidityCounter(place: StorePlace, path: RawPath): number {
  const names = splitRaw(path);
  let counter = 0;
  for (let depth = names.length; depth >= 0; depth--) {
    const dir = openStoreDir(place, names.slice(0, depth).reduce(joinRaw, ROOT_PATH));
    try {
      const text = dir?.readFile("dovecot-uidvalidity", 64)?.toString("latin1") ?? "";
      if (/^[0-9a-f]{8}\s*$/.test(text)) counter = Math.max(counter, Number.parseInt(text, 16));
    } finally {
      dir?.close();
    }
  }
  return counter;
}
