/**
 * Reads the part of a mailbox that a transaction touches into a `MailboxView`.
 *
 * A base name without a record has no file either, as a rule, and one with a record has one file; the exceptions (a crash
 * between file and record, other programs) are known from listings (strays.ts).
 */
import type { BaselineRecord } from "../log/state-types.js";
import { isBaseName, type Uid } from "../maildir/ids.js";
import type { KeywordsFile } from "../maildir/keywords.js";
import type { MessageTimes } from "../maildir/message-times.js";
import type { Uidlist } from "../maildir/uidlist.js";
import type { UidlistRecord } from "../maildir/uidlist-write.js";
import type { Change, Transaction } from "../txn/transaction.js";
import { fileAt, findFiles, type Sighting, type Sought } from "./find-files.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import type { MailboxDirs } from "./mailbox-place.js";
import type { Adoption, MailboxView, PresentFile } from "./mailbox-view.js";
import { infoOf, KeywordDraft } from "./marks.js";
import { refreshStrays } from "./strays.js";

export interface GatherInput {
  readonly txn: Transaction;
  readonly known: KnownMailbox;
  readonly dirs: MailboxDirs;
  /** Undefined where none is; then nothing is bound. */
  readonly uidlist: Uidlist | undefined;
  readonly keywords: KeywordsFile;
  readonly adoption: Adoption | undefined;
  readonly before: Sighting | undefined;
  readonly nowMs: number;
}

export interface Gathered {
  readonly view: MailboxView;
  /** If a listing was needed: for the next call for this transaction. */
  readonly sighting: Sighting | undefined;
  /** How the directories were before they were read; undefined when the transaction names no message. */
  readonly times: MessageTimes | undefined;
}

interface Named {
  readonly uid: Uid;
  readonly base: string;
}

export function gatherView(input: GatherInput): Gathered {
  const { txn, known, dirs, uidlist, adoption, nowMs } = input;
  const named = txn.changes.flatMap(namedBy);
  const inOrder = adoption === undefined && known.baseline !== undefined && !known.isInDoubt;
  const times = named.length === 0 ? undefined : refreshStrays(known, dirs, uidlist, { nowMs, inOrder });
  const appliedByUid = adoption === "reset" ? allApplied(known) : appliedOf(known, named);
  const recordByUid = new Map<number, UidlistRecord>();
  const recordByBase = new Map<string, UidlistRecord>();
  if (uidlist !== undefined && adoption === undefined) collectRecords(uidlist, named, recordByUid, recordByBase);
  const bases = new Set(named.map(({ base }) => base));
  const bound = new Set([...recordByUid.values(), ...recordByBase.values()].map((record) => record.base as string));
  for (const { base } of appliedByUid.values()) if (adoption === "reset" || bases.has(base)) bound.add(base);
  if (adoption === "reset") for (const base of bases) bound.add(base);
  const infos = infosByBase(appliedByUid.values());
  addSavedInfos(input, infos);
  const sought: Sought[] = [...bound].map((base) => ({ base, infos: infos.get(base) ?? [] }));
  const { fileByBase, sighting } = findFiles(dirs, sought, input);
  const secondsByBase = addStrays(input, { bases, appliedByUid, fileByBase });
  const view: MailboxView = {
    guid: uidlist?.header.guid,
    uidValidity: uidlist?.header.uidValidity,
    uidNext: uidlist?.nextUid ?? 1,
    lastUid: adoption === undefined ? (uidlist?.lastUid ?? 0) : 0,
    headerExtra: uidlist?.header.extra ?? "",
    recordCount: uidlist?.count ?? 0,
    uidlistBytes: uidlist?.byteLength ?? 0,
    hasTornLine: uidlist?.endsWithNewline === false,
    recordByUid,
    recordByBase,
    fileByBase,
    secondsByBase,
    keywords: input.keywords.keywords.names,
    appliedByUid,
    deadUids: new Set(),
    adoption,
  };
  return { view, sighting, times };
}

/** For a mailbox that is not there yet. */
export function emptyView(): MailboxView {
  return {
    guid: undefined,
    uidValidity: undefined,
    uidNext: 1,
    lastUid: 0,
    headerExtra: "",
    recordCount: 0,
    uidlistBytes: 0,
    hasTornLine: false,
    recordByUid: new Map(),
    recordByBase: new Map(),
    fileByBase: new Map(),
    secondsByBase: new Map(),
    keywords: [],
    appliedByUid: new Map(),
    deadUids: new Set(),
    adoption: "take-over",
  };
}

function namedBy(change: Change): Named[] {
  switch (change.kind) {
    case "save":
      return [change.message];
    case "rebind":
      return [{ uid: change.fromUid, base: change.fromBase }, change.message];
    case "marks":
    case "expunge":
      return [change];
  }
}

