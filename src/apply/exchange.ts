/**
 * Two mailboxes change places: both are taken out of the store and put back, each where the other one was, so that no
 * name ever shows parts of two. For some renames' time neither is there.
 *
 * INVARIANT: what a crash leaves parked goes back into the store at the next start (`returnParked`), before anything else:
 * to where it was, or, if the other one is there already, to where that one was. The transaction then comes again.
 */
import type { Dir } from "../base/disk.js";
import { displayRaw, isRawPath, type RawPath, ROOT_PATH } from "../base/raw-name.js";
import type { MailboxRow } from "../log/state-types.js";
import { maildirError } from "../maildir/errors.js";
import { isMailboxGuid, type MailboxGuid } from "../maildir/ids.js";
import { encodeMark } from "../maildir/whose-tree.js";
import type { Transaction } from "../txn/transaction.js";
import { directoryAt } from "./astray.js";
import { type Divergence, divergence } from "./divergence.js";
import { openMade, openScratch } from "./limbo.js";
import { closeBelow, openMailbox } from "./locate.js";
import {
  guidAt,
  isAlone,
  moveIn,
  type Place,
  park,
  parkedMailboxes,
  rawNameOf,
  removeBox,
  syncPlaces,
  takeDirectory,
  unpark,
} from "./parking.js";
import { isOfMailbox } from "./refusing.js";
import { HELD, PARKED } from "./scratch-areas.js";
import { type Busy, type StoreContext, underLock } from "./store-context.js";
import { type UndoLog, undoing } from "./undo-log.js";

/** In the order in which an exchange reaches them. Other transactions do not come by. */
export const EXCHANGE_CRASH_POINTS = [
  "apply.displaced-out",
  "apply.mover-out",
  "apply.mover-in",
  "apply.displaced-in",
] as const;

/** Where the directories of two mailboxes that hold others are taken out of the store, before and after all of those. */
export const HELD_CRASH_POINTS = ["apply.directories-out", "apply.directories-back"] as const;

export type ExchangeOutcome =
  /** The row of the other mailbox, which is elsewhere now: to be recorded with the transaction's effect. */
  | { readonly kind: "settled"; readonly rows: readonly MailboxRow[] }
  | { readonly kind: "diverged"; readonly divergence: Divergence }
  | Busy;

/**
 * If the transaction's mailbox displaces another one, and that one stands at its target, they change places. All else
 * (it is done already, the other one is not there) is left to the rename as such.
 */
export function exchangePlaces(context: StoreContext, root: Dir, txn: Transaction): ExchangeOutcome {
  const { mailbox, path, structure } = txn;
  const displaces = structure?.kind === "rename" ? structure.displaces : undefined;
  if (displaces === undefined || structure?.kind !== "rename") return { kind: "settled", rows: [] };
  const homes = [context.cache.rowOf(mailbox)?.path, structure.from].filter((home) => home !== undefined);
  const elsewhere = homes.filter((home) => home !== path);
  const home = elsewhere.find((candidate) => guidAt(root, candidate) === mailbox);
  const areKnown = [mailbox, displaces].every((guid) => context.cache.rowOf(guid) !== undefined);
  if (areKnown && home !== undefined && guidAt(root, path) === displaces) {
    const changed = changePlaces(context, root, { mailbox, path: home }, { mailbox: displaces, path });
    if (changed === "occupied") {
      return { kind: "diverged", divergence: divergence({ kind: "mailbox-occupied", mailbox, path }) };
    }
    if (changed !== "done") return changed;
  }
  const now = elsewhere.find((candidate) => guidAt(root, candidate) === displaces);
  return { kind: "settled", rows: now === undefined ? [] : recordAt(context, root, displaces, now) };
}

/** A mailbox that this replica was given: by the log, or at first contact before it was sent. */
export function isOurs({ cache, whereabouts }: StoreContext, mailbox: MailboxGuid): boolean {
  return cache.rowOf(mailbox) !== undefined || whereabouts.hasStood(mailbox);
}

