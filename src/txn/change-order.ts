/**
 * The one order in which the changes of a transaction stand: expunges, then what happens to a message under its UID,
 * then everything that comes to be under a new UID, ascending.
 *
 * INVARIANT: new UIDs ascend over saves and rebinds together, because a replica cannot insert below a UID that its
 * Dovecot has passed, wherever a long list is cut.
 */
import type { Uid } from "../maildir/ids.js";
import type { Change, RebindChange, SaveChange } from "./transaction.js";

/** The UID that comes to be by this change, if one does. */
export function placedUid(change: Change): Uid | undefined {
  return isPlacing(change) ? change.message.uid : undefined;
}

/** The lowest UID that comes to be by these changes, where that is below `otherwise`. */
export function lowestPlaced(changes: readonly Change[], otherwise: number): number {
  return changes.reduce((least, change) => Math.min(least, placedUid(change) ?? least), otherwise);
}

/** Bytes of the body that comes with it. What was copied or moved is there already, as a rule; a replica that lacks it asks for it in parts. */
export function bodyBytesOf(change: Change): number {
  return change.kind === "save" && change.origin === undefined ? change.message.size : 0;
}

/** Sorted copy. Applying it in sequence is right if no UID is both left by a rebind and placed again. */
export function orderChanges(changes: readonly Change[]): Change[] {
  return changes.toSorted((a, b) => {
    const stages = stageOf(a) - stageOf(b);
    return stages === 0 ? uidOf(a) - uidOf(b) : stages;
  });
}

function isPlacing(change: Change): change is SaveChange | RebindChange {
  return change.kind === "save" || (change.kind === "rebind" && change.fromUid !== change.message.uid);
}

function stageOf(change: Change): number {
  if (change.kind === "expunge") return 0;
  return isPlacing(change) ? 2 : 1;
}

function uidOf(change: Change): Uid {
  return change.kind === "save" || change.kind === "rebind" ? change.message.uid : change.uid;
}
