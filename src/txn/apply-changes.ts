/**
 * The reference model of applying: what a list of changes means, on plain values. The room that writes mail must end in
 * the same state; tests hold diff, split and run against it.
 */
import { assert } from "../base/assert.js";
import { mergeMarks } from "./marks.js";
import type { MessageState } from "./message-state.js";
import type { Change } from "./transaction.js";

/**
 * The states after the changes, in sequence, ascending by UID. A change that does not fit (a message that is not there,
 * a UID that is taken) is a programmer's error here.
 */
export function applyChanges(states: readonly MessageState[], changes: readonly Change[]): MessageState[] {
  const stateByUid = new Map(states.map((state) => [state.uid, state]));
  for (const change of changes) applyChange(stateByUid, change);
  return [...stateByUid.values()].sort((a, b) => a.uid - b.uid);
}

function applyChange(stateByUid: Map<number, MessageState>, change: Change): void {
  const find = (uid: number, base: string): MessageState => {
    const state = stateByUid.get(uid);
    assert(state?.base === base, `UID ${uid} is not bound to the base name that a change expects`);
    return state;
  };
  const place = (message: MessageState): void => {
    assert(!stateByUid.has(message.uid), `UID ${message.uid} is taken`);
    stateByUid.set(message.uid, message);
  };
  switch (change.kind) {
    case "save":
      place(change.message);
      return;
    case "marks": {
      const state = find(change.uid, change.base);
      stateByUid.set(change.uid, { ...state, ...mergeMarks(state, change.before, change.after) });
      return;
    }
    case "expunge":
      find(change.uid, change.base);
      stateByUid.delete(change.uid);
      return;
    case "rebind":
      find(change.fromUid, change.fromBase);
      stateByUid.delete(change.fromUid);
      place(change.message);
      return;
  }
}