/**
 * Where another mailbox of ours stands at the mover's target, though the log has it elsewhere, the two change places: it goes on from
 * there by its own transaction. Undefined where none of ours is there.
 */
export function exchangeWithOccupant(
  context: StoreContext,
  root: Dir,
  { mover, path }: { readonly mover: Place; readonly path: RawPath },
): ExchangeOutcome | undefined {
  const occupant = guidAt(root, path);
  if (occupant === undefined || occupant === mover.mailbox || !isOurs(context, occupant)) return undefined;
  if (!isSound(context, root, { mailbox: occupant, path })) return undefined;
  const changed = changePlaces(context, root, mover, { mailbox: occupant, path });
  if (changed === "occupied") {
    const occupied = divergence({ kind: "mailbox-occupied", mailbox: mover.mailbox, path, occupant });
    return { kind: "diverged", divergence: occupied };
  }
  if (changed !== "done") return changed;
  context.whereabouts.forget(); // where mailboxes stand was read before these two moved.
  // Its row changes together with the mover's (`occupantRows`): a crash before that finds both recorded where the log has them.
  return { kind: "settled", rows: [] };
}

/**
 * With the mover's effect: the row of a mailbox that stands where the mover was, though the database has it where the mover is now.
 * They have changed places, in this attempt or in one that came to record nothing. One that is recorded elsewhere is astray, and
 * will be put back there.
 */
export function occupantRows(
  context: StoreContext,
  root: Dir,
  { mailbox, path }: Transaction,
  homes: readonly (RawPath | undefined)[],
): MailboxRow[] {
  return [...new Set(homes)].flatMap((home) => {
    if (home === undefined || home === path) return [];
    const other = guidAt(root, home);
    const isRecordedHere = other !== undefined && context.reader.mailboxByGuid(other)?.path === path;
    return isRecordedHere && other !== mailbox ? recordAt(context, root, other, home) : [];
  });
}

/** What is remembered of the other one says from now on where it is. */
function recordAt({ cache }: StoreContext, root: Dir, mailbox: MailboxGuid, path: RawPath): MailboxRow[] {
  const { baseline } = cache.get(mailbox);
  if (baseline === undefined) return [];
  const directory = directoryAt(root, path);
  const row = { ...baseline.row, path, fingerprint: directory === undefined ? "" : encodeMark(directory) };
  baseline.adopt([], row);
  return [row];
}

/** A person has to look at one whose uidlist is damaged: it stays where it is. */
function isSound({ cache }: StoreContext, root: Dir, place: Place): boolean {
  const opened = openMailbox(root, place);
  if (opened.kind !== "opened") return false;
  try {
    return "uidlist" in cache.get(place.mailbox).uidlist.read(opened.dir);
  } finally {
    closeBelow(root, opened.dir);
  }
}

function changePlaces(context: StoreContext, root: Dir, mover: Place, displaced: Place): "done" | "occupied" | Busy {
  const isWhole = isAlone(root, mover.path) && isAlone(root, displaced.path);
  const isRoot = mover.path === "" || displaced.path === "";
  const swap = (): "done" | "occupied" =>
    isWhole || isRoot
      ? undoing(context.life, (undo) => swapPlaces(context, root, { mover, displaced, isWhole }, undo))
      : swapAside(context, root, mover, displaced);
  // A lock moves with its directory.
  const outcome = locked(context, root, displaced, () => locked(context, root, mover, swap));
  if (outcome !== "done") return outcome;
  for (const { mailbox } of [mover, displaced])
    for (const area of [PARKED, HELD] as const) removeBox(context, area, mailbox);
  return outcome;
}

function locked<T extends "done" | "occupied" | Busy>(
  context: StoreContext,
  root: Dir,
  place: Place,
  run: () => T,
): T | Busy {
  const opened = openMailbox(root, place);
  if (opened.kind !== "opened")
    throw maildirError("mailbox-vanished", `locking ${displayRaw(place.path)}: it is not there any more`);
  try {
    const held = underLock(context, { known: context.cache.get(place.mailbox), dir: opened.dir }, run);
    return held.kind === "busy" ? held : held.value;
  } finally {
    closeBelow(root, opened.dir);
  }
}

