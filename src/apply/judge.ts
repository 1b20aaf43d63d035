/**
 * Whether a transaction fits this replica, before any of its bodies is asked for. A look without the lock: what it says
 * is looked at again under it, when the transaction is executed.
 */
import type { Dir } from "../base/disk.js";
import { readKeywords } from "../maildir/keywords.js";
import type { Transaction } from "../txn/transaction.js";
import { decideAdoption, isEmptyOfMail } from "./apply-messages.js";
import type { BodyParts } from "./apply-types.js";
import { isAstray, locateAnywhere } from "./astray.js";
import { refuseBarred } from "./create-mailbox.js";
import { type Divergence, divergence } from "./divergence.js";
import { emptyView, gatherView } from "./gather.js";
import { trustOf } from "./held-bodies.js";
import { closeBelow, type Located, openMailbox } from "./locate.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import { MailboxDirs, refusePath } from "./mailbox-place.js";
import type { BodyNeed } from "./mailbox-view.js";
import { siteOf } from "./move-mailbox.js";
import { isAway } from "./parking.js";
import type { Pending } from "./pending.js";
import { planApply } from "./plan.js";
import type { StoreContext } from "./store-context.js";

/**
 * Which bodies the transaction takes, judged without the lock; or why it does not fit. Remembers in `pending` what a listing
 * told, for the execution, and which bodies are here but not known to be the source's.
 */
export function judgeTransaction(context: StoreContext, root: Dir, pending: Pending): readonly BodyNeed[] | Divergence {
  const { txn, gone, voidBelow } = pending;
  const known = context.cache.get(txn.mailbox);
  const located = locateAnywhere(context.whereabouts, root, known, txn);
  if (located.kind === "diverged") return located.divergence;
  if (located.kind === "found" && located.hasCur) {
    try {
      return judgeFound(context, pending, known, located);
    } finally {
      closeBelow(root, located.dir);
    }
  }
  if (located.kind === "found") closeBelow(root, located.dir);
  const isMoving =
    located.kind === "found"
      ? txn.structure?.kind === "rename" || isAstray(known, located.path, txn)
      : isAway(context, txn.mailbox); // it comes back then.
  if (txn.structure?.kind !== "create" && !isMoving) return missing(txn);
  const occupied = isMoving ? undefined : refuseSite(root, txn);
  if (occupied !== undefined) return occupied;
  return needsFromNothing(txn, gone, voidBelow);
}

/** Which bodies it takes where the mailbox is not there yet, or is not known: that of every save, unless it has other changes. */
export function needsFromNothing(
  txn: Transaction,
  gone: ReadonlySet<number>,
  voidBelow: number,
): readonly BodyNeed[] | Divergence {
  const saves = savesOf(txn);
  if (saves !== undefined) return saves.filter(({ index, uid }) => !gone.has(index) && uid >= voidBelow);
  const planned = planApply({ view: emptyView(), txn, gone, voidBelow });
  return planned.kind === "plan" ? planned.plan.needs : planned.divergence;
}

/**
 * Those of a transaction that brings all of them: whether it fits is found out when it is executed, and the mailbox need not be read
 * before. Undefined where something else has to be looked at.
 */
export function needsOfBrought(txn: Transaction, along: readonly BodyParts[]): readonly BodyNeed[] | undefined {
  if (along.length === 0 || txn.structure !== undefined) return undefined;
  const brought = new Set(along.map(({ index }) => index));
  const saves = savesOf(txn);
  return saves?.every(({ index }) => brought.has(index)) === true ? saves : undefined;
}

/** Undefined unless it is nothing but saves, each of another base name: what a mailbox is filled with. */
function savesOf({ changes }: Transaction): BodyNeed[] | undefined {
  const needs: BodyNeed[] = [];
  const bases = new Set<string>();
  for (const [index, change] of changes.entries()) {
    if (change.kind !== "save") return undefined;
    const { uid, base, size } = change.message;
    needs.push({ index, uid, base, size });
    bases.add(base);
  }
  return bases.size === needs.length ? needs : undefined;
}

function judgeFound(
  { clock }: StoreContext,
  pending: Pending,
  known: KnownMailbox,
  { dir, uidlist }: Extract<Located, { kind: "found" }>,
): readonly BodyNeed[] | Divergence {
  const { txn, gone, voidBelow } = pending;
  using dirs = new MailboxDirs(dir);
  const verdict = decideAdoption(txn, uidlist, () => isEmptyOfMail(dirs));
  if (verdict.kind === "diverged") return verdict.divergence;
  const { adoption } = verdict;
  const nowMs = clock.nowMs();
  const { view, sighting } = gatherView({
    ...{ txn, known, dirs, uidlist, adoption, nowMs },
    keywords: readKeywords(dir),
    before: undefined,
  });
  pending.sighting = sighting;
  const planned = planApply({ view, txn, gone, voidBelow, trust: trustOf(pending, view.appliedByUid) });
  if (planned.kind !== "plan") return planned.divergence;
  if (pending.bodiesAnew) return planned.plan.needs; // none of them is to be asked about.
  for (const [index, { dir: heldIn, name, ino, size, mtimeS }] of planned.plan.held) {
    pending.held.set(index, { dir: heldIn, name, ino, size, mtimeS, sha256: undefined, isConfirmed: false });
  }
  return planned.plan.needs;
}

/** A mailbox that is to be created finds another one in its place, or what no mailbox can be made of. */
function refuseSite(root: Dir, txn: Transaction): Divergence | undefined {
  const opened = openMailbox(root, txn);
  if (opened.kind === "diverged") return opened.divergence;
  if (opened.kind === "absent") return undefined;
  try {
    if (siteOf(root, txn.path) !== "mailbox") return refuseBarred(opened.dir, txn);
    using dirs = new MailboxDirs(opened.dir);
    const { mailbox, path } = txn;
    return isEmptyOfMail(dirs) ? undefined : divergence({ kind: "mailbox-occupied", mailbox, path });
  } finally {
    closeBelow(root, opened.dir);
  }
}

export function missing({ mailbox, path }: Transaction): Divergence {
  return divergence({ kind: "mailbox-missing", mailbox, path });
}

/** A path that no mailbox may have. */
export function refuseTransaction({ mailbox, path, structure }: Transaction): Divergence | undefined {
  const why = refusePath(path) ?? (structure?.kind === "rename" ? refusePath(structure.from) : undefined);
  return why === undefined ? undefined : divergence({ kind: "path-refused", mailbox, path, why });
}
