/**
 * Foreign mail: what only the replica has. Replication never removes it by itself; here are the ways out that a person,
 * or the source, may choose: move it to the limbo, set it aside and put it back, or give it other UIDs.
 *
 * INVARIANT: a message that was applied (it is in the baseline) is not foreign and is left alone, whatever was asked.
 */

import { assert } from "../base/assert.js";
import type { Dir } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { sha256 } from "../base/hash.js";
import { isRawName, type RawName, type RawPath, ROOT_PATH } from "../base/raw-name.js";
import { type LimboRow, NO_EFFECT } from "../log/state-types.js";
import type { Dotlock } from "../maildir/dotlock.js";
import { isBaseName, type MailboxGuid, parseUid, type Uid } from "../maildir/ids.js";
import { CUR } from "../maildir/mailbox-files.js";
import { splitBaseName } from "../maildir/message-name.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { UidlistReader } from "../maildir/uidlist-reader.js";
import type { UidlistRecord } from "../maildir/uidlist-write.js";
import { isEmptyOfMail } from "./apply-messages.js";
import type { ForeignOutcome, ForeignRequest, UidMove, YieldOutcome, YieldRequest } from "./apply-types.js";
import { writtenAs } from "./astray.js";
import { confirmCopies } from "./confirm-copies.js";
import { type Divergence, divergence } from "./divergence.js";
import { executeSteps, refuseTaken } from "./execute.js";
import { fileAt, listPlaces, type Place } from "./find-files.js";
import { moveWithin, openMade, openScratch } from "./limbo.js";
import { closeBelow, damageOf, openMailbox } from "./locate.js";
import { lostRows } from "./lost-rows.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import { MailboxDirs } from "./mailbox-place.js";
import type { ApplyStep } from "./mailbox-view.js";
import { deleteMailbox } from "./move-mailbox.js";
import { guidAt } from "./parking.js";
import { NO_GUID } from "./reading.js";
import { refusing } from "./refusing.js";
import { ASIDE } from "./scratch-areas.js";
import { type StoreContext, underLock } from "./store-context.js";
import { type UndoLog, undoing } from "./undo-log.js";

/** A mailbox under its lock, as read just now. */
interface Grip {
  readonly context: StoreContext;
  readonly known: KnownMailbox;
  readonly path: RawPath;
  readonly dirs: MailboxDirs;
  /** Undefined where none is yet: a copy that no Dovecot has looked at. */
  readonly uidlist: Uidlist | undefined;
  readonly lock: Dotlock;
  readonly undo: UndoLog;
}

type Gripped<T> =
  | { readonly kind: "busy"; readonly by: string; readonly ageMs: number }
  | { readonly kind: "diverged"; readonly divergence: Divergence }
  | { readonly kind: "held"; readonly value: T };

const NOTHING_MOVED: Moved = { kind: "applied", effect: NO_EFFECT, moved: 0, absent: 0 };
/** A deletion that no source has sent, but for where. */
const NO_CHANGE = {
  uidNext: 1,
  headerExtra: "",
  fileOwner: { uid: 0, gid: 0, mode: 0o600 },
  structure: { kind: "delete" },
  changes: [],
  capturedMs: 0,
} as const;

/**
 * Moves messages out of, or back into, the mailbox at that path. Bases that are not there, or not foreign, count as absent. What the
 * system refuses in that mailbox is its divergence.
 */
export function moveForeign(context: StoreContext, root: Dir, request: ForeignRequest): ForeignOutcome {
  const where = { mailbox: guidAt(root, request.path) ?? NO_GUID, path: request.path };
  const outcome = refusing({ ...where, mailbox: NO_GUID }, () => moveOrThrow(context, root, request));
  if (outcome.kind !== "diverged") return outcome;
  // Its lock was taken away after all was done, or what was done could not be taken back: no transaction comes that would tell.
  const limbo = request.action === "limbo" ? lostRows(context, root, where) : [];
  context.limbo.remember(limbo);
  return { ...outcome, limbo };
}

type Moved =
  | Exclude<ForeignOutcome, { readonly kind: "diverged" }>
  | { readonly kind: "diverged"; readonly divergence: Divergence };

