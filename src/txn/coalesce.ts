/**
 * The shortest list of changes with the same effect: what is sent when a replica is behind, so that a draft saved ten
 * times, or a flag set and taken back, costs nothing.
 *
 * INVARIANT: applying the result equals applying the given list, to any state that the list fits.
 * UIDs that came and went inside the list are not mentioned any more; the transaction's `uidNext` still covers them.
 */
import { assert } from "../base/assert.js";
import type { BaseName, Uid } from "../maildir/ids.js";
import { orderChanges } from "./change-order.js";
import { mergeMarks } from "./marks.js";
import { type MessageMarks, type MessageState, sameMarks } from "./message-state.js";
import type { Change, MarksChange, RebindChange, SaveChange } from "./transaction.js";

/** One message's fate over the list. It was there before (`from`), or was saved within it. */
interface Fate {
  readonly from?: { readonly uid: Uid; readonly base: BaseName };
  /** Set while only its marks changed. */
  readonly marks?: { readonly before: MessageMarks; readonly after: MessageMarks };
  /** Known once it was saved or rebound. */
  readonly message?: MessageState;
  readonly save?: Pick<SaveChange, "origin" | "owner">;
}

/** Changes of one mailbox, in the order in which they happened. The result is in the order of `orderChanges`. */
export function coalesce(changes: readonly Change[]): Change[] {
  const fateByUid = new Map<Uid, Fate>();
  const ended: Change[] = [];
  for (const change of changes) {
    switch (change.kind) {
      case "save":
        place(fateByUid, change.message.uid, saved(change));
        break;
      case "marks":
        fateByUid.set(change.uid, marked(fateByUid.get(change.uid), change));
        break;
      case "rebind": {
        const fate = fateByUid.get(change.fromUid);
        fateByUid.delete(change.fromUid);
        place(fateByUid, change.message.uid, rebound(fate, change));
        break;
      }
      case "expunge": {
        const fate = fateByUid.get(change.uid);
        fateByUid.delete(change.uid);
        if (fate === undefined) ended.push(change);
        else if (fate.from !== undefined) ended.push({ kind: "expunge", ...fate.from });
        break;
      }
    }
  }
  return orderChanges([...ended, ...outcomes(fateByUid)]);
}

function place(fateByUid: Map<Uid, Fate>, uid: Uid, fate: Fate): void {
  assert(!fateByUid.has(uid), `UID ${uid} is placed while it is taken`);
  fateByUid.set(uid, fate);
}

function saved({ message, origin, owner }: SaveChange): Fate {
  return { message, save: { ...(origin === undefined ? {} : { origin }), ...(owner === undefined ? {} : { owner }) } };
}

function marked(fate: Fate | undefined, { uid, base, before, after }: MarksChange): Fate {
  if (fate?.message !== undefined) {
    return { ...fate, message: { ...fate.message, ...mergeMarks(fate.message, before, after) } };
  }
  if (fate?.marks === undefined) return { from: { uid, base }, marks: { before, after } };
  return { ...fate, marks: { before: fate.marks.before, after: mergeMarks(fate.marks.after, before, after) } };
}

function rebound(fate: Fate | undefined, { fromUid, fromBase, message }: RebindChange): Fate {
  if (fate?.save !== undefined) return { save: fate.save, message };
  return { from: fate?.from ?? { uid: fromUid, base: fromBase }, message };
}

function outcomes(fateByUid: ReadonlyMap<Uid, Fate>): Change[] {
  return [...fateByUid].flatMap(([uid, { from, marks, message, save }]): Change[] => {
    if (message !== undefined && save !== undefined) return [{ kind: "save", message, ...save }];
    if (from === undefined) return [];
    if (message === undefined) {
      if (marks === undefined || sameMarks(marks.before, marks.after)) return [];
      return [{ kind: "marks", ...from, ...marks }];
    }
    // Where a UID was left by one message and given to another, only expunge and save are right in the final order.
    const leftForAnother = from.uid !== uid && fateByUid.has(from.uid);
    if (leftForAnother)
      return [
        { kind: "expunge", ...from },
        { kind: "save", message },
      ];
    return [{ kind: "rebind", fromUid: from.uid, fromBase: from.base, message }];
  });
}
