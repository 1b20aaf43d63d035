/**
 * The worker thread that owns the writing connections to the state databases of this process: most have one, a local twin
 * has one for each side. Started by `startStateThread`.
 */
import { assert } from "../base/assert.js";
import { serveWorker } from "../base/worker-host.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { GroupCommit } from "./group-commit.js";
import { openStateForWriting } from "./state-file.js";
import type { CaptureCommit, EffectCommit, RejectionRow } from "./state-types.js";
import { StateWrites } from "./state-writes.js";

/** What a call is about. `db`: as the caller numbered it when it was opened. */
interface Of<T> {
  readonly db: number;
  readonly value: T;
}

/** Each takes one argument, as calls between threads do; otherwise those of `StateWriter`. */
export type StateWriterMethods = ReturnType<typeof makeMethods>;

function openDb(path: string, create: boolean) {
  const db = openStateForWriting(path, { create });
  return { db, writes: new StateWrites(db), group: new GroupCommit(db) };
}

function makeMethods() {
  const openedByNumber = new Map<number, ReturnType<typeof openDb>>();
  /** A method that writes. */
  const writing =
    <T, R>(write: (writes: StateWrites, value: T) => R) =>
    ({ db, value }: Of<T>): Promise<R> => {
      const opened = openedByNumber.get(db);
      assert(opened !== undefined, `state database ${db} is open`);
      return opened.group.run(() => write(opened.writes, value));
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
    setCursor: writing((writes, { replica, lsn }: { readonly replica: string; readonly lsn: number }) =>
      writes.setCursor(replica, lsn),
    ),
    trimLog: writing((writes, lsn: number) => writes.trimLog(lsn)),
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