function moveOrThrow(context: StoreContext, root: Dir, request: ForeignRequest): Moved {
  const { path, bases, action, hashes = [] } = request;
  if (action === "limbo" && bases.length === 0) return removeEmptied(context, root, path);
  const wanted: ReadonlySet<string> = new Set(bases);
  if (action === "restore" && !hasAside(context, path)) return NOTHING_MOVED;
  const gripped = grip(context, root, { path, mailbox: undefined }, (it) => {
    switch (action) {
      case "limbo":
        return toLimbo(it, wanted);
      case "aside":
        return { moved: setAside(it, wanted), rows: [] };
      case "restore":
        return { moved: restore(it, wanted), rows: [] };
    }
  });
  if (gripped.kind !== "held") return gripped;
  const { moved } = gripped.value;
  const hashByBase = new Map(hashes.flatMap((hash, i) => (bases[i] === undefined ? [] : [[bases[i], hash] as const])));
  const rows = confirmCopies(context.limbo, gripped.value.rows, hashByBase);
  context.limbo.remember(rows);
  const effect = { ...NO_EFFECT, limbo: rows };
  return { kind: "applied", effect, moved, absent: Math.max(0, wanted.size - moved) };
}

/**
 * A mailbox that the source does not have, and whose mail went to the limbo, follows it there: as an empty folder it would be
 * all that is left of what was to go. One that holds mail, or that was ever applied to, stays.
 */
function removeEmptied(context: StoreContext, root: Dir, path: RawPath): Moved {
  const opened = openMailbox(root, { mailbox: NO_GUID, path });
  if (opened.kind === "diverged") return opened;
  if (opened.kind === "absent") return NOTHING_MOVED;
  const { dir } = opened;
  try {
    const read = new UidlistReader().read(dir);
    const mailbox = "uidlist" in read ? read.uidlist.header.guid : undefined;
    if (!("uidlist" in read) || mailbox === undefined || context.cache.rowOf(mailbox) !== undefined)
      return NOTHING_MOVED;
    const hasCur = dir.stat(CUR)?.kind === "directory";
    using dirs = new MailboxDirs(dir);
    if (hasCur && !isEmptyOfMail(dirs)) return NOTHING_MOVED;
    const found = { kind: "found", path, dir, uidlist: read.uidlist, hasCur } as const;
    const removal = { ...NO_CHANGE, mailbox, path, uidValidity: read.uidlist.header.uidValidity };
    const outcome = deleteMailbox(context, root, { known: context.cache.get(mailbox), found, txn: removal });
    assert(outcome.kind !== "lacking", "a removal needs no body");
    return outcome.kind === "applied" ? { kind: "applied", effect: outcome.effect, moved: 1, absent: 0 } : outcome;
  } finally {
    closeBelow(root, dir);
  }
}

/** Gives foreign messages with some UIDs, and from a UID on, other ones, above both next UIDs, in ascending order of the old ones (R12). */
export function yieldUids(
  context: StoreContext,
  root: Dir,
  { mailbox, uids, from, floor }: YieldRequest,
): YieldOutcome {
  const row = context.cache.rowOf(mailbox);
  const isHome = row !== undefined && guidAt(root, row.path) === mailbox;
  const known = context.cache.get(mailbox);
  const path = isHome ? row.path : context.whereabouts.of(root, mailbox, row && writtenAs(known, row.path));
  if (path === undefined) {
    const missing = divergence({ kind: "mailbox-missing", mailbox, path: row?.path ?? ROOT_PATH });
    return { kind: "diverged", divergence: missing };
  }
  const yielding: ReadonlySet<number> = new Set(uids);
  const gripped = grip(context, root, { path, mailbox }, (it) => {
    const places = listPlaces(it.dirs, () => true);
    const moving = foreignRecords(it, places).filter(({ uid }) => uid >= from || yielding.has(uid));
    const first = Math.max(floor, nextUidOf(it));
    const moves = moving.map(({ uid, base }, i): UidMove => ({ base, fromUid: uid, toUid: parseUid(first + i) }));
    const uidNext = Math.max(first + moving.length, nextUidOf(it));
    if (moving.length === 0) return { moves, uidNext: nextUidOf(it) };
    const add = moving.map(({ base, fields }, i) => ({ uid: parseUid(first + i), base, fields }));
    rewrite(it, { drop: new Set(moving.map(({ uid }) => uid)), add, uidNext });
    return { moves, uidNext };
  });
  return gripped.kind === "held" ? { kind: "yielded", ...gripped.value } : gripped;
}

