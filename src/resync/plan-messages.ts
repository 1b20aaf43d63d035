/**
 * What has to change so that the messages of a replica become the source's. Pure.
 *
 * INVARIANT: a message that replication did not write is left alone, unless the source has the very same one under that UID: that is saved
 * once more, which sends no body, so that it counts as written from then on.
 * INVARIANT: what is equal and was written gives no change.
 */
import { namelessLetter } from "../maildir/keywords.js";
import { orderChanges } from "../txn/change-order.js";
import { diffMessages, messageGuid } from "../txn/diff.js";
import { type MessageState, sameRecordFields } from "../txn/message-state.js";
import type { Change, ExpungeChange } from "../txn/transaction.js";
import type { ComparedMessage } from "../wire/messages.js";

/** Both are all that there is of one range of UIDs, ascending. The result is in the order of `orderChanges`. */
export function planMessages(replica: readonly ComparedMessage[], source: readonly MessageState[]): Change[] {
  const sourceByUid = new Map(source.map((state) => [state.uid, state]));
  const before: MessageState[] = [];
  const lost: ExpungeChange[] = [];
  for (const { held, ...state } of replica) {
    const twin = sourceByUid.get(state.uid);
    const isTwin = twin !== undefined && isSame(state, twin);
    // Of what is gone on both sides the replica is told, so that it forgets that it has it.
    if (held === "lost") {
      if (!isTwin) lost.push({ kind: "expunge", uid: state.uid, base: state.base });
    } else if (isTwin && (held === "applied" || hasNameless(state, twin))) before.push(withFieldsOf(state, twin));
    else if (held === "applied") before.push(state);
  }
  return orderChanges([...lost, ...diffMessages(before, source)]);
}

/** How many of the replica's messages only it has: they stay. The same ranges as for `planMessages`. */
export function countForeign(replica: readonly ComparedMessage[], source: readonly MessageState[]): number {
  const foreign = replica.filter(({ held }) => held === "foreign");
  if (foreign.length === 0) return 0;
  const sourceByUid = new Map(source.map((state) => [state.uid, state]));
  return foreign.filter((state) => {
    const twin = sourceByUid.get(state.uid);
    return twin === undefined || !isSame(state, twin);
  }).length;
}

/** A letter without a name, of which the source knows nothing: only a change of marks takes it away, and what saves a message keeps it. */
function hasNameless({ keywords }: MessageState, twin: MessageState): boolean {
  return keywords.some((name) => namelessLetter(name) !== undefined && !twin.keywords.includes(name));
}

function isSame(state: MessageState, twin: MessageState): boolean {
  return state.base === twin.base || messageGuid(state) === messageGuid(twin);
}

/** Sizes in a record are each Dovecot's own. */
function withFieldsOf(state: MessageState, twin: MessageState): MessageState {
  return sameRecordFields(state.fields, twin.fields) ? { ...state, fields: twin.fields } : state;
}