function swapPlaces(
  context: StoreContext,
  root: Dir,
  { mover, displaced, isWhole }: { readonly mover: Place; readonly displaced: Place; readonly isWhole: boolean },
  undo: UndoLog,
): "done" | "occupied" {
  const { life } = context;
  park(context, root, displaced, { isWhole, undo });
  life.reach("apply.displaced-out");
  park(context, root, mover, { isWhole, undo });
  life.reach("apply.mover-out");
  const there = unpark(context, root, { ...mover, path: displaced.path }, undo);
  life.reach("apply.mover-in");
  const here = unpark(context, root, { ...displaced, path: mover.path }, undo);
  syncPlaces(context, root, [displaced.path, mover.path]);
  life.reach("apply.displaced-in");
  return there === "done" && here === "done" ? "done" : "occupied";
}

/**
 * Directories that hold folders stay with those, and only the mailboxes in them change. That is done out of the store: a
 * Dovecot that meets a directory without `cur/` calls it \Noselect in its index of folders, and never takes that back.
 */
function swapAside(context: StoreContext, root: Dir, mover: Place, displaced: Place): "done" | "occupied" {
  return undoing(context.life, (undo) => {
    const area = undo.hold(openMade(context.disk, context.options.scratchRoot, [HELD]));
    const boxes = [displaced, mover].filter(({ path }) =>
      [displaced, mover].every((other) => !path.startsWith(`${other.path}/`)),
    );
    for (const { mailbox, path } of boxes) takeDirectory(root, path, { area, name: rawNameOf(mailbox) }, undo);
    context.life.reach("apply.directories-out");
    const inside = (place: Place): Place => ({ ...place, path: insideOf(boxes, place.path) ?? place.path });
    swapPlaces(context, area, { mover: inside(mover), displaced: inside(displaced), isWhole: false }, undo);
    const outcomes = boxes.map((box) => giveBack(context, root, area, box, undo));
    syncPlaces(context, root, [displaced.path, mover.path]);
    context.life.reach("apply.directories-back");
    return outcomes.includes("occupied") ? "occupied" : "done";
  });
}

/** A path in the store as one in the area of held directories, if it is in one of those. */
function insideOf(boxes: readonly Place[], path: RawPath): RawPath | undefined {
  for (const box of boxes) {
    const inside = `${box.mailbox}${path.slice(box.path.length)}`;
    if ((path === box.path || path.startsWith(`${box.path}/`)) && isRawPath(inside)) return inside;
  }
  return undefined;
}

/** Puts a held directory to its path again, whoever is in it now. */
function giveBack(
  context: StoreContext,
  root: Dir,
  area: Dir,
  { mailbox, path }: Place,
  undo: UndoLog,
): "done" | "occupied" {
  const name = rawNameOf(mailbox);
  return moveIn(
    context,
    root,
    { area, name, mailbox: guidAt(area, insideOf([{ mailbox, path }], path) ?? path), path },
    undo,
  );
}

/**
 * Brings mailboxes back into the store that a broken exchange or move left out of it, where there is room for them: what is refused
 * of one stops no other. `targets`: where a move may have begun to put one.
 */
export function returnParked(context: StoreContext, root: Dir, targets: readonly RawPath[]): void {
  const pathOf = (guid: MailboxGuid): RawPath | undefined => context.cache.rowOf(guid)?.path;
  quietly(() => returnHeld(context, root, pathOf, quietly));
  quietly(() => returnAll(context, root, { pathOf, targets, each: quietly }));
}

/** How each mailbox is brought back. */
type Each = (bring: () => void) => void;

/** What stands in the way of one is named when its transaction comes, which brings it back as well; the others come back now. */
const quietly: Each = (bring) => {
  try {
    bring();
  } catch (error) {
    if (!isOfMailbox(error)) throw error;
  }
};