function grip<T>(
  context: StoreContext,
  root: Dir,
  where: { readonly path: RawPath; readonly mailbox: MailboxGuid | undefined },
  use: (it: Grip) => T,
): Gripped<T> {
  const mailbox = where.mailbox ?? NO_GUID;
  const { path } = where;
  const missing = { kind: "diverged", divergence: divergence({ kind: "mailbox-missing", mailbox, path }) } as const;
  const opened = openMailbox(root, { mailbox, path });
  if (opened.kind === "absent") return missing;
  if (opened.kind === "diverged") return opened;
  const { dir } = opened;
  try {
    const first = new UidlistReader().read(dir);
    const guid = "uidlist" in first ? first.uidlist.header.guid : undefined;
    if (where.mailbox !== undefined && guid !== mailbox) return missing;
    if (guid === undefined && dir.stat(CUR)?.kind !== "directory") return missing;
    const known = context.cache.get(guid ?? NO_GUID);
    if (guid === undefined) known.uidlist.forget(); // of another mailbox without a name.
    const held = underLock(context, { known, dir }, (lock): T | Divergence => {
      using dirs = new MailboxDirs(dir);
      const read = known.uidlist.read(dir);
      const damage = damageOf(read, { mailbox: known.guid, path });
      if (damage !== undefined) return damage;
      const uidlist = "uidlist" in read ? read.uidlist : undefined;
      return undoing(context.life, (undo) => use({ context, known, path, dirs, uidlist, lock, undo }));
    });
    if (held.kind === "busy") return held;
    const { value } = held;
    return isDivergence(value) ? { kind: "diverged", divergence: value } : { kind: "held", value };
  } finally {
    closeBelow(root, dir);
  }
}

function isDivergence(value: unknown): value is Divergence {
  return typeof value === "object" && value !== null && "words" in value && "kind" in value;
}

/** Records with a file that was never applied here, ascending by UID. */
function foreignRecords({ known, uidlist }: Grip, places: ReadonlyMap<string, Place>): UidlistRecord[] {
  const records: UidlistRecord[] = [];
  if (uidlist === undefined) return records;
  for (const base of places.keys()) {
    const index = uidlist.indexOfBase(base);
    if (index < 0 || !isBaseName(base)) continue;
    const uid = uidlist.uidAt(index);
    if (known.baseline?.record(uid)?.base === base) continue;
    records.push({ uid, base, fields: uidlist.fieldsAt(index) });
  }
  return records.sort((a, b) => a.uid - b.uid);
}

function isApplied(it: Grip, base: string): boolean {
  const uid = uidOf(it, base);
  return uid !== undefined && it.known.baseline?.record(uid)?.base === base;
}

function uidOf({ uidlist }: Grip, base: string): Uid | undefined {
  const index = uidlist?.indexOfBase(base) ?? -1;
  return uidlist === undefined || index < 0 ? undefined : uidlist.uidAt(index);
}

function nextUidOf({ uidlist }: Grip): number {
  return uidlist?.nextUid ?? 1;
}

function foreignPlaces(it: Grip, wanted: ReadonlySet<string>): [string, Place][] {
  return [...listPlaces(it.dirs, (base) => wanted.has(base))].filter(([base]) => !isApplied(it, base));
}

function toLimbo(
  it: Grip,
  wanted: ReadonlySet<string>,
): { readonly moved: number; readonly rows: readonly LimboRow[] } {
  const steps = foreignPlaces(it, wanted).flatMap(([base, place]): ApplyStep[] => {
    const file = fileAt(it.dirs, place);
    const uid = uidOf(it, base) ?? 0;
    if (file === undefined) return [];
    return [{ kind: "limbo", file, subject: { uid, base, size: file.size, cause: "foreign" } }];
  });
  return { moved: steps.length, rows: run(it, steps) };
}

