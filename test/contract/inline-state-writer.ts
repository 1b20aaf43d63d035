/**
 * A `StateWriter` on the calling thread: the same writes and the same group commit without a worker. For tests that
 * need the state database but not its thread.
 */
import { CursorWrites } from "../../src/log/cursor-writes.js";
import { GroupCommit } from "../../src/log/group-commit.js";
import { openStateForWriting } from "../../src/log/state-file.js";
import type { StateWriter } from "../../src/log/state-ports.js";
import { StateWrites } from "../../src/log/state-writes.js";
import { dropInSlices, trimInSlices } from "../../src/log/trim-slices.js";

export function openInlineStateWriter(path: string): StateWriter {
  const db = openStateForWriting(path, { create: true });
  const group = new GroupCommit(db);
  const writes = new StateWrites(db);
  const cursors = new CursorWrites(db);
  let closed: Promise<void> | undefined;
  return {
    appendCaptured: (commit) => group.run(() => writes.appendCaptured(commit)),
    setCursor: (replica, lsn) => group.run(() => cursors.setCursor(replica, lsn)),
    trimLog: (lsn) => dropInSlices(group, cursors, lsn),
    trim: (commit) => trimInSlices(group, cursors, commit),
    addReplica: (replica, nowMs) => group.run(() => cursors.addReplica(replica, nowMs)),
    forgetReplica: (replica) => group.run(() => cursors.forgetReplica(replica)),
    clearResync: (replica, lsn) => group.run(() => cursors.clearResync(replica, lsn)),
    putIntent: ({ bytes }) => group.run(() => writes.putIntent(bytes)),
    recordEffect: (effect) => group.run(() => writes.recordEffect(effect)),
    dropLimbo: (names) => group.run(() => writes.dropLimbo(names)),
    putRejection: (row) => group.run(() => writes.putRejection(row)),
    dropRejections: (replica, mailbox) => group.run(() => writes.dropRejections(replica, mailbox)),
    setMeta: (key, value) => group.run(() => writes.setMeta(key, value)),
    [Symbol.asyncDispose]: () => {
      closed ??= group.run(() => undefined).then(() => db[Symbol.dispose]());
      return closed;
    },
  };
}
