/**
 * The worker thread behind `StateWriter`, with a writing connection to each state database of this process: most have one, a local twin
 * has one for each side. Started by `startStateThread`.
 */
import { assert } from "../base/assert.js";
import { serveWorker } from "../base/worker-host.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { CursorWrites } from "./cursor-writes.js";
import { GroupCommit } from "./group-commit.js";
import { openStateForWriting } from "./state-file.js";
import type { CaptureCommit, EffectCommit, RejectionRow, TrimCommit } from "./state-types.js";
import { StateWrites } from "./state-writes.js";
import { dropInSlices, trimInSlices } from "./trim-slices.js";

/** What a call is about. `db`: as the caller numbered it when it was opened. */
interface Of<T> {
  readonly db: number;
  readonly value: T;
}

interface At {
  readonly replica: string;
  readonly lsn: number;
}

/** Each takes one argument, as calls between threads do; otherwise those of `StateWriter`. */
export type StateWriterMethods = ReturnType<typeof makeMethods>;

function openDb(path: string, create: boolean) {
  const db = openStateForWriting(path, { create });
  return { db, writes: new StateWrites(db), cursors: new CursorWrites(db), group: new GroupCommit(db) };
}

function makeMethods() {
  const openedByNumber = new Map<number, ReturnType<typeof openDb>>();
  const openedOf = (db: number) => {
    const opened = openedByNumber.get(db);
    assert(opened !== undefined, `state database ${db} is open`);
    return opened;
  };
  /** A method that writes. */
  const writing =
    <T, R>(write: (writes: StateWrites, value: T) => R) =>
    ({ db, value }: Of<T>): Promise<R> => {
      const { group, writes } = openedOf(db);
      return group.run(() => write(writes, value));
    };
  /** A method that writes about who needs the log. */
  const moving =
    <T, R>(write: (cursors: CursorWrites, value: T) => R) =>
    ({ db, value }: Of<T>): Promise<R> => {
      const { group, cursors } = openedOf(db);
      return group.run(() => write(cursors, value));
    };
  return {
    open: ({ db, value }: Of<{ readonly path: string; readonly create: boolean }>): void => {
      openedByNumber.set(db, openDb(value.path, value.create));
    },
    /** Behind everything that was called before. */
    close: async ({ db }: { readonly db: number }): Promise<void> => {
      const opened = openedByNumber.get(db);
      await opened?.group.run(() => undefined);
      opened?.db[Symbol.dispose]();
      openedByNumber.delete(db);
    },
    appendCaptured: writing((writes, captured: CaptureCommit) => writes.appendCaptured(captured)),
    setCursor: moving((cursors, { replica, lsn }: At) => cursors.setCursor(replica, lsn)),
    trimLog: ({ db, value }: Of<number>): Promise<void> => {
      const { group, cursors } = openedOf(db);
      return dropInSlices(group, cursors, value);
    },
    trim: ({ db, value }: Of<TrimCommit>): Promise<void> => {
      const { group, cursors } = openedOf(db);
      return trimInSlices(group, cursors, value);
    },
    addReplica: moving((cursors, { replica, nowMs }: { readonly replica: string; readonly nowMs: number }) =>
      cursors.addReplica(replica, nowMs),
    ),
    forgetReplica: moving((cursors, replica: string) => cursors.forgetReplica(replica)),
    clearResync: moving((cursors, { replica, lsn }: At) => cursors.clearResync(replica, lsn)),
    putIntent: writing((writes, bytes: Uint8Array) => writes.putIntent(bytes)),
    recordEffect: writing((writes, effect: EffectCommit) => writes.recordEffect(effect)),
    dropLimbo: writing((writes, names: readonly string[]) => writes.dropLimbo(names)),
    putRejection: writing((writes, row: RejectionRow) => writes.putRejection(row)),
    dropRejections: writing(
      (writes, { replica, mailbox }: { readonly replica: string; readonly mailbox: MailboxGuid }) =>
        writes.dropRejections(replica, mailbox),
    ),
    setMeta: writing((writes, { key, value }: { readonly key: string; readonly value: string }) =>
      writes.setMeta(key, value),
    ),
  };
}

serveWorker<StateWriterMethods>(makeMethods());