function setAside(it: Grip, wanted: ReadonlySet<string>): number {
  const places = foreignPlaces(it, wanted);
  const drop = new Set<number>();
  const aside = openAside(it);
  for (const [base, { dir: dirName, name }] of places) {
    const dir = it.dirs.of(dirName);
    refuseTaken(aside, name); // set aside by a run that was killed, and put here once more by somebody.
    it.undo.pushRename(aside, name, dir, name);
    moveWithin(dir, name, aside, name);
    const uid = uidOf(it, base);
    if (uid !== undefined) drop.add(uid);
  }
  aside.sync();
  it.dirs.cur.sync();
  if (drop.size > 0) rewrite(it, { drop, add: [], uidNext: nextUidOf(it) });
  return places.length;
}

/** As new mail: their old UIDs may have been seen, and gone, in between. */
function restore(it: Grip, wanted: ReadonlySet<string>): number {
  const add: UidlistRecord[] = [];
  if (it.uidlist === undefined) return 0; // it has no identity yet: the source's comes first.
  const aside = openAside(it);
  for (const name of aside.list().sort()) {
    const base = splitBaseName(name);
    if ((wanted.size > 0 && !wanted.has(base)) || !isBaseName(base) || uidOf(it, base) !== undefined) continue;
    const target = name === base && isRawName(`${base}:2,`) ? `${base}:2,` : name;
    if (it.dirs.cur.stat(target) !== undefined) continue; // another file has that name by now: this one stays aside.
    it.undo.pushRename(it.dirs.cur, target, aside, name);
    moveWithin(aside, name, it.dirs.cur, target);
    add.push({ uid: parseUid(nextUidOf(it) + add.length), base, fields: "" });
  }
  it.dirs.cur.sync();
  if (add.length > 0) rewrite(it, { drop: new Set(), add, uidNext: nextUidOf(it) + add.length });
  if (aside.list().length === 0) removeAside(it);
  return add.length;
}

function rewrite(
  it: Grip,
  {
    drop,
    add,
    uidNext,
  }: { readonly drop: ReadonlySet<number>; readonly add: readonly UidlistRecord[]; readonly uidNext: number },
): void {
  const header = { uidNext, extra: it.uidlist?.header.extra ?? "", reset: undefined };
  run(it, [{ kind: "nudge" }, { kind: "rewrite-uidlist", header, drop, replace: new Map(), add }]);
}

function run({ context, known, path, dirs, uidlist, lock, undo }: Grip, steps: readonly ApplyStep[]): LimboRow[] {
  const owner = { mailbox: known.guid, path };
  const { limbo, life, clock } = context;
  return executeSteps(steps, {
    ...{ dirs, lock, uidlist, undo, staged: new Map(), stagedIn: [] },
    openLimbo: () => limbo.open(owner, undo),
    reach: life.reach,
    nowMs: () => clock.nowMs(),
  });
}

/** scratch/aside/NAME */
function openAside(it: Grip): Dir {
  const { disk, options } = it.context;
  return it.undo.hold(openMade(disk, options.scratchRoot, [ASIDE, asideName(it.path)]));
}

/** Whether something of that mailbox was set aside. */
function hasAside({ disk, options }: StoreContext, path: RawPath): boolean {
  const aside = openScratch(disk, options.scratchRoot, [ASIDE, asideName(path)]);
  aside?.close();
  return aside !== undefined;
}

/** All of it is back: what is left in scratch/aside/ tells whether something is still to be put back. */
function removeAside({ context: { disk, options }, path }: Grip): void {
  const parent = openScratch(disk, options.scratchRoot, [ASIDE]);
  try {
    parent?.rmdir(asideName(path));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error; // only an empty directory stays.
  } finally {
    parent?.close();
  }
}

/** The mailbox's path with all but plain characters as %XX. */
function asideName(path: RawPath): RawName {
  const encoded = `%${path.replace(/[^A-Za-z0-9._-]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`)}`;
  const name = encoded.length <= 200 ? encoded : `%${sha256(Buffer.from(path, "latin1")).toString("hex")}`;
  assert(isRawName(name), "an aside name is a file name");
  return name;
}
