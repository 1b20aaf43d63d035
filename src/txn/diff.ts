/**
 * What happened between two states of one mailbox, as changes. Pure; linear in the number of messages.
 *
 * INVARIANT: `applyChanges(before, diffMessages(before, after))` equals `after`, for any two states.
 *
 * A message that moved is recognised by its base name, which stays while the message lives. A base name that changed
 * under its UID is still the same message if its GUID says so: Dovecot, when it repairs sizes in a name, keeps the old
 * name as the record's G field. A UID that went to another message breaks what clients were promised; it comes out as an
 * expunge and a save, and `reusedUids` names it.
 */
import type { BaseName, Uid } from "../maildir/ids.js";
import { orderChanges } from "./change-order.js";
import { marksOf } from "./marks.js";
import { type MessageState, sameMarks } from "./message-state.js";
import type { Change, ExpungeChange, RebindChange, SaveChange } from "./transaction.js";

/** Both ascending by UID, base names unique in each. The result is in the order of `orderChanges`. */
export function diffMessages(before: readonly MessageState[], after: readonly MessageState[]): Change[] {
  const { kept, gone, come } = pairByUid(before, after);
  const changes: Change[] = [];
  for (const [old, now] of kept) {
    const change = changeUnderUid(old, now);
    if (change !== undefined) changes.push(change);
  }
  return orderChanges([...changes, ...moves(gone, come)]);
}

export interface ReusedUid {
  readonly uid: Uid;
  readonly before: BaseName;
  readonly after: BaseName;
}

/** UIDs that name another message in `after` than in `before`: never right under one UIDVALIDITY. Both ascending by UID. */
export function reusedUids(before: readonly MessageState[], after: readonly MessageState[]): ReusedUid[] {
  const { gone, come } = pairByUid(before, after);
  const goneByUid = new Map(gone.map((message) => [message.uid, message]));
  return come.flatMap(({ uid, base }) => {
    const old = goneByUid.get(uid);
    return old === undefined ? [] : [{ uid, before: old.base, after: base }];
  });
}

/** The message's GUID as Dovecot tells it: the record's G field, or else the base name. */
export function messageGuid({ base, fields }: Pick<MessageState, "base" | "fields">): string {
  if (!fields.includes("G")) return base; // nearly every record.
  return /(?:^| )G([^ ]+)/.exec(fields)?.[1] ?? base;
}

interface Pairing {
  /** One message, before and after, under one UID. */
  readonly kept: readonly (readonly [MessageState, MessageState])[];
  readonly gone: readonly MessageState[];
  readonly come: readonly MessageState[];
}

function pairByUid(before: readonly MessageState[], after: readonly MessageState[]): Pairing {
  const kept: [MessageState, MessageState][] = [];
  const gone: MessageState[] = [];
  const come: MessageState[] = [];
  let i = 0;
  let j = 0;
  for (;;) {
    const old = before[i];
    const now = after[j];
    if (old === undefined && now === undefined) return { kept, gone, come };
    if (now === undefined || (old !== undefined && old.uid < now.uid)) {
      if (old !== undefined) gone.push(old);
      i += 1;
    } else if (old === undefined || now.uid < old.uid) {
      come.push(now);
      j += 1;
    } else {
      if (old.base === now.base || messageGuid(old) === messageGuid(now)) kept.push([old, now]);
      else {
        gone.push(old);
        come.push(now);
      }
      i += 1;
      j += 1;
    }
  }
}

function changeUnderUid(old: MessageState, now: MessageState): Change | undefined {
  const sameFile =
    old.base === now.base && old.size === now.size && old.mtimeS === now.mtimeS && old.fields === now.fields;
  if (!sameFile) return { kind: "rebind", fromUid: old.uid, fromBase: old.base, message: now };
  if (sameMarks(old, now)) return undefined;
  return { kind: "marks", uid: now.uid, base: now.base, before: marksOf(old), after: marksOf(now) };
}

/**
 * A base name under another UID is a rebind if neither UID has another meaning on the other side. Otherwise it falls
 * apart into expunge and save, which are right in any order of UIDs.
 */
function moves(gone: readonly MessageState[], come: readonly MessageState[]): Change[] {
  const goneByBase = new Map(gone.map((message) => [message.base, message]));
  const goneUids = new Set(gone.map(({ uid }) => uid));
  const comeUids = new Set(come.map(({ uid }) => uid));
  const arrivals = come.map((message): SaveChange | RebindChange => {
    const old = goneByBase.get(message.base);
    if (old === undefined || goneUids.has(message.uid) || comeUids.has(old.uid)) return { kind: "save", message };
    goneByBase.delete(old.base);
    return { kind: "rebind", fromUid: old.uid, fromBase: old.base, message };
  });
  const left = gone.filter(({ base }) => goneByBase.has(base));
  return [...left.map(({ uid, base }): ExpungeChange => ({ kind: "expunge", uid, base })), ...arrivals];
}
