/**
 * The worker thread that owns the writing connection to the state database. Started by `openStateWriter`.
 */
import { workerData } from "node:worker_threads";
import { serveWorker } from "../base/worker-host.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { GroupCommit } from "./group-commit.js";
import { openStateForWriting } from "./state-file.js";
import type { CaptureCommit, EffectCommit, RejectionRow } from "./state-types.js";
import { StateWrites } from "./state-writes.js";

export interface StateWriterStart {
  readonly path: string;
  readonly create: boolean;
}

/** Each takes one argument, as calls between threads do; otherwise those of `StateWriter`. */
export type StateWriterMethods = ReturnType<typeof methodsOn>;

function methodsOn({ path, create }: StateWriterStart) {
  const open = () => {
    const db = openStateForWriting(path, { create });
    return { db, writes: new StateWrites(db), group: new GroupCommit(db) };
  };
  let opened: ReturnType<typeof open> | undefined;
  const commit = <T>(write: (writes: StateWrites) => T): Promise<T> => {
    opened ??= open();
    const { group, writes } = opened;
    return group.run(() => write(writes));
  };
  return {
    open: (): void => {
      opened ??= open();
    },
    /** Behind everything that was called before. */
    close: async (): Promise<void> => {
      await opened?.group.run(() => undefined);
      opened?.db[Symbol.dispose]();
    },
    appendCaptured: (captured: CaptureCommit) => commit((writes) => writes.appendCaptured(captured)),
    setCursor: ({ replica, lsn }: { readonly replica: string; readonly lsn: number }) =>
      commit((writes) => writes.setCursor(replica, lsn)),
    trimLog: (lsn: number) => commit((writes) => writes.trimLog(lsn)),
    putIntent: (bytes: Uint8Array) => commit((writes) => writes.putIntent(bytes)),
    recordEffect: (effect: EffectCommit) => commit((writes) => writes.recordEffect(effect)),
    dropLimbo: (names: readonly string[]) => commit((writes) => writes.dropLimbo(names)),
    putRejection: (row: RejectionRow) => commit((writes) => writes.putRejection(row)),
    dropRejections: ({ replica, mailbox }: { readonly replica: string; readonly mailbox: MailboxGuid }) =>
      commit((writes) => writes.dropRejections(replica, mailbox)),
    setMeta: ({ key, value }: { readonly key: string; readonly value: string }) =>
      commit((writes) => writes.setMeta(key, value)),
  };
}

serveWorker<StateWriterMethods>(methodsOn(workerData as StateWriterStart));