function collectRecords(
  uidlist: Uidlist,
  named: readonly Named[],
  recordByUid: Map<number, UidlistRecord>,
  recordByBase: Map<string, UidlistRecord>,
): void {
  const collect = (index: number): void => {
    // A record whose base name comes again further on is void: the later one counts.
    if (index < 0 || uidlist.isShadowed(index)) return;
    const base = uidlist.baseAt(index);
    if (!isBaseName(base)) return;
    const record = { uid: uidlist.uidAt(index), base, fields: uidlist.fieldsAt(index) };
    recordByUid.set(record.uid, record);
    recordByBase.set(record.base, record);
  };
  for (const { uid, base } of named) {
    collect(uidlist.indexOfUid(uid));
    collect(uidlist.indexOfBase(base));
  }
}

function appliedOf(known: KnownMailbox, named: readonly Named[]): Map<number, BaselineRecord> {
  const appliedByUid = new Map<number, BaselineRecord>();
  for (const { uid } of named) {
    const record = known.baseline?.record(uid);
    if (record !== undefined) appliedByUid.set(uid, record);
  }
  return appliedByUid;
}

function allApplied({ baseline }: KnownMailbox): Map<number, BaselineRecord> {
  const appliedByUid = new Map<number, BaselineRecord>();
  for (const { chunk } of baseline?.looks() ?? []) {
    for (const record of baseline?.records(chunk) ?? []) appliedByUid.set(record.uid, record);
  }
  return appliedByUid;
}

function infosByBase(records: Iterable<BaselineRecord>): Map<string, string[]> {
  const infos = new Map<string, string[]>();
  for (const { base, info } of records) {
    // As applied, and as a reader here may have marked it since.
    const known = infos.get(base) ?? [];
    known.push(info, withSeen(info));
    infos.set(base, known);
  }
  return infos;
}

/** As the source has them, in this mailbox's letters. */
function addSavedInfos({ txn, keywords }: GatherInput, infos: Map<string, string[]>): void {
  const letters = new KeywordDraft(keywords.keywords.names);
  for (const change of txn.changes) {
    if (change.kind !== "save" && change.kind !== "rebind") continue;
    const { base, flags, odd, tail, keywords: names } = change.message;
    const known = infos.get(base) ?? [];
    known.push(infoOf({ flags, letters: letters.knownLetters(names), odd, tail }));
    infos.set(base, known);
  }
}

function withSeen(info: string): string {
  const match = /^:2,([DFPR]*)([Ta-z]*)$/.exec(info);
  return match === null ? info : `:2,${match[1]}S${match[2]}`;
}

interface StrayInput {
  readonly bases: ReadonlySet<string>;
  readonly appliedByUid: ReadonlyMap<number, BaselineRecord>;
  readonly fileByBase: Map<string, PresentFile>;
}

/** Files without a record become the file of their base name. Of several, one does; the others are returned. */
function addStrays(
  { known, dirs, txn }: GatherInput,
  { bases, appliedByUid, fileByBase }: StrayInput,
): Map<string, PresentFile[]> {
  const secondsByBase = new Map<string, PresentFile[]>();
  if (known.unrecorded === undefined || known.unrecorded.size === 0) return secondsByBase;
  let rank: ((base: string, file: PresentFile) => number) | undefined;
  for (const base of new Set([...bases, ...fileByBase.keys()])) {
    const found = fileByBase.get(base);
    const others = (known.unrecorded.get(base) ?? []).flatMap((place) => fileAt(dirs, place) ?? []);
    const seconds = others.filter((file) => file.name !== found?.name || file.dir !== found.dir);
    // Looked at again: one that was renamed between the two looks is no second file.
    const still = found === undefined || seconds.length === 0 ? found : fileAt(dirs, found);
    const files = still === undefined ? seconds : [still, ...seconds];
    if (files.length > 1) {
      rank ??= likelinessOf(txn, appliedByUid);
      const likeliness = rank;
      files.sort((a, b) => likeliness(base, b) - likeliness(base, a));
    }
    const [first, ...rest] = files;
    if (first !== undefined) fileByBase.set(base, first);
    if (rest.length > 0) secondsByBase.set(base, rest);
  }
  return secondsByBase;
}

/** Which of several files of a base name is the message's: the inode that was placed here, else the size that is wanted. */
function likelinessOf(
  txn: Transaction,
  appliedByUid: ReadonlyMap<number, BaselineRecord>,
): (base: string, file: PresentFile) => number {
  const [inos, sizes] = [new Map<string, number>(), new Map<string, number>()];
  for (const { base, ino, size } of appliedByUid.values()) {
    inos.set(base, ino);
    sizes.set(base, size);
  }
  for (const change of txn.changes) if ("message" in change) sizes.set(change.message.base, change.message.size);
  return (base, file) => {
    const isSize = file.size === sizes.get(base);
    return (isSize && file.ino === inos.get(base) ? 2 : 0) + (isSize ? 1 : 0);
  };
}