const strictly: Each = (bring) => bring();

type PathOf = (mailbox: MailboxGuid) => RawPath | undefined;

/** First the mailboxes into the directories that are held, as those would stand in the store; then these. */
function returnHeld(context: StoreContext, root: Dir, pathOf: PathOf, each: Each): void {
  const area = openScratch(context.disk, context.options.scratchRoot, [HELD]);
  if (area === undefined) return;
  try {
    const boxes = boxesIn(area, pathOf);
    const inside: PathOf = (guid) => insideOf(boxes, pathOf(guid) ?? ROOT_PATH);
    returnAll(context, area, { pathOf: inside, targets: [], each });
    for (const box of boxes) {
      each(() => {
        const outcome = undoing(context.life, (undo) => giveBack(context, root, area, box, undo));
        if (outcome === "done") removeBox(context, HELD, box.mailbox);
      });
    }
    if (boxes.length > 0)
      syncPlaces(
        context,
        root,
        boxes.map(({ path }) => path),
      );
  } finally {
    area.close();
  }
}

function boxesIn(area: Dir, pathOf: PathOf): Place[] {
  return area
    .list()
    .filter(isMailboxGuid)
    .map((mailbox) => ({ mailbox, path: pathOf(mailbox) }))
    .filter((box): box is Place => box.path !== undefined);
}

/** Whether the directory that the mailbox is in could not be put back. */
function isHeld({ disk, options }: StoreContext, mailbox: MailboxGuid, pathOf: PathOf): boolean {
  const home = pathOf(mailbox);
  const area = openScratch(disk, options.scratchRoot, [HELD]);
  try {
    return area !== undefined && home !== undefined && insideOf(boxesIn(area, pathOf), home) !== undefined;
  } finally {
    area?.close();
  }
}

function returnAll(
  context: StoreContext,
  root: Dir,
  { pathOf, targets, each }: { readonly pathOf: PathOf; readonly targets: readonly RawPath[]; readonly each: Each },
): void {
  const parked = parkedMailboxes(context);
  const homes = [...parked.flatMap((guid) => pathOf(guid) ?? []), ...targets];
  for (const mailbox of parked) each(() => void returnOne(context, root, mailbox, { pathOf, homes }));
}

/**
 * Before a transaction of a mailbox that is not in the store: if it is parked, brings it to where the transaction wants it,
 * or back. False when it must stay outside, since something else has taken its place.
 */
export function returnFor(context: StoreContext, root: Dir, { mailbox, path }: Transaction): boolean {
  const pathOf = (guid: MailboxGuid): RawPath | undefined => context.cache.rowOf(guid)?.path;
  returnHeld(context, root, pathOf, strictly);
  if (isHeld(context, mailbox, pathOf)) return false;
  return (
    !parkedMailboxes(context).includes(mailbox) ||
    returnOne(context, root, mailbox, { pathOf, homes: [path], wanted: path })
  );
}

interface Return {
  readonly pathOf: PathOf;
  /** Where it may have begun to return. */
  readonly homes: readonly RawPath[];
  readonly wanted?: RawPath;
}

function returnOne(context: StoreContext, root: Dir, mailbox: MailboxGuid, { pathOf, homes, wanted }: Return): boolean {
  const home = pathOf(mailbox);
  const other = home === undefined ? undefined : guidAt(root, home);
  const others = other === undefined ? undefined : pathOf(other);
  const free = [wanted, home, others].filter((path) => path !== undefined);
  // One that is half in, or half out, goes on where its uidlist is.
  const begun = [...free, ...homes].filter((path) => guidAt(root, path) === mailbox);
  for (const path of begun.length > 0 ? begun : free) {
    if (undoing(context.life, (undo) => unpark(context, root, { mailbox, path }, undo)) !== "done") continue;
    removeBox(context, PARKED, mailbox);
    syncPlaces(context, root, [path]);
    return true;
  }
  return false;
}
